"""Who wrote a post."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.rule import TARGET, Judges, Rule

KNOWN_BOTS = (
    "automoderator", "autotldr", "b0trank", "gfycat_details_fixer", "gifreversingbot", "goodbot_badbot", "haikusbot",
    "imguralbumbot", "link_demobilizer", "mentioned_videos", "metric_units", "remindmebot", "repostsleuthbot", "savevideo",
    "sneakpeekbot", "stabbot", "tweetposter", "vredditdownloader", "wikitextbot", "xkcd_transcriber", "youtubefactsbot",
)  # fmt: skip
"""Accounts on Reddit, in lower case, that answer automatically; most of their names do not say so by their ending."""

BOT_SENTENCE = r"(?i)\bI(?:'|’| a)m a bot,? (?:and this action|bleep|beep)\b"
BOT_NAME = r"(?:[-_](?i:bot)|[a-z0-9]Bot)$"


@dataclass(frozen=True)
class NoAuthor(Rule):
    """Drop replies whose author is gone: nobody's voice to learn. As context their text stays."""

    judges: ClassVar[Judges] = TARGET

    def keeps(self) -> pl.Expr:
        return pl.col("author").is_not_null()


@dataclass(frozen=True)
class Bots(Rule):
    """Drop automatic accounts: known names, names that end in -bot or _bot, and posts that say "I am a bot, and this action was …".

    `names` adds account names of one's own forum.
    """

    names: tuple[str, ...] = ()

    def keeps(self) -> pl.Expr:
        known = [*KNOWN_BOTS, *(name.lower() for name in self.names)]
        author = pl.col("author").fill_null("")
        by_name = author.str.to_lowercase().is_in(known) | author.str.contains(BOT_NAME)
        return ~(by_name | pl.col("text").str.contains(BOT_SENTENCE).fill_null(False))
