"""What a post's text looks like."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.rule import TARGET, Judges, Rule, RuleError


@dataclass(frozen=True)
class Length(Rule):
    """Keep replies of `minimum` to `maximum` characters, white space at the ends not counted."""

    minimum: int = 20
    maximum: int = 2000
    judges: ClassVar[Judges] = TARGET

    def __post_init__(self) -> None:
        if self.minimum > self.maximum:
            raise RuleError(f"length: minimum ({self.minimum}) is more than maximum ({self.maximum}), so no reply would be left")

    def keeps(self) -> pl.Expr:
        return pl.col("text").fill_null("").str.strip_chars().str.len_chars().is_between(self.minimum, self.maximum)


@dataclass(frozen=True)
class Empty(Rule):
    """Drop posts with neither text nor title: there is nothing to answer and nothing to learn."""

    def keeps(self) -> pl.Expr:
        return pl.any_horizontal(pl.col(name).fill_null("").str.contains(r"\S") for name in ("title", "text"))
