"""Replies that say nearly word for word what the run already has: found by MinHash, and compared before one is dropped."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from rensa import RMinHash

from filters.duplicates import Copies, first_of_all
from filters.hashing import Hashes, mix
from filters.numbers import Number, Whole
from filters.rule import RuleError
from filters.tokens import Tokens

LEAST_WORDS = 10
"""Of fewer words, one that differs leaves too little in common to tell a copy from another answer."""

LEAST_THRESHOLD = 0.7
BANDS, ROWS = 25, 5
"""Of a signature. Two texts share a band with the probability 1 - (1 - similarity**ROWS)**BANDS (Leskovec, Rajaraman and Ullman, Mining of
Massive Datasets, 3.4.2): 0.9999 at a similarity of 0.8, 0.99 at 0.7."""

MOST_SHINGLES = 256
"""Of a text are kept, those with the smallest hashes: a uniform sample, by which longer texts are compared (Bar-Yossef and others 2002)."""

SKETCH = {"bands": pl.Array(pl.UInt32, BANDS), "shingles": pl.List(pl.UInt32)}
_SEED = 20
_TEXTS_AT_ONCE = 4_096
_PAIRS_AT_ONCE = 50_000

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class NearDuplicates(Copies):
    """Drop replies that repeat an earlier one in the run with small changes, in whatever thread or community.

    Replies of `words` words and more are compared by their pairs of neighbouring words, quoted lines left out: `threshold` is the share of
    all pairs that two have in common (their Jaccard similarity). At 0.8, one word in twenty may differ. The first by time is kept, and
    what repeats a repetition goes too. (Which are worth comparing is found by MinHash and locality-sensitive hashing.)
    """

    threshold: Number = 0.8
    words: Whole = 20

    def __post_init__(self) -> None:
        if not LEAST_THRESHOLD <= self.threshold <= 1:
            raise RuleError(f"near_duplicates: threshold is {self.threshold}; expected {LEAST_THRESHOLD} to 1")
        if self.words < LEAST_WORDS:
            raise RuleError(
                f"near_duplicates: words is {self.words}; expected {LEAST_WORDS} or more: shorter texts are too much alike by chance"
            )

    def original(self) -> pl.Expr:
        return pl.struct("place", "words", *SKETCH).map_batches(self._originals, return_dtype=pl.UInt32)

    def _originals(self, replies: pl.Series) -> pl.Series:
        table = replies.struct.unnest()
        place = table["place"].to_numpy()
        judged = (table["words"] >= self.words).arg_true().to_numpy()
        judged = judged[np.argsort(place[judged], kind="stable")]
        long = table[judged]
        found = place.copy()
        if len(judged):
            found[judged] = place[judged][first_alike(long["bands"].to_numpy(), long["shingles"], self.threshold)]
        return pl.Series(found, dtype=pl.UInt32)


def sketch(tokens: Tokens) -> pl.DataFrame:
    """What texts are compared by, a row each with the columns `SKETCH`; null for texts of fewer than `LEAST_WORDS` words."""
    long = np.diff(tokens.bounds) >= LEAST_WORDS
    pairs, bounds = _pairs(tokens, long)
    rows = np.flatnonzero(long)
    sketches = pl.DataFrame({"row": rows, "bands": _bands(pairs, bounds), "shingles": _shingles(pairs, bounds)})
    return pl.DataFrame({"row": np.arange(len(long))}).join(sketches, on="row", how="left", maintain_order="left").drop("row")


def first_alike(bands: NDArray[np.uint32], shingles: pl.Series, threshold: float) -> Rows:
    """The row of the first text that each is a near copy of, itself where there is none; of texts in the order of their time.

    In each band a text is compared with the first that has the same and with the one before it: however many texts are alike, the
    comparisons are no more than two for each text and band.
    """
    texts = _Texts(shingles.explode().to_numpy(), _bounds(shingles.list.len().to_numpy()))
    original = np.arange(len(bands))
    for band in bands.T:
        order = np.argsort(band, kind="stable")
        new = np.diff(band[order], prepend=band[order[0]]) != 0
        new[0] = True
        first = order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
        for earlier, later in ((first[~new], order[~new]), (order[:-1][~new[1:]], order[1:][~new[1:]])):
            open_yet = original[later] == later
            earlier, later = earlier[open_yet], later[open_yet]
            alike = texts.alike(earlier, later, threshold)
            original[later[alike]] = earlier[alike]
    return first_of_all(original)


@dataclass(frozen=True)
class _Texts:
    """The shingles of texts: of text `i` the sorted `shingles[bounds[i]:bounds[i + 1]]`."""

    shingles: NDArray[np.uint32]
    bounds: Rows

    def alike(self, left: Rows, right: Rows, threshold: float) -> NDArray[np.bool_]:
        """Whether the Jaccard similarity of each pair of texts reaches the threshold."""
        size = np.diff(self.bounds)
        possible = np.flatnonzero(np.minimum(size[left], size[right]) / np.maximum(size[left], size[right]) >= threshold)
        alike = np.zeros(len(left), np.bool_)
        for start in range(0, len(possible), _PAIRS_AT_ONCE):
            pairs = possible[start : start + _PAIRS_AT_ONCE]
            alike[pairs] = self._similarity(left[pairs], right[pairs]) >= threshold
        return alike

    def _similarity(self, left: Rows, right: Rows) -> NDArray[np.float64]:
        limit = np.minimum(self._known_to(left), self._known_to(right))
        ours, theirs = self._of_pairs(left, limit), self._of_pairs(right, limit)
        beyond = np.uint64(0xFFFFFFFFFFFFFFFF)
        both = ours[np.append(theirs, beyond)[np.searchsorted(theirs, ours)] == ours]
        in_left, in_right, shared = (np.bincount(_high(keys), minlength=len(left)) for keys in (ours, theirs, both))
        return np.asarray(shared / (in_left + in_right - shared))

    def _known_to(self, rows: Rows) -> NDArray[np.uint32]:
        """The hash up to which all shingles of a text are kept."""
        full = self.bounds[rows + 1] - self.bounds[rows] == MOST_SHINGLES
        return np.where(full, self.shingles[self.bounds[rows + 1] - 1], np.uint32(0xFFFFFFFF))

    def _of_pairs(self, rows: Rows, limit: NDArray[np.uint32]) -> Hashes:
        """The shingles of a text for each pair, up to the pair's limit, below the number of the pair: sorted."""
        pair, place = _spread(self.bounds[rows], self.bounds[rows + 1] - self.bounds[rows])
        shingles = self.shingles[place]
        within = shingles <= limit[pair]
        return pair[within].astype(np.uint64) << np.uint64(32) | shingles[within]


def _pairs(tokens: Tokens, long: NDArray[np.bool_]) -> tuple[Hashes, Rows]:
    """Hashes of the neighbouring words of long texts, one text after another, and where each text's begin and end."""
    counts = np.diff(tokens.bounds)[long] - 1
    _, place = _spread(tokens.bounds[:-1][long], counts)
    return mix(mix(tokens.hashes[place]) + tokens.hashes[place + 1]), _bounds(counts)


def _bands(pairs: Hashes, bounds: Rows) -> pl.Series:
    bands = [np.empty((0, BANDS), np.uint32)]
    for start in range(0, len(bounds) - 1, _TEXTS_AT_ONCE):
        part = bounds[start : start + _TEXTS_AT_ONCE + 1]
        digests = RMinHash.digest_matrix_from_flat_token_hashes(
            pairs[part[0] : part[-1]], (part - part[0]).astype(np.uint64), BANDS * ROWS, _SEED
        )
        hashes = np.zeros((len(part) - 1, BANDS), np.uint64)
        for row in np.moveaxis(np.array(digests.to_rows(), np.uint64).reshape(-1, BANDS, ROWS), 2, 0):
            hashes = mix(hashes ^ row)
        bands.append((hashes >> np.uint64(32)).astype(np.uint32))
    return pl.Series(np.concatenate(bands), dtype=SKETCH["bands"])


def _shingles(pairs: Hashes, bounds: Rows) -> pl.Series:
    number = np.repeat(np.arange(len(bounds) - 1, dtype=np.uint64), np.diff(bounds))
    keys = np.sort(number << np.uint64(32) | pairs >> np.uint64(32))
    keys = keys[np.diff(keys, prepend=~keys[:1]) != 0]
    text = _high(keys)
    place = np.arange(len(keys)) - np.searchsorted(keys, np.arange(len(bounds) - 1, dtype=np.uint64) << np.uint64(32))[text]
    keys, text = keys[place < MOST_SHINGLES], text[place < MOST_SHINGLES]
    counts = np.bincount(text, minlength=len(bounds) - 1)
    return pl.Series(pa.LargeListArray.from_arrays(_bounds(counts), keys.astype(np.uint32)))


def _high(keys: Hashes) -> Rows:
    return (keys >> np.uint64(32)).astype(np.int64)


def _bounds(counts: NDArray[Any]) -> Rows:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _spread(starts: Rows, counts: Rows) -> tuple[Rows, Rows]:
    """The numbers from each start on, as many as its count, one after another; and which start each belongs to."""
    number = np.repeat(np.arange(len(starts)), counts)
    return number, np.arange(len(number)) + (starts - _bounds(counts)[:-1])[number]
