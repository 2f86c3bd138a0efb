"""How much of a text was copied: the longest run of words that stands in the same order in some training reply.

Runs of n words are found by naming: a run of n + 1 words is the name of its first n with the next word. Only places whose run of n words
stands on both sides go on to n + 1, and those are few after the first steps, so tens of thousands of replies take about a second. Names,
unlike hashes, never agree by accident.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from train.evaluation.words import spans, words

NOTABLE = 8
"""Words in a row from which on a run counts as copied: shorter ones are phrases that everybody says."""

_Numbers = NDArray[np.int64]
_BREAK = -1


@dataclass(frozen=True)
class Overlap:
    """The longest run of words that a text shares with a training reply.

    `words` is its length, 0 where no word is shared; it stands from character `begin` to `end` of the text. Where it has `NOTABLE` words
    or more, `sources` are the numbers of all replies with it: whoever wrote one of them may want it forgotten.
    """

    words: int
    begin: int = 0
    end: int = 0
    sources: tuple[int, ...] = ()


def overlaps(texts: Sequence[str], replies: Sequence[str]) -> list[Overlap]:
    """The longest overlap of each text with any of the replies; capitals and punctuation make no difference."""
    said = [words(text) for text in texts]
    ids = _Ids(enumerate(dict.fromkeys(word for each in said for word in each)))
    asked, owners, starts = _joined(said, ids)
    known, sources, _ = _joined([words(reply) for reply in replies], ids)
    longest = np.zeros(len(texts), np.int64)
    places = np.zeros(len(texts), np.int64)
    origins: list[tuple[int, ...]] = [()] * len(texts)
    ours, theirs = np.flatnonzero(asked != _BREAK), np.flatnonzero(known != _BREAK)
    names, their_names = asked[ours], known[theirs]
    length = 0
    while len(ours) and len(theirs):
        ours, names, theirs, their_names = _shared(ours, names, theirs, their_names)
        length += 1
        found, first = np.unique(owners[ours], return_index=True)
        longest[found], places[found] = length, ours[first]
        if length >= NOTABLE:
            for text, those in zip(found.tolist(), _all_of(their_names, names[first]), strict=True):
                origins[text] = tuple(np.unique(sources[theirs[those]]).tolist())
        ours, names = _longer(asked, ours, names, length, len(ids))
        theirs, their_names = _longer(known, theirs, their_names, length, len(ids))
    begins = places - starts if len(texts) else places
    return [
        _overlap(text, int(length), int(first), replies_with)
        for text, length, first, replies_with in zip(texts, longest, begins, origins, strict=True)
    ]


class _Ids(dict[str, int]):
    """Numbers of words; a word without one is a break, as no run goes through it."""

    def __init__(self, numbered: Iterable[tuple[int, str]]) -> None:
        super().__init__((word, number) for number, word in numbered)

    def __missing__(self, word: str) -> int:
        return _BREAK


def _joined(rows: Sequence[Sequence[str]], ids: _Ids) -> tuple[_Numbers, _Numbers, _Numbers]:
    """Rows behind each other with a break after each: the numbers of the words, the row of each of them, and where rows begin."""
    sizes = np.array([len(row) for row in rows], np.int64)
    ends = np.cumsum(sizes)
    flat = np.fromiter(map(ids.__getitem__, chain.from_iterable(rows)), np.int64, int(sizes.sum()))
    return np.insert(flat, ends, _BREAK), np.repeat(np.arange(len(rows)), sizes + 1), ends - sizes + np.arange(len(rows))


def _shared(ours: _Numbers, names: _Numbers, theirs: _Numbers, their_names: _Numbers) -> tuple[_Numbers, _Numbers, _Numbers, _Numbers]:
    """The places whose names stand on both sides, and their names anew: 0, 1, 2, … Only our names, which are few, are sorted."""
    known, new = np.unique(names, return_inverse=True)
    place = np.minimum(np.searchsorted(known, their_names), len(known) - 1)
    agree = known[place] == their_names
    said = np.zeros(len(known), np.bool_)
    said[place[agree]] = True
    return ours[said[new]], new[said[new]], theirs[agree], place[agree]


def _longer(row: _Numbers, places: _Numbers, names: _Numbers, length: int, known_words: int) -> tuple[_Numbers, _Numbers]:
    """The places behind whose run another word stands, and the names of the runs with that word."""
    following = row[places + length]
    goes_on = following != _BREAK
    return places[goes_on], names[goes_on] * known_words + following[goes_on]


def _all_of(names: _Numbers, wanted: _Numbers) -> list[_Numbers]:
    """Where each of the wanted names stands, each time that it does."""
    order = np.argsort(names, kind="stable")
    ends = [np.searchsorted(names[order], wanted, side=side) for side in ("left", "right")]
    return [order[begin:end] for begin, end in zip(*ends, strict=True)]


def _overlap(text: str, length: int, first: int, sources: tuple[int, ...]) -> Overlap:
    if not length:
        return Overlap(0)
    marked = spans(text.lower())
    begin, end = marked[first][0], marked[first + length - 1][1]
    # A few letters are several when they are small, which moves what stands behind them.
    return Overlap(length, begin, end, sources) if len(text) == len(text.lower()) else Overlap(length, 0, 0, sources)
