"""What forgetting some posts comes to, before anything is removed: which posts, samples, scores and examples, and how many."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from curate import store
from curate.engine import Progress
from curate.files import read_json
from curate.forgetting.contexts import samples_of
from curate.forgetting.copies import count_copies
from curate.forgetting.downstream import RUN, Downstream, left_beside, may_be_older
from curate.forgetting.excerpts import count_excerpts, forgotten_lines
from curate.forgetting.forgotten import Forgotten, hash_author
from curate.forgetting.lists import USUAL_ID, forms
from curate.forgetting.plan import Plan, Removed
from curate.journal import segments
from curate.splits import SPLITS
from curate.threads import TURN_TEXT
from filters.catalogue import build_filter
from filters.scores import count_scores, hash_texts
from filters.transform import apply_transforms
from formats.errors import UserError
from formats.samples import folder_template
from train.evaluation.keys import sample_key


def survey(
    places: Downstream, ids: Iterable[str], authors: Mapping[str, str], unfinished: Iterable[Forgotten], scores: Path, progress: Progress
) -> Plan:
    """Finds everything of these posts, and of those forgotten before, and changes nothing.

    Args:
        ids: with their prefixes; those of Reddit's posts without, where that is unambiguous.
        authors: by the hash of their name what to call them.
        unfinished: what killed calls were to forget.
        scores: the folder in which the scores of models are kept.

    Raises:
        UserError: an id without prefix is that of a comment and of a submission.
    """
    earlier = Forgotten.read(places.posts)
    for left in unfinished:
        earlier = earlier.joined(left)
    wanted = {name: forms(name) for name in ids}
    sought = earlier.joined(Forgotten(frozenset(form for meant in wanted.values() for form in meant), frozenset(authors)))
    found, writers = _find(places, sought, progress)
    known = found | earlier.ids
    chosen = {name: _meant(name, meant, known) for name, meant in wanted.items()}
    gone = Forgotten(earlier.ids | found | {form for form in chosen.values() if form}, sought.authors)
    unknown = [name for name, form in chosen.items() if form not in known]
    writers |= earlier.authors
    unknown += [called for author, called in authors.items() if author not in writers]

    dropped = {folder: samples_of(folder, gone) for folder in places.samples}
    examples = {key for folder, rows in dropped.items() for key in _keys_of_samples(folder, rows)}
    texts = _texts(places, gone, scores)
    named, nameless = count_excerpts(places.posts, gone)
    trained = [adapter for adapter in places.adapters if _lost_training(adapter, dropped)]
    removed = Removed(
        posts=_count(places.posts, gone),
        judged=sum(_count(folder, gone) for folder in places.judged),
        copies=sum(count_copies(folder, gone) for folder in places.judged),
        samples={split: sum(int((rows["split"] == split).sum()) for rows in dropped.values()) for split in SPLITS},
        scores=count_scores(texts, scores),
        examples=sum(
            not examples.isdisjoint(example_keys(example)) for run in places.runs for example in examples_of(read_json(run / RUN))
        ),
        journal=sum(rows.height for segment in segments(places.posts) for rows in forgotten_lines(segment, gone)),
        rejects=named,
        adapters=tuple(map(str, trained)),
        before=sum(form in known and form not in found for form in chosen.values()),
        unknown=tuple(unknown),
        beside=tuple(map(str, left_beside(places))),
    )
    if not removed.is_nothing():
        older = [str(adapter) for adapter in places.adapters if adapter not in trained and may_be_older(adapter, places)]
        removed = replace(removed, rejects=named + nameless, older_adapters=tuple(older))
    samples = {str(folder): rows["id"].to_list() for folder, rows in dropped.items()}
    return Plan(sorted(gone.ids), sorted(gone.authors), samples, [text.hex() for text in texts], sorted(examples), removed)


def unusual_ids(posts: Path) -> frozenset[str]:
    """The ids of a store that are none of the usual form, with those that were forgotten."""
    found = set(Forgotten.read(posts).ids)
    for bucket in store.bucket_numbers(posts):
        names = store.read_bucket(posts, bucket, ["id"])["id"].drop_nulls()
        found.update(names.filter(~names.str.contains(USUAL_ID) | names.str.contains("://", literal=True)))
    return frozenset(found)


def examples_of(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The evaluation's examples in the record of a run."""
    found: list[dict[str, Any]] = run.get("stages", {}).get("eval", {}).get("counts", {}).get("examples", [])
    return found


def example_keys(example: Mapping[str, Any]) -> set[str]:
    """The keys of the samples that an example shows: its own, and those of training replies that an answer copied."""
    return {sample_key(example["prompt"], example["forum"]), *chain.from_iterable(example.get("copied_from", {}).values())}


def _find(places: Downstream, sought: Forgotten, progress: Progress) -> tuple[frozenset[str], frozenset[str]]:
    """Which of the posts are there, by their ids, and the hashes of those who wrote them.

    The journal is looked through too: it may know the author of a post whose newest record knows none.
    """
    ids: set[str] = set()
    writers: set[str] = set()

    def take(rows: pl.DataFrame) -> None:
        ids.update(rows["id"].drop_nulls())
        writers.update(hash_author(name) for name in rows["author"].drop_nulls().unique())

    for segment in segments(places.posts):
        for records in forgotten_lines(segment, sought):
            take(records)
    for folder in (places.posts, *places.judged):
        buckets = store.bucket_numbers(folder)
        for number, bucket in enumerate(buckets, 1):
            rows = store.read_bucket(folder, bucket, ["id", "author"])
            rows = rows.filter(sought.holds(rows))
            take(rows)
            progress(f"look through {folder.name}", number, len(buckets))
    return frozenset(ids), frozenset(writers)


def _meant(name: str, meant: Sequence[str], known: frozenset[str]) -> str | None:
    """The id that a name means; None where it has no prefix and no such post is known."""
    hits = [form for form in meant if form in known]
    if len(hits) > 1:
        raise UserError(f"{name}: is {' and '.join(hits)}, which are different posts; give the id with its prefix")
    return hits[0] if hits else meant[0] if len(meant) == 1 else None


def _texts(places: Downstream, gone: Forgotten, scores: Path) -> pl.Series:
    """The hashes of the texts of forgotten posts by which scores are kept; of none, where no scores are kept.

    Texts are scored as transforms leave them. Judged posts have them so; of a trial, which leaves nothing but scores, they are made here
    as it makes them by default.
    """
    found = [pl.Series("hash", [], pl.Binary)]
    transforms = [transform for transform in build_filter({}).transforms if not transform.last]
    for folder in (places.posts, *places.judged) if scores.exists() else ():
        for bucket in store.bucket_numbers(folder):
            if gone.holds(store.read_bucket(folder, bucket, ["id", "author"])).any():
                rows = store.read_bucket(folder, bucket, ["id", "author", "title", "text"])
                rows = rows.filter(gone.holds(rows))
                for table in (rows, apply_transforms(rows, transforms)) if folder == places.posts else (rows,):
                    texts = table.select(TURN_TEXT).to_series()
                    found.append(hash_texts(texts.filter(texts != "")))
    return pl.concat(found).unique(maintain_order=True)


def _count(folder: Path, gone: Forgotten) -> int:
    buckets = store.bucket_numbers(folder)
    return sum(int(gone.holds(store.read_bucket(folder, bucket, ["id", "author"])).sum()) for bucket in buckets)


def _keys_of_samples(folder: Path, rows: pl.DataFrame) -> set[str]:
    """The keys of samples in the examples of an evaluation, which shows held-out ones and what was copied from others."""
    template = folder_template(folder)
    plain = template.escaper.unescape
    return {
        sample_key(plain(prompt), plain(completion.removesuffix(template.stop)))
        for prompt, completion in rows.select("prompt", "completion").iter_rows()
    }


def _lost_training(adapter: Path, dropped: Mapping[Path, pl.DataFrame]) -> bool:
    """Whether samples of the adapter's training went: those of its run, or any, where it lies elsewhere."""
    own = adapter.parent / "samples"
    chosen = [dropped[own]] if own in dropped else dropped.values()
    return any((rows["split"] == "train").any() for rows in chosen)
