"""Draws the posts that show what a rule does: ten that it dropped, ten that were kept; the same for the same posts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.pages.tallies import author_keys
from filters.funnel import KEPT

EACH = 10
"""Examples of a rule, on either side."""

READ = 2_000
"""Characters of a text that are kept until it is shown."""

COLUMNS = (
    "id", "community", "author", "created_at", "retrieved_at", "title", "text", "score", "upvote_ratio", "nsfw", "target_reason",
    "context_reason", "target_reasons", "context_reasons", "changed_by", "duplicate_of", "language", "toxicity", "quoted",
)  # fmt: skip
"""Columns of judged posts that examples are made of; the last three may be missing."""

_SEED = 0
_FAR = float("inf")

Settings = Mapping[str, Any]


def _toxicity(settings: Settings, known: Mapping[str, Any]) -> pl.Expr | None:
    dtype = known.get("toxicity")
    labels = {field.name for field in dtype.fields} if isinstance(dtype, pl.Struct) else set()
    scores = pl.col("toxicity").struct
    over = [scores.field(label) - limit for label, limit in settings.get("thresholds", {}).items() if label in labels]
    return -pl.max_horizontal(over) if over else None


def _length(settings: Settings, known: Mapping[str, Any]) -> pl.Expr | None:
    characters = pl.col("text").fill_null("").str.strip_chars().str.len_chars().cast(pl.Float64)
    limits = [settings[name] for name in ("minimum", "maximum") if settings.get(name)]
    return pl.min_horizontal((characters / limit).log().abs() for limit in limits) if limits else None


def _column(name: str, sign: int = 1) -> Callable[[Settings, Mapping[str, Any]], pl.Expr | None]:
    return lambda settings, known: sign * pl.col(name) if name in known else None


def _language(settings: Settings, known: Mapping[str, Any]) -> pl.Expr | None:
    return pl.col("language").struct.field("confidence") if isinstance(known.get("language"), pl.Struct) else None


NEAR: Mapping[str, Callable[[Settings, Mapping[str, Any]], pl.Expr | None]] = {
    "min_score": _column("score"),
    "upvote_ratio": _column("upvote_ratio"),
    "length": _length,
    "recency": lambda settings, known: pl.col("created_at").to_physical(),
    "settled": lambda settings, known: (pl.col("retrieved_at") - pl.col("created_at")).dt.total_hours(),
    "quoted": _column("quoted", -1),
    "language": _language,
    "toxicity": _toxicity,
}
"""By rule, how near a kept post is to being dropped, the less the nearer; rules without a value show kept posts drawn at random."""


@dataclass(frozen=True)
class Rules:
    """The rules of a judged folder that drop any post, as its report tells them: their settings, and the names of those that judge
    replies.
    """

    settings: Mapping[str, Settings]
    of_targets: frozenset[str]

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> "Rules":
        """From the report of a folder of judged posts."""
        settings = {name: report["rules"].get(name, {}) for name, count in report["every"].items() if count}
        return cls(settings, frozenset(report["target"]) - {KEPT})


def draw(judged: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Examples from one bucket.

    Returns:
        The columns of `COLUMNS` that there are, cut to `READ` characters, with `rule`, `is_kept`, `near` and `place` (by which to choose
        among them), `author` a key of `curate.pages.tallies`, `characters`, and `is_near`: whether the rule has a value to be near to.
    """
    judged = judged.select([name for name in COLUMNS if name in judged.columns]).with_columns(
        pl.col("id").hash(_SEED).alias("place"), pl.int_range(pl.len()).alias("row")
    )
    chosen = pl.concat([_dropped(judged, rules), _kept(judged, rules)])
    found = chosen.join(judged.drop("place"), on="row", how="left", maintain_order="left").drop("row")
    return found.with_columns(
        pl.col("text").str.len_chars().alias("characters"),
        pl.col("title", "text").str.head(READ),
        author_keys(found["author"]).alias("author"),
    )


def choose(drawn: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The examples of several buckets: the first `EACH` of every rule on either side, in order."""
    chosen = pl.DataFrame()
    for bucket in (bucket for bucket in drawn if bucket.width):
        both = pl.concat([chosen, bucket], how="diagonal_relaxed") if chosen.width else bucket
        chosen = both.sort("near", "place").group_by("rule", "is_kept", maintain_order=True).head(EACH)
    return chosen


def _dropped(judged: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Posts of which the rule is the first reason, on either side."""
    sides = [
        judged.filter(condition).select(pl.col(side).alias("rule"), "place", "row")
        for side, condition in (
            ("target_reason", pl.col("target_reason").is_not_null()),
            ("context_reason", pl.col("context_reason").is_not_null() & pl.col("context_reason").ne_missing(pl.col("target_reason"))),
        )
    ]
    both = pl.concat(sides).group_by("rule").agg(pl.col("row", "place").bottom_k_by("place", EACH)).explode("row", "place")
    return _marked(both.filter(pl.col("rule").is_in(list(rules.settings))), False, pl.lit(0.0), False)


def _kept(judged: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Posts that all rules kept on the side that the rule judges, those first that are nearest to be dropped by it."""
    parts = [_marked(pl.DataFrame(schema={"rule": pl.String, "row": pl.Int64, "place": pl.UInt64}), True, pl.lit(0.0), False)]
    for side, names in (
        ("target_reason", [name for name in rules.settings if name in rules.of_targets]),
        ("context_reason", [name for name in rules.settings if name not in rules.of_targets]),
    ):
        kept = judged.filter(pl.col(side).is_null())
        for name in names if kept.height else ():
            near = NEAR[name](rules.settings[name], kept.schema) if name in NEAR else None
            measured = pl.lit(0.0) if near is None else near.cast(pl.Float64).fill_nan(None).fill_null(_FAR)
            place = pl.col("id").hash(_seed(name))
            rows = kept.select("row", place.alias("place"), measured.alias("near"))
            nearest = rows.select(pl.all().bottom_k_by(["near", "place"], EACH)).select(pl.lit(name).alias("rule"), "row", "place", "near")
            parts.append(_marked(nearest, True, pl.col("near"), near is not None))
    return pl.concat(parts)


def _marked(rows: pl.DataFrame, is_kept: bool, near: pl.Expr, is_near: bool) -> pl.DataFrame:
    return rows.select(
        "rule",
        "row",
        "place",
        near.cast(pl.Float64).alias("near"),
        pl.lit(is_kept).alias("is_kept"),
        pl.lit(is_near).alias("is_near"),
    )


def _seed(name: str) -> int:
    """Another draw for each rule."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(name))


def rows_of(examples: pl.DataFrame, rule: str, is_kept: bool) -> Sequence[dict[str, Any]]:
    """The examples of one rule on one side, in order."""
    if not examples.width:
        return []
    return examples.filter((pl.col("rule") == rule) & (pl.col("is_kept") == is_kept)).to_dicts()
