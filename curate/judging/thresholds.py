"""How a threshold is chosen: how many replies each would drop, and which ones stand at its edge."""

from pathlib import Path
from typing import Any

import polars as pl

from curate import store
from curate.engine import Progress, silent
from curate.judging.explain import chosen_by
from curate.judging.judge import try_filter
from curate.manifest import stage_of
from filters.catalogue import Filter
from filters.hashing import stable_hash
from filters.rule import RuleError

THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
BORDERLINE = 5
"""Examples at the edge of each threshold: those whose scores are nearest to it."""

RULE = "toxicity"


def explain_thresholds(folder: Path, chosen: Filter, scores: Path, progress: Progress = silent) -> list[dict[str, Any]]:
    """By label of the scorer, what each of `THRESHOLDS` would drop alone, of the posts that were scored.

    Each entry has the `label`, the number of posts `scored`, and for each threshold `above`, the number of those with a higher score, and
    `borderline`, the `id`, `score` and `text` of those nearest to it, on either side, each text once.

    Args:
        folder: of judged posts, or of posts, which are judged then without leaving anything but scores.

    Raises:
        UserError: the folder holds neither.
        RuleError: the filter has no toxicity rule, or nothing was scored.
    """
    is_judged = stage_of(folder) == "judged"
    if RULE not in {rule.name() for rule in (chosen_by(folder) if is_judged else chosen).rules}:
        if is_judged:
            raise RuleError(f"{folder}: was judged without {RULE}, so nothing was scored; give the folder of posts")
        raise RuleError(f"{RULE}: is left out, so there is no threshold to explain; set {RULE} = true or name a scorer")
    found: list[pl.DataFrame] = []

    def take(judged: pl.DataFrame) -> None:
        if RULE in judged.columns:
            labels = judged[RULE].struct.unnest()
            known = [label for label in labels.columns if labels[label].null_count() < labels.height]
            scored = judged.select("id", "text").hstack(labels.select(known)).filter(pl.any_horizontal(pl.col(known).is_not_null()))
            found.append(scored)

    if is_judged:
        for bucket in store.bucket_numbers(folder):
            take(store.read_bucket(folder, bucket))
    else:
        try_filter(folder, chosen, scores, lambda work, bucket, judged: take(judged), progress)
    if not found:
        raise RuleError(f"{RULE}: no reply stands in a conversation, so none was scored; loosen the rules before it")
    scored = pl.concat(found, how="diagonal")
    return [_label(scored, label) for label in scored.columns if label not in ("id", "text")]


def _label(scored: pl.DataFrame, label: str) -> dict[str, Any]:
    known = scored.select("id", "text", score=label).drop_nulls("score")
    distinct = known.unique("text", keep="first", maintain_order=True)
    order = stable_hash(distinct["id"])
    thresholds = []
    for threshold in THRESHOLDS:
        nearest = distinct.sort((pl.col("score") - threshold).abs(), order).head(BORDERLINE).sort("score", descending=True)
        above = int((known["score"] > threshold).sum())
        thresholds.append({"threshold": threshold, "above": above, "borderline": nearest.to_dicts()})
    return {"label": label, "scored": known.height, "thresholds": thresholds}
