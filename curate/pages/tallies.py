"""Counts of judged posts by score, length, time and the like, bucket by bucket: small tables that add up."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from filters.funnel import OUTCOMES

OUTCOME = (
    pl.when(pl.col("target_reason").is_null())
    .then(pl.lit("target"))
    .when(pl.col("context_reason").is_null())
    .then(pl.lit("context"))
    .otherwise(pl.lit("dropped"))
)
"""Which of `filters.funnel.OUTCOMES` a judged post has."""

COLUMNS = ("target_reason", "context_reason", "score", "text", "created_at", "community", "author", "toxicity", "language")
"""Columns of judged posts that are counted; the last two may be missing."""

_LONGEST_DECADE = 9
SCORES = (
    *(-digit * 10**power for power in range(_LONGEST_DECADE, 0, -1) for digit in (5, 2, 1)),
    *range(-5, 10),
    *(digit * 10**power for power in range(1, _LONGEST_DECADE + 1) for digit in (1, 2, 5)),
)
"""Where the bins of scores begin: one for each small number, then steps of 1, 2 and 5 in each decade, away from zero."""

LENGTHS = (0, 1, 2, 5, 10, *(step * 10**power // 10 for power in range(1, 8) for step in (15, 20, 30, 50, 70, 100)))
"""Where the bins of lengths in characters begin: six in each decade from 10 on, as even on a logarithmic scale as
round numbers can be."""

SHARES = 20
"""Bins of what lies between 0 and 1."""

Tallies = Mapping[str, pl.DataFrame]
"""By name, tables of a key (null: unknown) and `OUTCOMES`: how many posts with this key became what."""


def tally(judged: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The counts of one bucket.

    The keys: of `scores` and `lengths`, the place in `SCORES` and `LENGTHS`; of `months`, months since the year 0;
    of `authors`, a hash of the name, the same in one process; of `communities` and `languages`, their names; of `toxicity.LABEL`, the
    bin of `SHARES` among the posts that were scored.
    """
    keys = {
        "scores": _bins(judged["score"], SCORES),
        "lengths": _bins(judged["text"].fill_null("").str.len_chars(), LENGTHS),
        "months": judged.select(pl.col("created_at").dt.year().cast(pl.Int32) * 12 + pl.col("created_at").dt.month() - 1).to_series(),
        "communities": judged["community"],
        "authors": author_keys(judged["author"]),
    }
    if isinstance(judged.schema.get("language"), pl.Struct):
        keys["languages"] = judged["language"].struct.field("code")
    outcome = judged.select(OUTCOME.alias("outcome")).to_series()
    counted = {name: _count(key, outcome) for name, key in keys.items()}
    for label, scores in _labels(judged):
        scored = scores.is_not_null()
        bins = (scores.filter(scored) * SHARES).floor().clip(0, SHARES - 1).cast(pl.Int32)
        counted[f"toxicity.{label}"] = _count(bins, outcome.filter(scored))
    return counted


def author_keys(authors: pl.Series) -> pl.Series:
    """The keys of authors; null where there is none."""
    return authors.to_frame("author").select(pl.when(pl.col("author").is_not_null()).then(pl.col("author").hash(0))).to_series()


def total(tallies: Iterable[Tallies]) -> dict[str, pl.DataFrame]:
    """The counts of several buckets together, by key; of none, no table at all."""
    named: dict[str, list[pl.DataFrame]] = {}
    for bucket in tallies:
        for name, table in bucket.items():
            named.setdefault(name, []).append(table)
    return {name: pl.concat(tables, how="vertical_relaxed").group_by("key").agg(pl.col(OUTCOMES).sum()) for name, tables in named.items()}


def _bins(values: pl.Series, begins: Sequence[int]) -> pl.Series:
    found = pl.Series(begins, dtype=pl.Int64).search_sorted(values.cast(pl.Int64).fill_null(0), side="right").cast(pl.Int32) - 1
    return found.set(values.is_null(), None)


def _labels(judged: pl.DataFrame) -> Iterable[tuple[str, pl.Series]]:
    dtype = judged.schema.get("toxicity")
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            if field.dtype.is_float():
                yield field.name, judged["toxicity"].struct.field(field.name).fill_nan(None)


def _count(key: pl.Series, outcome: pl.Series) -> pl.DataFrame:
    sides = [(pl.col("outcome") == name).sum().cast(pl.Int64).alias(name) for name in OUTCOMES]
    return pl.DataFrame([key.alias("key"), outcome]).group_by("key").agg(sides)
