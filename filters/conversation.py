"""Where a post stands in its conversation."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.numbers import Whole
from filters.rule import TARGET, Judges, Phase, Rule, RuleError


@dataclass(frozen=True)
class Turns(Rule):
    """Keep replies that stand at the end of `minimum` to `maximum` turns, the reply included: fewer, and it answers nothing.

    Counted are the turns in a row that no rule on single posts drops: a dropped turn cuts the conversation, and what follows it begins
    a new one. `maximum` keeps endless chains out, those of games and of quarrels: up to a dozen turns, replies are as good as earlier ones
    by eye. `format.max_turns` says how many turns of those that are kept a sample shows.
    """

    minimum: Whole = 2
    maximum: Whole = 12
    judges: ClassVar[Judges] = TARGET
    phase: ClassVar[Phase] = Phase.CONVERSATION

    def __post_init__(self) -> None:
        if not 2 <= self.minimum <= self.maximum:
            raise RuleError(f"turns: minimum is {self.minimum} and maximum {self.maximum}; expected 2 <= minimum <= maximum")

    def keeps(self) -> pl.Expr:
        return pl.col("turns").is_between(self.minimum, self.maximum)
