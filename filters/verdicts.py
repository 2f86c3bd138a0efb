"""Verdicts on a table of posts: which rules drop each, as a reply to learn and as a turn before one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filters.masks import MOST_NAMES, Mask, bit, names_of
from filters.measuring.measures import measure, needed
from filters.rule import BOTH, CONTEXT, TARGET, Judges, Rule

REASONS = ("target_reason", "context_reason", "target_reasons", "context_reasons")
"""The columns that verdicts add to posts: the first rule that drops each, null where it is kept, and all that do, in their order."""


@dataclass
class Verdicts:
    """Which rules drop each post of a table, a bit for each rule in their order."""

    rules: Sequence[Rule]
    target: Mask
    context: Mask
    _bits: dict[str, np.uint64] = field(init=False)

    def __post_init__(self) -> None:
        if len(self.rules) > MOST_NAMES:
            raise ValueError(f"{len(self.rules)} rules; verdicts have room for {MOST_NAMES}")
        self._bits = {rule.name(): bit(place) for place, rule in enumerate(self.rules)}

    @classmethod
    def none(cls, rules: Sequence[Rule], height: int) -> "Verdicts":
        """No post of a table of this height is dropped yet."""
        return cls(rules, np.zeros(height, np.uint64), np.zeros(height, np.uint64))

    def judge(self, posts: pl.DataFrame, rules: Sequence[Rule], rows: NDArray[np.bool_] | None = None, judges: Judges = BOTH) -> None:
        """Lets some of the rules judge the posts, all in one pass.

        Args:
            posts: a row for each post of the table, with the columns that the rules ask for.
            rows: the posts that these rules judge; all, where it is missing.
            judges: the sides that are judged.
        """
        columns: dict[str, pl.Expr] = {}
        asked: list[tuple[str, Mask, np.uint64]] = []
        for rule in rules:
            name, judging = rule.name(), rule.judging() & judges
            makes_a_difference = type(rule).keeps_context is not Rule.keeps_context
            for side, mask in ((TARGET, self.target), (CONTEXT, self.context)):
                if side in judging:
                    column = f"{name} as context" if side is CONTEXT and makes_a_difference else name
                    keeps = rule.keeps_context if side is CONTEXT else rule.keeps
                    columns.setdefault(column, ~keeps().fill_null(True))
                    asked.append((column, mask, self._bits[name]))
        drops = posts.select(**columns)
        for column, mask, own in asked:
            dropped = np.broadcast_to(drops[column].to_numpy(), posts.height)
            mask[dropped if rows is None else dropped & rows] |= own

    def drop(self, rule: Rule, rows: NDArray[np.int64]) -> None:
        """Lets a rule drop these rows as replies to learn."""
        self.target[rows] |= self._bits[rule.name()]

    def reasons(self) -> pl.DataFrame:
        """The columns `REASONS`."""
        names = [rule.name() for rule in self.rules]
        target, context = names_of(self.target, names), names_of(self.context, names)
        columns = (target.list.first(), context.list.first(), target, context)
        return pl.DataFrame(dict(zip(REASONS, columns, strict=True)))


def judge(posts: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """The posts with `REASONS`. The table has the columns that the rules ask for, whatever their phase; measures are taken of its texts."""
    missing = [name for name in needed(rules) if name not in posts.columns]
    measured = posts.hstack(measure(posts, missing)) if missing else posts
    verdicts = Verdicts.none(rules, posts.height)
    verdicts.judge(measured, rules)
    return posts.drop(REASONS, strict=False).hstack(verdicts.reasons())
