"""Texts that nearly repeat others, found without a miss: what two texts have in common must begin with their rarest pairs of words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filters.hashing import mix
from filters.near_duplicates import LEAST_WORDS, NearDuplicates
from filters.tokens import Tokens, tokenise

NEAR = NearDuplicates(words=LEAST_WORDS)
"""What a near copy is: as the rule of that name says it, in as few words as it can be told. What the rule drops is lost, so it asks for
more words; here a mistake costs a held-out sample. Of 9,358 replies of 10 to 19 words to a college forum, in which nothing had looked for
copies, 6 are near copies of another, and all are copies."""

BEGINNING = 1_000
"""Characters of a self-text or a context by which it is compared. Most are shorter; what is posted again often ends in an edit, and what
answers one post goes on with other turns."""

_MOST_PAIRS = 2_000_000
"""Of words or of texts, that are compared at once; a text alone may have more."""

_LEAST_SLOTS, _MOST_SLOTS = 16, 26
_ROUNDING = 1e-9

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class WordPairs:
    """Texts as sets of neighbouring words: text `i` has the ascending `hashes[bounds[i]:bounds[i + 1]]`, none where it is too short."""

    hashes: NDArray[np.uint32]
    bounds: Rows

    @classmethod
    def of(cls, tokens: Tokens) -> "WordPairs":
        """The pairs of texts with as many words as near copies must have."""
        counts = np.diff(tokens.bounds)
        long = np.flatnonzero(counts >= NEAR.words)
        text, place = _spread(tokens.bounds[long], counts[long] - 1)
        hashes = mix(mix(tokens.hashes[place]) + tokens.hashes[place + 1]) >> np.uint64(32)
        keys = np.sort(long[text].astype(np.uint64) << np.uint64(32) | hashes)
        keys = keys[np.diff(keys, prepend=~keys[:1]) != 0]
        return cls(keys.astype(np.uint32), np.searchsorted(keys, np.arange(len(counts) + 1, dtype=np.uint64) << np.uint64(32)))

    @classmethod
    def of_texts(cls, texts: pl.Series) -> "WordPairs":
        """The same, of texts whose words are not known yet."""
        return cls.concat([cls.of(tokens) for tokens in tokenise(texts)])

    @classmethod
    def concat(cls, parts: Sequence["WordPairs"]) -> "WordPairs":
        """All texts of some tables."""
        sizes = np.concatenate([np.zeros(1, np.int64), *(part.sizes for part in parts)])
        return cls(np.concatenate([np.zeros(0, np.uint32), *(part.hashes for part in parts)]), np.cumsum(sizes))

    def take(self, rows: Rows) -> "WordPairs":
        """These texts alone."""
        return WordPairs(self.of_rows(rows)[1], np.concatenate([np.zeros(1, np.int64), np.cumsum(self.sizes[rows])]))

    @cached_property
    def sizes(self) -> Rows:
        """How many pairs each text has."""
        return np.diff(self.bounds)

    def of_rows(self, rows: Rows) -> tuple[Rows, NDArray[np.uint32]]:
        """The place in `rows` of each pair of these texts, and the pair."""
        place, at = _spread(self.bounds[rows], self.sizes[rows])
        return place, self.hashes[at]


@dataclass(frozen=True)
class Index:
    """Texts in which near copies of others are looked for, by their rarest pairs.

    Of two texts whose Jaccard similarity reaches t, with n pairs each at least t n are shared; so among the n - t n + 1 pairs of each that
    come first, in whatever order as long as it is one for both, there is one that is shared (prefix filtering: Chaudhuri, Ganti and Kaushik
    2006; Bayardo, Ma and Srikant 2007). The order is that of the pairs' frequency in these texts, as far as their hashes tell it: most
    other texts have too many pairs that are in none of these, and a shared one is seldom found by chance.
    """

    texts: WordPairs

    def near(self, others: WordPairs) -> NDArray[np.bool_]:
        """Which of these texts the others nearly repeat."""
        found = np.zeros(len(self.texts.sizes), np.bool_)
        hashes, texts = self._postings
        pairs, rows = self._first(others, self._possible(others))
        for part in _parts(_matches(hashes, pairs)[1]):
            start, counts = _matches(hashes, pairs[part])
            pair, place = _spread(start, counts)
            both = np.unique(texts[place].astype(np.uint64) << np.uint64(32) | rows[part][pair].astype(np.uint64))
            ours, theirs = (both >> np.uint64(32)).astype(np.int64), both.astype(np.uint32).astype(np.int64)
            found[ours[self._alike(others, ours, theirs)]] = True
            open_yet = ~found[texts]  # of thousands of copies, each is looked for until it is found, not as often as there are others
            hashes, texts = hashes[open_yet], texts[open_yet]
        return found

    def among(self, most: int) -> tuple[Rows, Rows]:
        """Which of these texts are near copies of which, each two once.

        Not all of them: by a pair of words that is among the first of more than `most` texts, nothing is looked for. They would be compared
        each with each, and are a form that all of them fill in.
        """
        hashes, texts = self._postings
        start, counts = _matches(hashes, hashes)
        few = np.flatnonzero(counts <= most)
        behind = start[few] + counts[few] - few - 1
        left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for part in _parts(behind):
            place, other = _spread(few[part] + 1, behind[part])
            both = np.unique(texts[few[part]][place].astype(np.uint64) << np.uint64(32) | texts[other].astype(np.uint64))
            ours, theirs = (both >> np.uint64(32)).astype(np.int64), both.astype(np.uint32).astype(np.int64)
            alike = self._alike(self.texts, ours, theirs)
            left.append(ours[alike])
            right.append(theirs[alike])
        return np.concatenate(left), np.concatenate(right)

    def _possible(self, others: WordPairs) -> Rows:
        """The rows of the others that have enough pairs which are in these texts, as far as can be told without looking into one."""
        known = np.concatenate([np.zeros(1, np.int64), np.cumsum(self._frequency(others.hashes) > 0)])[others.bounds]
        return np.flatnonzero((np.diff(known) >= _shared(others.sizes)) & (others.sizes > 0))

    def _alike(self, others: WordPairs, ours: Rows, theirs: Rows) -> NDArray[np.bool_]:
        """Which of our rows are near copies of the others' row beside them."""
        smaller, larger = (side(self.texts.sizes[ours], others.sizes[theirs]) for side in (np.minimum, np.maximum))
        alike = smaller >= NEAR.threshold * larger - _ROUNDING
        ours, theirs = ours[alike], theirs[alike]
        sizes = self.texts.sizes[ours] + others.sizes[theirs]
        known = [_similarity(self.texts, ours[part], others, theirs[part]) >= NEAR.threshold for part in _parts(sizes)]
        alike[alike] = np.concatenate([np.zeros(0, np.bool_), *known])
        return np.asarray(alike)

    def _first(self, texts: WordPairs, rows: Rows) -> tuple[NDArray[np.uint32], Rows]:
        """The pairs of each text that come first in the order of frequency, and the row of the text that each is of."""
        place, hashes = texts.of_rows(rows)
        keys = place.astype(np.uint64) << np.uint64(40) | self._frequency(hashes).astype(np.uint64) << np.uint64(32) | hashes
        keys.sort()
        sizes = texts.sizes[rows]
        rank = np.arange(len(keys)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        first = rank <= (sizes - _shared(sizes))[place]
        return keys[first].astype(np.uint32), rows[place[first]]

    @cached_property
    def _postings(self) -> tuple[NDArray[np.uint32], Rows]:
        """The first pairs of these texts, ascending, and the texts that they are of."""
        parts = [self._first(self.texts, np.arange(part.start, part.stop)) for part in _parts(self.texts.sizes)]
        hashes = np.concatenate([np.zeros(0, np.uint32), *(pairs for pairs, _ in parts)])
        order = np.argsort(hashes, kind="stable")
        return hashes[order], np.concatenate([np.zeros(0, np.int64), *(rows for _, rows in parts)])[order]

    @cached_property
    def _slots(self) -> NDArray[np.uint8]:
        """How often pairs are in these texts, up to 255, by the first bits of their hashes: 16 slots for each, while there is room."""
        bits = min(max(_LEAST_SLOTS, (16 * len(self.texts.hashes)).bit_length()), _MOST_SLOTS)
        slots = np.zeros(1 << bits, np.uint8)
        for start in range(0, len(self.texts.hashes), _MOST_PAIRS):
            slot, counts = np.unique(self.texts.hashes[start : start + _MOST_PAIRS] >> np.uint32(32 - bits), return_counts=True)
            slots[slot] = np.minimum(255, slots[slot] + counts)
        return slots

    def _frequency(self, hashes: NDArray[np.uint32]) -> NDArray[np.uint8]:
        bits = len(self._slots).bit_length() - 1
        return np.asarray(self._slots[hashes >> np.uint32(32 - bits)])


def _matches(hashes: NDArray[np.uint32], pairs: NDArray[np.uint32]) -> tuple[Rows, Rows]:
    """Where each pair stands in ascending hashes, and how often."""
    start = np.searchsorted(hashes, pairs, side="left")
    return start, np.searchsorted(hashes, pairs, side="right") - start


def _shared(sizes: Rows) -> Rows:
    """How many pairs a text of so many shares with a near copy at least."""
    return np.asarray(np.ceil(NEAR.threshold * sizes - _ROUNDING).astype(np.int64))


def _similarity(left: WordPairs, ours: Rows, right: WordPairs, theirs: Rows) -> NDArray[np.float64]:
    """The Jaccard similarity of texts, one with one."""
    sides = left.of_rows(ours), right.of_rows(theirs)
    keys = np.concatenate([pair.astype(np.uint64) << np.uint64(32) | hashes for pair, hashes in sides])
    keys.sort()
    shared = np.bincount((keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)).astype(np.int64), minlength=len(ours))
    return np.asarray(shared / (left.sizes[ours] + right.sizes[theirs] - shared))


def _parts(sizes: Rows) -> Iterator[slice]:
    """Slices of what has these sizes, of `_MOST_PAIRS` together at most, or of one that is larger."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + _MOST_PAIRS, side="right")))
        yield slice(start, end)
        start = end


def _spread(starts: Rows, counts: Rows) -> tuple[Rows, Rows]:
    """The numbers from each start on, as many as its count, one after another; and which start each belongs to."""
    number = np.repeat(np.arange(len(starts)), counts)
    return number, np.arange(len(number)) + (starts - np.cumsum(counts) + counts)[number]
