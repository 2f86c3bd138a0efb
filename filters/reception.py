"""How the forum received a post: removals, flags and votes."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.numbers import Number, Whole
from filters.rule import BOTH, NOBODY, TARGET, Judges, Rule, RuleError

REMOVED_TEXT = r"(?i)^\s*\[ ?(?:deleted|removed)(?: by (?:user|moderators?|reddit\b[^\n]{0,200}))? ?\]\s*$"
"""What stands in the place of a text that is gone: [removed], [ Removed by Reddit on account of violating the … ], [ Deleted By User ]."""


@dataclass(frozen=True)
class Removed(Rule):
    """Drop posts that were removed or deleted, by whatever signal: they are not ours to learn, and their text is mostly gone.

    The signals are what the source says of the post and a marker like [removed] in the place of its text. A chain of replies is cut there.
    """

    def keeps(self) -> pl.Expr:
        return (pl.col("removal") == "none").fill_null(True) & ~pl.col("text").str.contains(REMOVED_TEXT).fill_null(False)


@dataclass(frozen=True)
class Stickied(Rule):
    """Drop posts pinned to the top: announcements, not conversation."""

    def keeps(self) -> pl.Expr:
        return ~pl.col("stickied")


@dataclass(frozen=True)
class Distinguished(Rule):
    """Drop posts in which a moderator, an administrator or an employee speaks officially; what they write as members stays."""

    def keeps(self) -> pl.Expr:
        return pl.col("distinguished").is_null()


@dataclass(frozen=True)
class Ads(Rule):
    """Drop promoted posts."""

    def keeps(self) -> pl.Expr:
        return ~pl.col("promoted")


@dataclass(frozen=True)
class Nsfw(Rule):
    """Drop every post of a thread in which one is marked as not safe for work: forums mark the submission, and its comments repeat it."""

    def keeps(self) -> pl.Expr:
        return _in_no_thread_with("nsfw")


@dataclass(frozen=True)
class Quarantined(Rule):
    """Drop every post of a thread in a quarantined community, before which the forum warns: only the submission says that it is."""

    def keeps(self) -> pl.Expr:
        return _in_no_thread_with("quarantined")


@dataclass(frozen=True)
class MinScore(Rule):
    """Keep replies that the forum liked, `score >= minimum`, after posts that it did not dislike, `score >= context`.

    A score that is unknown or hidden passes.
    """

    minimum: Whole = 3
    context: Whole = 0

    def keeps(self) -> pl.Expr:
        return pl.col("score") >= self.minimum

    def keeps_context(self) -> pl.Expr:
        return pl.col("score") >= self.context


@dataclass(frozen=True)
class UpvoteRatio(Rule):
    """Keep submissions of whose votes at least the share `minimum` were up, as 0.5; chains of replies are cut at the others.

    Comments have no ratio, and pass. All pass unless `minimum` is set: most submissions with a low ratio are plain questions with two or
    three votes, and the replies to them are liked hardly less than others.
    """

    minimum: Number = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= 1:
            raise RuleError(f"upvote_ratio: minimum is {self.minimum}; expected a share of the votes, from 0 to 1")

    def judging(self) -> Judges:
        return BOTH if self.minimum > 0 else NOBODY

    def keeps(self) -> pl.Expr:
        # The column has 32 bits: 0.1 in it is a little more than 0.1, and 0.7 a little less than 0.7.
        return pl.col("upvote_ratio") >= pl.lit(self.minimum, pl.Float32)


@dataclass(frozen=True)
class Settled(Rule):
    """Drop replies that were retrieved before they were `hours` old: their score was still moving, and a moderator had not been by.

    It judges where a recipe names it, because many an archive took all its posts within a day; those of 2023-11 and later took them again
    after 36 hours. Posts before the reply may be newer. A post whose time of writing or retrieval is unknown passes.
    """

    hours: Whole = 36
    by_default: ClassVar[bool] = False
    judges: ClassVar[Judges] = TARGET

    def __post_init__(self) -> None:
        if self.hours < 0:
            raise RuleError(f"settled: hours is {self.hours}; expected 0 or more")

    def keeps(self) -> pl.Expr:
        return (pl.col("retrieved_at") - pl.col("created_at")).dt.total_milliseconds() >= self.hours * 3_600_000


def _in_no_thread_with(flag: str) -> pl.Expr:
    """Few threads have such a post: to look each post's up among them takes a tenth of the time of a window."""
    thread = pl.col("thread_id")
    return ~thread.is_in(thread.filter(pl.col(flag)).implode())
