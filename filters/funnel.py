"""Counts of verdicts, which must add up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from filters.rule import CONTEXT, TARGET, Rule


@dataclass(frozen=True)
class Funnel:
    """How many posts came in and, by rule, how many it dropped as a reply to learn (target) and as a turn before one (context).

    A post counts with the first rule that drops it, so that `posts` is the sum of the drops and of what was kept.
    """

    posts: int
    target: dict[str, int]
    context: dict[str, int]

    def __post_init__(self) -> None:
        for side in (self.target, self.context):
            if self.posts != sum(side.values()):
                raise ValueError(f"the funnel does not add up: {self.posts} posts, {side}")

    def __add__(self, other: "Funnel") -> "Funnel":
        sides = ((self.target, other.target), (self.context, other.context))
        target, context = ({name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}} for a, b in sides)
        return Funnel(self.posts + other.posts, target, context)

    def to_dict(self) -> dict[str, Any]:
        """The contents of `funnel.json`; `kept` is the last entry of each side."""
        return {"posts": self.posts, "target": self.target, "context": self.context}


def count(judged: pl.DataFrame, rules: Sequence[Rule]) -> Funnel:
    """The funnel of a judged table: every rule in order with its count, zero included, then `kept`."""
    sides = []
    for column, side in (("target_reason", TARGET), ("context_reason", CONTEXT)):
        counts = dict(judged.group_by(column).len().iter_rows())
        names = [rule.name() for rule in rules if side in rule.judges]
        sides.append({**{name: counts.get(name, 0) for name in names}, "kept": counts.get(None, 0)})
    return Funnel(judged.height, *sides)
