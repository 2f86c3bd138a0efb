"""Lists of authors, communities and flairs that a recipe allows or blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from filters.rule import BOTH, NOBODY, TARGET, Judges, Rule, RuleError


@dataclass(frozen=True)
class Authors(Rule):
    """Keep replies by the authors of `allow`, if any are listed, and no posts by those of `block`, be they replies or what is answered.

    Names are compared without regard to case, with or without u/ in front. A post without author is by none of them.
    """

    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self.name(), account_names(self.allow), account_names(self.block))

    def judging(self) -> Judges:
        return BOTH if self.block else TARGET if self.allow else NOBODY

    def keeps(self) -> pl.Expr:
        return _chosen(pl.col("author"), account_names(self.allow), account_names(self.block))

    def keeps_context(self) -> pl.Expr:
        return _chosen(pl.col("author"), (), account_names(self.block))


@dataclass(frozen=True)
class Communities(Rule):
    """Keep posts of the communities of `allow`, if any are listed, and none of those of `block`.

    Names are compared without regard to case, with or without r/ in front. A post without community is of none of them.
    """

    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self.name(), _names(self.allow, "r/"), _names(self.block, "r/"))

    def judging(self) -> Judges:
        return BOTH if self.allow or self.block else NOBODY

    def keeps(self) -> pl.Expr:
        return _chosen(pl.col("community"), _names(self.allow, "r/"), _names(self.block, "r/"))


@dataclass(frozen=True)
class Flairs(Rule):
    """Keep posts with a flair of `allow`, if any are listed, and none with one of `block`: a post's own, or that of its submission.

    A submission's flair says what its thread is about, a comment's who its author is. Flairs are compared as a whole, without regard to
    case; of several tags, which commas separate, each is one. A post without flair has none of them.
    """

    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self.name(), _names(self.allow, ""), _names(self.block, ""))

    def judging(self) -> Judges:
        return BOTH if self.allow or self.block else NOBODY

    def keeps(self) -> pl.Expr:
        blocked = _flaired(self.block) if self.block else pl.lit(False)
        return ~blocked & _flaired(self.allow) if self.allow else ~blocked


def account_names(names: Sequence[str]) -> list[str]:
    """Names of accounts as they are compared: in lower case, without blanks around them and u/ in front."""
    return _names(names, "u/")


def _names(names: Sequence[str], prefix: str) -> list[str]:
    return [name.strip().lower().removeprefix("/" if prefix else "").removeprefix(prefix) for name in names]


def _check(rule: str, allow: Sequence[str], block: Sequence[str]) -> None:
    if "" in (*allow, *block):
        raise RuleError(f"{rule}: a name in allow or block is empty; leave it out")
    if both := sorted({*allow} & {*block}):
        raise RuleError(f"{rule}: {both[0]} is in allow and in block; leave it in one of them")


def _chosen(name: pl.Expr, allow: Sequence[str], block: Sequence[str]) -> pl.Expr:
    kept = pl.lit(True)
    if allow or block:
        name = name.str.to_lowercase()
    if allow:
        kept &= name.is_in(allow).fill_null(False)
    if block:
        kept &= ~name.is_in(block).fill_null(False)
    return kept


def _flaired(flairs: Sequence[str]) -> pl.Expr:
    """Whether a post or the root of its thread has one of the flairs."""
    any_of = "|".join(pl.escape_regex(flair) for flair in _names(flairs, ""))
    own = pl.col("flair").str.contains(rf"(?i)(?:^|,)\s*(?:{any_of})\s*(?:,|$)").fill_null(False)
    thread = pl.col("thread_id")
    return own | thread.is_in(thread.filter(own & pl.col("parent_id").is_null()).implode()).fill_null(False)
