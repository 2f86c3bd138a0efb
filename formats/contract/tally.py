"""Counts over rows, and shows a row that breaks a point of the contract."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from formats.contract.report import Point
from formats.tokens.encoding import NO_LOSS
from formats.tokens.text import token_reader
from formats.visible import cut, for_terminal

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHOWN = 60
"""Characters of a text in a counterexample."""

Good = NDArray[np.bool_]
Show = Callable[[int], str]
"""What stands in a row, given its number."""


@dataclass
class Tally:
    """Of how many rows a point was asked, of how many it holds, and the first that breaks it."""

    count: int = 0
    of: int = 0
    example: str | None = None

    @property
    def bad(self) -> int:
        """Rows that break the point."""
        return self.of - self.count

    def add(self, good: Good, rows: Sequence[int] | NDArray[np.int64], show: Show) -> None:
        """Counts rows: whether each is good, and which each is, for `show`."""
        self.of += len(good)
        held = int(np.count_nonzero(good))
        self.count += held
        if held < len(good) and self.example is None:
            self.example = show(int(rows[int(np.argmin(good))]))

    def point(self, name: str, good: str, bad: str, mend: str) -> Point:
        """The point that these rows make: what is said of it when it holds and when not, and what mends it.

        A `bad` text begins behind the number of rows: "5 of 6 rows ...".
        """
        if not self.bad:
            return Point(name, True, self.count, self.of, good)
        return Point(name, False, self.count, self.of, f"{self.bad:,} of {self.of:,} rows {bad}", self.example, mend)


def not_judged(name: str, why: str, of: int = 0) -> Point:
    """A point of which nothing can be said."""
    return Point(name, None, 0, of, f"not judged: {why}")


def quoted(text: str) -> str:
    """A text in quotes, its line breaks written out and what cannot be seen shown."""
    return repr(for_terminal(text))


def beginning(text: str) -> str:
    """The beginning of a text in quotes."""
    return quoted(cut(text, _SHOWN))


def end(text: str) -> str:
    """The end of a text in quotes."""
    return quoted(text if len(text) <= _SHOWN else "…" + text[1 - _SHOWN :])


class TokenShower:
    """Writes tokens so that people can read them: each in quotes, those without loss in brackets."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.text = token_reader(tokenizer)
        """What a token adds to a text."""

    def __call__(self, ids: Sequence[int] | NDArray[np.int64], labels: Sequence[int] | NDArray[np.int64] | None = None) -> str:
        """The tokens in a line."""
        shown = [quoted(self.text(int(token))) for token in ids]
        if labels is None:
            return " ".join(shown)
        return " ".join(token if label != NO_LOSS else f"({token})" for token, label in zip(shown, labels, strict=True))
