"""How the forum received a post: removals, flags and votes."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.rule import TARGET, Judges, Rule


@dataclass(frozen=True)
class Removed(Rule):
    """Drop posts that were removed or deleted, by whatever signal: they are not ours to learn, and their text is mostly gone."""

    def keeps(self) -> pl.Expr:
        return pl.col("removal") == "none"


@dataclass(frozen=True)
class Stickied(Rule):
    """Drop posts pinned to the top: announcements, not conversation."""

    def keeps(self) -> pl.Expr:
        return ~pl.col("stickied")


@dataclass(frozen=True)
class Distinguished(Rule):
    """Drop posts in which a moderator or administrator speaks officially."""

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
        return ~pl.col("nsfw").fill_null(False).any().over("thread_id")


@dataclass(frozen=True)
class MinScore(Rule):
    """Keep replies that the forum liked: `score >= minimum`. An unknown or hidden score passes."""

    minimum: int = 3
    judges: ClassVar[Judges] = TARGET

    def keeps(self) -> pl.Expr:
        return pl.col("score") >= self.minimum
