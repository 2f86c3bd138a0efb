"""Folders of judged posts, invented row by row, for the tests of what is made from them."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from curate import store
from curate.files import write_json, write_parquet
from curate.manifest import MANIFEST, change_report
from curate.posts import POSTS
from filters.funnel import KEPT, OUTCOMES, Funnel, count

MAY = datetime.datetime(2024, 5, 17, 8, 30, tzinfo=datetime.UTC)
POST = {
    "id": "t1_a",
    "thread_id": "t3_a",
    "kind": "comment",
    "community": "KettleCourt",
    "author": "clerk_of_the_caddy",
    "created_at": MAY,
    "text": "The court finds the kettle warm and the witness colder.",
    "score": 12,
    "removal": "none",
    "target_reasons": [],
    "context_reasons": [],
    "changed_by": [],
    "turns": 2,
}
LABELS = pl.Struct({"toxicity": pl.Float32, "insult": pl.Float32})
LANGUAGE = pl.Struct({"code": pl.String, "confidence": pl.Float32})
ADDED = {
    "target_reasons": pl.List(pl.String),
    "context_reasons": pl.List(pl.String),
    "changed_by": pl.List(pl.String),
    "duplicate_of": pl.String,
    "turns": pl.Int16,
    "language": LANGUAGE,
    "toxicity": LABELS,
    "quoted": pl.Float32,
}
RULES = {
    "removed": {},
    "min_score": {"minimum": 3},
    "length": {"minimum": 20, "maximum": 2000},
    "toxicity": {"scorer": "lite", "thresholds": {"toxicity": 0.9, "insult": 0.5}},
}
OF_CONTEXT = ("removed",)


def judged_posts(changes: Sequence[Mapping[str, Any]], without: Sequence[str] = ()) -> pl.DataFrame:
    """Good posts with these changes, as `lorum filter` writes them; `without` names columns that are missing."""
    schema = {**POSTS, **ADDED}
    rows = [{**dict.fromkeys(schema), **POST, "id": f"t1_{place:x}", **change} for place, change in enumerate(changes)]
    first = [pl.col(f"{side}_reasons").list.get(0, null_on_oob=True).alias(f"{side}_reason") for side in ("target", "context")]
    return pl.DataFrame(rows, schema=schema).with_columns(first).drop(without)


def write_judged(
    folder: Path,
    *buckets: pl.DataFrame,
    rules: Mapping[str, Any] = RULES,
    transforms: Sequence[str] = ("quotes",),
    scorers: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a folder of judged posts with its report."""
    for number, posts in enumerate(buckets):
        write_parquet(posts, store.bucket_folder(folder, number) / "part-0000.parquet")
    empty = Funnel(
        0,
        target={**dict.fromkeys(rules, 0), KEPT: 0},
        context={**{name: 0 for name in rules if name in OF_CONTEXT}, KEPT: 0},
        outcome=dict.fromkeys(OUTCOMES, 0),
        every=dict.fromkeys(rules, 0),
        changed=dict.fromkeys(transforms, 0),
    )
    report = {**count(buckets, empty).to_dict(), "rules": {**{name: {} for name in transforms}, **rules}, "scorers": scorers or {}}
    write_json({"stage": "judged", "fingerprint": "0" * 16}, folder / MANIFEST)
    change_report(folder, report)
    return folder
