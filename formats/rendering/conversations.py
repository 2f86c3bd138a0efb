"""Conversations as arrays: what is rendered into samples."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

NOBODY = -1
"""In the place of a row number: there is no such turn."""

THE_BOT = -1
"""In the place of a speaker's number: the author of the reply."""

Rows = NDArray[np.int64]

TURN_TEXT = pl.concat_str("title", pl.when(pl.col("text") != "").then(pl.col("text")), separator="\n\n", ignore_nulls=True)
"""What a post says as a turn of a conversation: a submission's title and self-text, a comment's text."""


@dataclass(frozen=True)
class Turn:
    """What one speaker said: `speaker` is `BOT`, or `Speaker_0`, `Speaker_1`, … in order of appearance; `title` a submission's."""

    speaker: str
    text: str
    title: str | None = None


@dataclass(frozen=True)
class Conversations:
    """Conversations: a row for each, whose last turn is the reply to learn.

    Args:
        replies: columns id, thread_id, community, created_at, score: those of the reply; where known, title (the thread's) and flair
            (of the reply's author).
        posts: a row for each post that is a turn: id, text and, where known, title, flair, created_at. Null is unknown, of a text empty.
        turns: shape (conversations, turns at most): row numbers into `posts`, the reply in the last column and its context before it;
            `NOBODY` where a conversation is shorter.
        speakers: the same shape: n of `Speaker_n`, `THE_BOT` for the author of the reply.
    """

    replies: pl.DataFrame
    posts: pl.DataFrame
    turns: Rows
    speakers: Rows

    def part(self, first: int, count: int) -> "Conversations":
        """At most so many of them, from the first on (counted from 0)."""
        rows = slice(first, first + count)
        return Conversations(self.replies[rows], self.posts, self.turns[rows], self.speakers[rows])
