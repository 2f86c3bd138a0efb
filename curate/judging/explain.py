"""Why a filter kept or dropped one post: its values, and what each rule says of it."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import polars as pl

from curate import store, threads
from curate.engine import Progress, silent
from curate.judging.bucket import longest, rows_for, with_measures
from curate.judging.judge import try_filter
from curate.manifest import report_of, stage_of
from filters import facts
from filters.catalogue import RULES, TRANSFORMS, Filter, build_filter
from filters.duplicates import Copies
from filters.rule import CONTEXT, NOBODY, TARGET, Judges, Phase, Rule, RuleError
from filters.verdicts import Verdicts

KEEPS, DROPS, NOT_ASKED = "keeps", "drops", "not asked"


def chosen_by(judged: Path) -> Filter:
    """The filter that made a folder of judged posts.

    Raises:
        UserError: the folder holds something else.
    """
    settings = report_of(judged, "judged")["rules"]
    named = {name: settings.get(name, False) for name in (*TRANSFORMS, *RULES)}
    try:
        return build_filter(named)
    except RuleError:
        # A checkpoint that is not there any more is not asked either: what it said stands in the folder.
        scorer = f"transformers:{settings.get('toxicity', {}).get('scorer')}"
        return build_filter({**named, "toxicity": {**settings.get("toxicity", {}), "scorer": scorer}})


def explain(folder: Path, post_id: str, chosen: Filter, scores: Path, progress: Progress = silent) -> dict[str, Any] | None:
    """A post with what each rule says of it; None where the folder does not hold it.

    The post has its columns as judged; `rules` lists each rule in order with its `settings`, the `values` that it looks at, and what it
    says of the post as `target` and as `context`: `KEEPS`, `DROPS`, or `NOT_ASKED` where it does not judge that side, or sees only what
    stands in a conversation and the post no longer did.

    Args:
        folder: of judged posts, or of posts, which are judged then without leaving anything.
        chosen: the filter for posts; judged posts are explained by the one that judged them.

    Raises:
        UserError: the folder holds neither.
    """
    if stage_of(folder) == "judged":
        chosen = chosen_by(folder)
        found = [bucket for bucket in store.bucket_numbers(folder) if _holds(store.read_bucket(folder, bucket, ["id"]), post_id)]
        buckets = [store.read_bucket(folder, bucket) for bucket in found[:1]]
    else:
        buckets = []

        def keep(work: Path, bucket: int, judged: pl.DataFrame) -> None:
            if _holds(judged, post_id):
                buckets.append(judged)

        # Facts of the run go by the authors' own names.
        chosen = Filter(tuple(transform for transform in chosen.transforms if not transform.last), chosen.rules)
        try_filter(folder, chosen, scores, keep, progress)
    if not buckets:
        return None
    (judged,) = buckets
    known = _facts(folder, chosen)
    wanted = pl.col("id") == post_id
    thread = judged.filter(pl.col("thread_id") == judged.filter(wanted)["thread_id"].first())
    rules = [rule for rule in chosen.rules if rule.phase is Phase.POST]
    measured = with_measures(thread, rules, known).filter(wanted)
    post = judged.filter(wanted).to_dicts()[0]
    values = measured.to_dicts()[0]
    asked = _asked(thread, int((thread["id"] == post_id).arg_true()[0]), chosen)
    return {**post, "rules": [_said(rule, asked[rule.name()], post, values) for rule in chosen.rules]}


def _holds(posts: pl.DataFrame, post_id: str) -> bool:
    return bool((posts["id"] == post_id).any())


def _facts(folder: Path, chosen: Filter) -> facts.Facts:
    if not facts.needed(chosen.rules):
        return facts.facts([])
    return facts.facts(facts.survey(store.read_bucket(folder, bucket, facts.SURVEYED)) for bucket in store.bucket_numbers(folder))


def _asked(thread: pl.DataFrame, row: int, chosen: Filter) -> dict[str, Judges]:
    """By rule, as what it was asked about one post of a judged thread."""
    parent = threads.parents(thread)
    asked = {}
    for place, rule in enumerate(chosen.rules):
        asked[rule.name()] = rule.judging()
        if rule.phase >= Phase.TEXT:
            rows = rows_for(rule.judging(), _verdicts(thread, chosen.rules[:place]), parent, longest(chosen))
            asked[rule.name()] = reduce(or_, (side for side, posts in rows.items() if posts[row]), NOBODY)
    return asked


def _verdicts(thread: pl.DataFrame, rules: Sequence[Rule]) -> Verdicts:
    """What these rules said of the posts of a judged thread."""
    verdicts, names = Verdicts.none(rules, thread.height), {rule.name() for rule in rules}
    for side, mask in (("target_reasons", verdicts.target), ("context_reasons", verdicts.context)):
        mask[[not names.isdisjoint(reasons) for reasons in thread[side]]] = 1
    return verdicts


def _said(rule: Rule, asked: Judges, post: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    shown = {name: values[name] for name in sorted(rule.reads()) if name in values and name not in ("id", "thread_id", "text")}
    if rule.phase is Phase.RUN:
        shown = {"duplicate_of": post["duplicate_of"]} if isinstance(rule, Copies) and rule.name() in post["target_reasons"] else {}
    sides = (("target", TARGET), ("context", CONTEXT))
    said = {name: DROPS if rule.name() in post[f"{name}_reasons"] else KEEPS if side in asked else NOT_ASKED for name, side in sides}
    return {"rule": rule.name(), **said, "settings": asdict(rule), "values": shown}
