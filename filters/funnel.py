"""Counts of verdicts, which must add up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import polars as pl

from filters.rule import CONTEXT, TARGET, Rule
from filters.transform import Transform

KEPT = "kept"
OUTCOMES = ("target", "context", "dropped")
"""What becomes of a post: it is a reply to learn; or only a turn before one; or neither."""


@dataclass(frozen=True)
class Funnel:
    """How many posts came in, what became of them, and what each rule dropped and each transform changed.

    `target` and `context` count every post once, with the first rule that drops it as a reply to learn and as a turn before one, or as
    kept; `outcome` counts it once as one of `OUTCOMES`. So each of the three adds up to `posts`. `every` has, by rule, the posts that it
    drops on either side, whatever else drops them too; `changed`, by transform, the posts that it changed.
    """

    posts: int
    target: dict[str, int]
    context: dict[str, int]
    outcome: dict[str, int]
    every: dict[str, int]
    changed: dict[str, int]

    def __post_init__(self) -> None:
        for side in (self.target, self.context, self.outcome):
            if self.posts != sum(side.values()):
                raise ValueError(f"the funnel does not add up: {self.posts} posts, {side}")
        for rule, count in self.every.items():
            if not max(self.target.get(rule, 0), self.context.get(rule, 0)) <= count <= self.posts:
                raise ValueError(
                    f"the funnel does not add up: {count} of {self.posts} posts dropped by {rule}, {self.target}, {self.context}"
                )

    @classmethod
    def of(cls, rules: Sequence[Rule], transforms: Sequence[Transform] = ()) -> "Funnel":
        """The funnel of no posts: every rule and transform in order, with zero."""
        sides = [{rule.name(): 0 for rule in rules if side in rule.judges} | {KEPT: 0} for side in (TARGET, CONTEXT)]
        every, changed = {rule.name(): 0 for rule in rules}, {transform.name(): 0 for transform in transforms}
        return cls(0, sides[0], sides[1], dict.fromkeys(OUTCOMES, 0), every, changed)

    @classmethod
    def from_report(cls, report: Mapping[str, Any]) -> "Funnel":
        """The funnel in a report that has more in it."""
        return cls(**{field.name: report[field.name] for field in fields(cls)})

    def __add__(self, other: "Funnel") -> "Funnel":
        sides = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self) if field.name != "posts")
        return Funnel(self.posts + other.posts, *({name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}} for a, b in sides))

    def to_dict(self) -> dict[str, Any]:
        """The counts as JSON holds them."""
        return asdict(self)


COUNTED = ("target_reason", "context_reason", "target_reasons", "context_reasons", "changed_by")
"""The columns of judged posts that are counted; `changed_by` may be missing."""


def count(judged: Iterable[pl.DataFrame], empty: Funnel) -> Funnel:
    """The funnel of judged tables; `empty` names the rules and transforms in their order.

    Raises:
        ValueError: a table has a reason that is no rule of the funnel.
    """
    counts = {name: dict.fromkeys(side, 0) for name, side in empty.to_dict().items() if name != "posts"}
    posts = 0

    def add(side: str, name: str, number: int) -> None:
        if name not in counts[side]:
            raise ValueError(f"the funnel does not add up: {number} posts with {name!r}, which none of {', '.join(counts[side])} gave")
        counts[side][name] += number

    for table in judged:
        posts += table.height
        for row in table.group_by([name for name in COUNTED if name in table.columns]).len().iter_rows(named=True):
            number, target, context = row["len"], row["target_reason"], row["context_reason"]
            add("target", target or KEPT, number)
            add("context", context or KEPT, number)
            add("outcome", "target" if target is None else "context" if context is None else "dropped", number)
            for rule in {*row["target_reasons"], *row["context_reasons"]}:
                add("every", rule, number)
            for transform in row.get("changed_by") or ():
                add("changed", transform, number)
    return Funnel(posts, **counts)
