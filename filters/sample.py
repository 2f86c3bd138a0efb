"""A sample of the run that is like the whole."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.hashing import draw
from filters.numbers import Whole
from filters.rule import NOBODY, TARGET, Judges, Phase, Rule, RuleError


@dataclass(frozen=True)
class Sample(Rule):
    """Keep `size` replies that stand for the whole: each community and month has its share. Without a size, all are kept.

    Exactly `size` are kept, or all where there are fewer. The same `seed` always gives the same sample. (Systematic sampling of replies
    sorted by community, month and chance, so that each month's share is exact to one reply.)
    """

    size: Whole | None = None
    seed: Whole = 0
    judges: ClassVar[Judges] = TARGET
    phase: ClassVar[Phase] = Phase.RUN

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise RuleError(f"sample: size is {self.size}; expected 1 or more; to keep all, sample = false")
        if self.seed < 0:
            raise RuleError(f"sample: seed is {self.seed}; expected 0 or more")

    def judging(self) -> Judges:
        return NOBODY if self.size is None else self.judges

    def keeps(self) -> pl.Expr:
        month = pl.col("created_at").dt.truncate("1mo")
        place = pl.arg_sort_by(pl.col("community"), month, draw(self.seed)).arg_sort().cast(pl.Int64)
        size = pl.min_horizontal(pl.lit(self.size, pl.Int64), pl.len().cast(pl.Int64))
        return place * size // pl.len() != (place + 1) * size // pl.len()
