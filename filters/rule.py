"""What a rule is, and how rules together judge a table of posts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Flag
from typing import ClassVar

import polars as pl


class RuleError(ValueError):
    """A rule that cannot work as it was asked to; the message is one line for the user."""


class Judges(Flag):
    """Whom a rule judges: the reply to learn, the turns before it, or both."""

    TARGET = 1
    CONTEXT = 2
    BOTH = TARGET | CONTEXT


TARGET, CONTEXT, BOTH = Judges.TARGET, Judges.CONTEXT, Judges.BOTH


@dataclass(frozen=True)
class Rule:
    """One reason to drop a post. The fields are its settings, the docstring is its documentation.

    A rule is a Polars expression over the columns of a post, so that all rules together are one pass. Null means unknown, and what
    is unknown passes, unless a rule says otherwise.
    """

    judges: ClassVar[Judges] = BOTH

    @classmethod
    def name(cls) -> str:
        """The name in a recipe and the reason in a report: the class name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def keeps(self) -> pl.Expr:
        """A boolean expression, true for the posts that this rule keeps, over a table of one bucket of posts."""
        raise NotImplementedError


def judge(posts: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """The posts with `target_reason` and `context_reason`: the name of the first rule that drops each, null where it is kept.

    Reasons that the table already has stay; the rules judge what still stands.
    """
    had = set(posts.columns)
    return posts.with_columns(
        _first_reason(rules, judges, pl.col(column) if column in had else None).alias(column)
        for column, judges in (("target_reason", TARGET), ("context_reason", CONTEXT))
    )


def _first_reason(rules: Sequence[Rule], judges: Judges, before: pl.Expr | None) -> pl.Expr:
    judging = [rule for rule in rules if judges in rule.judges]
    reasons = [pl.when(~rule.keeps().fill_null(True)).then(pl.lit(rule.name())) for rule in judging]
    return pl.coalesce(*([] if before is None else [before]), *reasons, pl.lit(None, pl.String))
