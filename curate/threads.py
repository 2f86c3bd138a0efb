"""Posts to conversations: the chain of turns before each reply, walked by indexing whole arrays."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from formats.rendering.conversations import NOBODY, THE_BOT, Conversations, Rows
from formats.rendering.conversations import TURN_TEXT as TURN_TEXT

COLUMNS = (
    "id", "thread_id", "parent_id", "community", "author", "created_at", "title", "text", "flair", "score",
    "target_reason", "context_reason",
)  # fmt: skip
"""What of judged posts the conversations are made from."""


@dataclass(frozen=True)
class Chains:
    """Reply chains as row numbers into a table of posts.

    `turns` has the shape (replies, max_turns): the reply in the last column, its context before it, `NOBODY` where the chain is
    shorter. The counts say why a kept target has no conversation.
    """

    turns: Rows
    roots: int
    without_context: int


def parents(posts: pl.DataFrame) -> Rows:
    """The row number of each post's parent, `NOBODY` for roots and for parents that are not in the table or not in the post's thread."""
    rows = posts.select("id", pl.int_range(pl.len()).alias("row"))
    found = posts.select("parent_id").join(rows, left_on="parent_id", right_on="id", how="left", maintain_order="left")
    parent = found["row"].fill_null(NOBODY).to_numpy().astype(np.int64)
    thread = posts["thread_id"]
    shared = (thread.gather(pl.Series(np.maximum(parent, 0))) == thread).to_numpy()
    return _without_circles(np.where(shared, parent, NOBODY))


def _without_circles(parent: Rows) -> Rows:
    """A post that is its own ancestor, by a fault of the dump, has no parent: else a reply would be its own context."""
    ancestor = parent
    for _ in range(len(parent).bit_length()):
        if (ancestor == NOBODY).all():
            return parent
        ancestor = np.where(ancestor == NOBODY, NOBODY, ancestor[ancestor])
    straight = parent.copy()
    straight[ancestor[ancestor != NOBODY]] = NOBODY  # more steps up than there are posts end within a circle
    return straight


def cut(parent: Rows, stands: NDArray[np.bool_]) -> Rows:
    """The parents of posts, `NOBODY` where the parent does not stand as a turn before a reply."""
    return np.where((parent != NOBODY) & stands[parent], parent, NOBODY)


def turns_up_to(parent: Rows) -> Rows:
    """How many turns stand in a row up to each post, itself included; `parent` as `cut` gives it."""
    turns = np.ones(len(parent), np.int64)
    while (parent != NOBODY).any():
        turns += np.where(parent == NOBODY, 0, turns[parent])
        parent = np.where(parent == NOBODY, NOBODY, parent[parent])
    return turns


def walk(parent: Rows, replies: Rows, max_turns: int) -> Rows:
    """The chains of replies that have a parent: shape (replies, max_turns), the reply in the last column, `NOBODY` where one is shorter."""
    columns = [replies]
    for _ in range(max_turns - 1):
        last = columns[-1]
        columns.append(np.where(last == NOBODY, NOBODY, parent[last]))
    return np.stack(columns[::-1], axis=1) if len(replies) else np.empty((0, max_turns), np.int64)


def chains(judged: pl.DataFrame, max_turns: int) -> Chains:
    """The chain of every kept target of a judged bucket; a dropped or missing turn cuts the chain there.

    Args:
        judged: posts with `target_reason` and `context_reason`; all posts of a thread are in the same bucket.
        max_turns: the turns of a conversation at most, the reply included; at least 2.
    """
    parent = cut(parents(judged), judged["context_reason"].is_null().to_numpy())
    target = judged["target_reason"].is_null().to_numpy()
    root = judged["parent_id"].is_null().to_numpy()
    replies = np.flatnonzero(target & ~root)
    with_context = replies[parent[replies] != NOBODY]
    return Chains(walk(parent, with_context, max_turns), int((target & root).sum()), len(replies) - len(with_context))


def conversations(judged: pl.DataFrame, found: Chains) -> Conversations:
    """The conversations of these chains, with the title of each one's thread and the flair of each post and of the reply's author.

    The author of the reply is the bot wherever they speak; the others are numbered in order of appearance. A turn whose author is unknown
    is a speaker of its own.
    """
    speakers = _speakers(_author_codes(judged["author"].rank("dense"), found.turns), found.turns != NOBODY)
    replies = judged.select("id", "thread_id", "community", "created_at", "score", "flair")[found.turns[:, -1]]
    opening = judged.filter(pl.col("parent_id").is_null() & pl.col("title").is_not_null())
    titles = opening.select("thread_id", "title").unique("thread_id", keep="first", maintain_order=True)
    replies = replies.join(titles, on="thread_id", how="left", maintain_order="left")
    return Conversations(replies, judged.select("id", "text", "title", "flair", "created_at"), found.turns, speakers)


def _author_codes(authors: pl.Series, turns: Rows) -> Rows:
    """A number for the author of each turn; unknown ones get a number that nobody else has."""
    codes = authors.cast(pl.Int64).fill_null(0).to_numpy()
    unique = np.where(codes > 0, codes, -2 - np.arange(len(codes)))
    return np.where(turns == NOBODY, NOBODY, unique[turns])


def _speakers(authors: Rows, present: NDArray[np.bool_]) -> Rows:
    """The number of each turn's speaker."""
    width = authors.shape[1]
    speakers = np.full(authors.shape, THE_BOT, np.int64)
    bot = authors[:, -1]
    seen = np.zeros(len(authors), np.int64)
    for column in range(width):
        other = present[:, column] & (authors[:, column] != bot)
        number = np.full(len(authors), -1, np.int64)
        for before in range(column):
            same = other & (authors[:, before] == authors[:, column])
            number = np.where(same, speakers[:, before], number)
        new = other & (number < 0)
        number = np.where(new, seen, number)
        seen += new
        speakers[:, column] = np.where(other, number, THE_BOT)
    return speakers
