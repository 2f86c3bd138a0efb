"""The bot's turns in rows whose trainer gives loss to all of them: whether each ends where generating would end."""

from collections.abc import Callable, Set
from dataclasses import dataclass

import numpy as np

from formats.contract.reading import Numbers, Read

NOWHERE = -1


@dataclass(frozen=True)
class Turns:
    """Of each row, the token at which it goes wrong, counted from its first; `NOWHERE` where nothing does.

    Args:
        unstopped: shape (n,): the last token of the first turn that ends in no end token.
        inside: shape (n,): the first end token that stands inside a turn.
    """

    unstopped: Numbers
    inside: Numbers


def judged_turns(read: Read, ends: Set[int], stops: Set[int], is_blank: Callable[[int], bool]) -> Turns:
    """Judges the turns that `read.said` tells apart; blanks behind an end token are a chat template's. A turn that is cut is left out.

    Args:
        ends: tokens at which generating ends.
        stops: other tokens that turns may end in.
    """
    found = np.full((len(read.rows), 2), NOWHERE)
    for row in range(len(read.rows) if read.said is not None else 0):
        found[row] = _judged(read, row, ends, stops, is_blank)
    return Turns(found[:, 0], found[:, 1])


def _judged(read: Read, row: int, ends: Set[int], stops: Set[int], is_blank: Callable[[int], bool]) -> tuple[int, int]:
    assert read.said is not None
    first, last = int(read.starts[row]), int(read.starts[row + 1])
    tokens = read.tokens[first:last].tolist()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], read.said[first:last], [False]]).astype(np.int8)))
    unstopped = inside = NOWHERE
    for begin, end in edges.reshape(-1, 2).tolist():
        stop = next((place for place in range(end - 1, begin - 1, -1) if not is_blank(tokens[place])), end - 1)
        is_cut = bool(read.cut[row]) and end == len(tokens)
        if unstopped == NOWHERE and tokens[stop] not in ends and tokens[stop] not in stops and not is_cut:
            unstopped = end - 1
        if inside == NOWHERE:
            inside = next((place for place in range(begin, stop) if tokens[place] in ends), NOWHERE)
    return unstopped, inside
