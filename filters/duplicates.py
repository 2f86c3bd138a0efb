"""Replies that say again what the run already has."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filters.rule import TARGET, Judges, Phase, Rule


@dataclass(frozen=True)
class Copies(Rule):
    """A rule that keeps the first of all replies that say the same, and tells which one it kept."""

    judges: ClassVar[Judges] = TARGET
    phase: ClassVar[Phase] = Phase.RUN

    def original(self) -> pl.Expr:
        """The `place` of the reply that is kept in each one's place: its own, for a reply that is no copy."""
        raise NotImplementedError

    def keeps(self) -> pl.Expr:
        return self.original() == pl.col("place")


def first_of_all(original: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row that a copy of a copy goes back to, by the row that each goes back to by one step; its own, for a row that is no copy."""
    while (original != original[original]).any():
        original = original[original]
    return original


@dataclass(frozen=True)
class Duplicates(Copies):
    """Drop replies that say word for word what an earlier one in the run says, in whatever thread or community.

    Upper and lower case, punctuation, white space and quoted lines make no difference. The first by time is kept. This goes for short
    answers too: of a thousand "Thank you so much!" one is enough to learn it from.
    """

    def original(self) -> pl.Expr:
        return pl.when(pl.col("text_key").is_not_null()).then(pl.col("place").min().over("text_key")).otherwise(pl.col("place"))
