"""At most so many replies of one thread or one author, so that none drowns the rest."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.hashing import draw
from filters.numbers import Whole
from filters.rule import NOBODY, TARGET, Judges, Phase, Rule, RuleError


@dataclass(frozen=True)
class _Cap(Rule):
    """Keep at most `maximum` replies of each group, the best-scored; all of them, where there is no maximum."""

    maximum: Whole | None = None
    judges: ClassVar[Judges] = TARGET
    phase: ClassVar[Phase] = Phase.RUN
    group: ClassVar[str]

    def __post_init__(self) -> None:
        if self.maximum is not None and self.maximum < 1:
            raise RuleError(f"{self.name()}: maximum is {self.maximum}; expected 1 or more; for no cap, {self.name()} = false")

    def judging(self) -> Judges:
        return NOBODY if self.maximum is None else self.judges

    def keeps(self) -> pl.Expr:
        best_first = pl.arg_sort_by(pl.col("score"), draw(), descending=[True, False], nulls_last=True)
        group = pl.col(self.group).gather(best_first)
        place = pl.int_range(pl.len()).over(group).gather(best_first.arg_sort())
        return pl.col(self.group).is_null() | (place < self.maximum)


@dataclass(frozen=True)
class PerThread(_Cap):
    """Keep at most `maximum` replies of a thread, the best-scored, so that one long thread does not drown the rest.

    Of replies with the same score chance decides, always in the same way; an unknown score comes last.
    """

    maximum: Whole | None = 200
    group: ClassVar[str] = "thread"


@dataclass(frozen=True)
class PerAuthor(_Cap):
    """Keep at most `maximum` replies of an author, the best-scored, so that one voice does not drown the rest.

    Of replies with the same score chance decides, always in the same way; an unknown score comes last. Replies whose author is unknown
    have no voice in common and all pass. For the personality of one author, leave the rule out.
    """

    maximum: Whole | None = 100
    group: ClassVar[str] = "author"
