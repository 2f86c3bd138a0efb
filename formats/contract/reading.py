"""Rows as a trainer reads them: tokens, which of them carry loss, and what was cut."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOT_KNOWN = -1
"""In the place of the length of a prompt: nothing says where it ends."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Read:
    """Rows as a trainer reads them, the tokens of all rows one after the other.

    Args:
        tokens: shape (T,).
        labels: shape (T,): a position's own token where it carries loss, else `NO_LOSS`.
        starts: shape (n + 1,): where rows begin, and T.
        rows: shape (n,): which of the rows given each is, from 0; those that the trainer leaves out are missing.
        lengths: shape (all rows given,): tokens before anything is cut or left out.
        stops: shape (n, 2): a row's tokens from the first on and before the second are its stop; both its length where it has none.
        replies: shape (n,): how many tokens stand before the reply; `NOT_KNOWN` where nothing says.
        cut: shape (n,): whether a part of the reply was cut off.
        merged: shape (n,): how many of the last tokens of the prompt read alone the row does not have, as they merge with the reply;
            None where no row has such.
        said: shape (T,): whether the bot said a token, in whichever of its turns; None where only the last reply is its own.
    """

    tokens: Numbers
    labels: Numbers
    starts: Numbers
    rows: Numbers
    lengths: Numbers
    stops: Numbers
    replies: Numbers
    cut: NDArray[np.bool_]
    merged: Numbers | None = None
    said: NDArray[np.bool_] | None = None

    def row(self, number: int) -> tuple[Numbers, Numbers]:
        """Tokens and labels of one row."""
        part = slice(self.starts[number], self.starts[number + 1])
        return self.tokens[part], self.labels[part]


@dataclass(frozen=True)
class ReadRow:
    """One row: tokens, labels, and its place as `Read` has it."""

    ids: Sequence[int]
    labels: Sequence[int]
    row: int
    stop: tuple[int, int]
    reply: int
    cut: bool
    merged: int = 0
    said: Sequence[int] | None = None


def joined(rows: Sequence[ReadRow], lengths: Sequence[int]) -> Read:
    """Rows one after the other; `lengths` are of all rows given, also of those left out."""
    starts = np.cumsum([0, *(len(row.ids) for row in rows)])
    return Read(
        tokens=np.array([token for row in rows for token in row.ids], dtype=np.int64),
        labels=np.array([label for row in rows for label in row.labels], dtype=np.int64),
        starts=starts,
        rows=np.array([row.row for row in rows], dtype=np.int64),
        lengths=np.array(lengths, dtype=np.int64),
        stops=np.array([row.stop for row in rows], dtype=np.int64).reshape(-1, 2),
        replies=np.array([row.reply for row in rows], dtype=np.int64),
        cut=np.array([row.cut for row in rows], dtype=bool),
        merged=np.array([row.merged for row in rows], dtype=np.int64),
        said=np.array([mine for row in rows for mine in row.said or ()], dtype=bool) if rows and rows[0].said is not None else None,
    )
