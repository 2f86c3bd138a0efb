"""Forgets posts: removes them from a folder of posts and from all that was made from it, and keeps them out of later imports."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path

from curate.engine import Progress, silent
from curate.files import read_json, write_json
from curate.forgetting.asking import Asked, ask_source
from curate.forgetting.downstream import Downstream, find_downstream, held, unfinished
from curate.forgetting.forgotten import hash_author
from curate.forgetting.lists import check_id, read_list
from curate.forgetting.plan import Plan, Removed
from curate.forgetting.removal import remove
from curate.forgetting.survey import survey, unusual_ids
from curate.sources.fetching.patience import Patience
from formats.errors import UserError
from train.cache import cache_folder


def forget(
    folder: Path,
    ids: Iterable[str] = (),
    authors: Iterable[str] = (),
    lists: Iterable[str | Path] = (),
    also: Sequence[Path] = (),
    progress: Progress = silent,
    *,
    ask: str | None = None,
    site: str | None = None,
    patience: Patience | None = None,
    dry_run: bool = False,
    yes: bool = False,
) -> Removed:
    """Removes posts from a run, or from a folder of posts and the folders made from it.

    The posts go, with their judgements, the samples that hold them as reply or context, the scores of their texts, the evaluation's
    examples, what was scraped of them, and excerpts of rejected lines; what stopped stages left half done beside the posts goes whole.
    Where judged posts repeat one that goes, the next run judges anew which of them stays. A killed call that is made again goes on.

    Args:
        folder: of a run, or of posts.
        ids: with their prefixes (`t1_x`), which those of Reddit's posts may lack where it is unambiguous.
        authors: all of whose posts go; in any case.
        lists: files of ids, see `curate.forgetting.lists.read_list`.
        also: folders of judged posts and samples, adapters and runs that lie elsewhere.
        ask: one of `curate.forgetting.asking.ASKED`, to be asked which posts still stand; those that do not are forgotten.
        site: the section of praw.ini with the credentials for that.
        dry_run: remove nothing, and say what would be.
        yes: though most posts that the source was asked about are gone.

    Raises:
        UserError: a folder, list or id is not what it should be, or a run works there, or most posts are gone at the source.
        SourceDownError: the source stopped answering; what it answered is kept, and the same call goes on.
    """
    places = find_downstream(folder, also)
    unusual = cache(lambda: unusual_ids(places.there().posts))
    listed = (name for path in lists for name in read_list(path, unusual))
    named = dict.fromkeys([*(check_id(name, "id", unusual) for name in ids), *listed])
    writers = {hash_author(name): name for name in map(_author, authors)}
    if not named and not writers and ask is None:
        raise UserError("nothing to forget: give ids, --author, --list or --ask")
    plans = places.posts.parent.glob(f".{places.posts.name}.forget-*.json")
    key = _key(places, sorted(named), sorted(writers), ask)
    ours, answers = (places.posts.with_name(f".{places.posts.name}.forget-{key}.{suffix}") for suffix in ("json", "answers"))
    found = Asked()
    if ask is not None and not ours.exists():
        found = ask_source(ask, places.there().posts, answers, patience or Patience(progress), site, progress)
        if found.is_suspicious() and not (yes or dry_run):
            raise UserError(
                f"{ask}: {len(found.gone):,} of {found.asked:,} posts are gone there, asked twice, which may be a fault of {ask} or of the "
                "credentials; nothing was removed: look with --dry-run, and give --yes to forget them"
            )
    left_behind = map(str, unfinished(places))
    with nullcontext() if dry_run else held(places):
        there, scores = places.there(), cache_folder() / "scores"
        begun = {path: left for path in plans if (left := _read(path))}
        plan = survey(there, [*named, *found.gone], writers, [left.gone() for left in begun.values()], scores, progress)
        own = begun[ours].removed if ours in begun else replace(plan.removed, asked=found.asked, not_asked=found.others)
        for left in begun.values():
            plan = plan.with_begun(left)
        told = {name: getattr(own, name) for name in ("before", "unknown", "asked", "not_asked")}
        cleared = tuple(dict.fromkeys([*own.unfinished, *left_behind]))
        plan = replace(plan, removed=replace(plan.removed, **told, unfinished=cleared))
        if not dry_run:
            write_json(plan.to_dict(), ours)
            for path in begun.keys() - {ours}:
                path.unlink()
            remove(there, plan, scores, progress)
            ours.unlink()
        answers.unlink(missing_ok=True)
    return plan.removed


def _key(places: Downstream, *asked: object) -> str:
    """What identifies a call, so that the same one goes on."""
    folders = [*places.judged, *places.samples, *places.adapters, *places.runs]
    return hashlib.sha256(json.dumps([*asked, *map(str, folders)]).encode()).hexdigest()[:12]


def _author(name: str) -> str:
    """A name as Reddit's posts have it, though it is given as u/NAME."""
    found = name.strip().removeprefix("/").removeprefix("u/")
    if not found or found.startswith("["):
        raise UserError(f"author: found {name!r}, expected the name of one author")
    return found


def _read(path: Path) -> Plan | None:
    held_there = read_json(path)
    return Plan.from_dict(held_there) if held_there else None
