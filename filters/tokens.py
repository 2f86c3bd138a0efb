"""The words of texts as numbers: case, punctuation, white space and the many codes of one letter make no difference."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from filters.cleaning import without_quotes
from filters.folding import beyond_ascii, change, folded
from filters.hashing import FIRST_BYTES, Hashes, eights, mix

BYTES_AT_ONCE = 4 << 20
"""Of text: about forty times as much is in memory while its words are found."""

_CHUNK = 8
_LONG = 64
_SPACE = ord(" ")
_PUNCTUATION = r"[^\P{P}\x00-\x7f]|\s"
_TYPOGRAPHY = "‘’‚“”„«»‹›–—―…•·¡¿"


@dataclass(frozen=True)
class Tokens:
    """The words of some texts. Text `i` has the hashes `hashes[bounds[i]:bounds[i + 1]]`, in their order."""

    hashes: Hashes
    bounds: NDArray[np.int64]

    def keys(self) -> pl.Series:
        """One hash for each text, UInt64, equal where all words are; null for a text without a word."""
        flat, bounds = self.hashes.tobytes(), (self.bounds * 8).tolist()
        texts = (flat[start:end] for start, end in pairwise(bounds))
        return pl.Series([xxhash.xxh3_64_intdigest(text) if text else None for text in texts], dtype=pl.UInt64)

    def counts(self) -> pl.Series:
        """How many words each text has, UInt32."""
        return pl.Series(np.diff(self.bounds), dtype=pl.UInt32)


def tokenise(texts: pl.Series) -> Iterator[Tokens]:
    """The words of texts, for some megabytes of texts at a time, in order; a null text has none.

    Texts are compared in Unicode's form NFKC and in lower case; what is neither white space nor punctuation belongs to a word. Quotes are
    left out as the transform `quotes` does it: where it was made, there are none.
    """
    quotes = without_quotes(texts)
    texts = texts.fill_null("").scatter(quotes["row"], quotes["text"])
    size = texts.str.len_bytes().cast(pl.UInt64).cum_sum()
    start = 0
    if texts.is_empty():
        yield Tokens(np.zeros(0, np.uint64), np.zeros(1, np.int64))
    while start < len(texts):
        before = size[start - 1] if start else 0
        end = max(start + 1, int(size.search_sorted(before + BYTES_AT_ONCE, "right")))
        yield _tokens(_plain(texts[start:end]))
        start = end


def _plain(texts: pl.Series) -> pl.Series:
    """The texts, those beyond ASCII folded; what is ASCII is left to the table of bytes, which is many times faster."""
    texts = change(texts, beyond_ascii, lambda some: some.str.replace_many(list(_TYPOGRAPHY), [" "] * len(_TYPOGRAPHY)))
    return change(folded(texts), beyond_ascii, lambda some: some.str.replace_all(_PUNCTUATION, " "))


def _table() -> NDArray[np.uint8]:
    """For each byte its lower case, or a space for what separates words."""
    table = np.full(256, _SPACE, np.uint8)
    for byte in range(256):
        character = chr(byte)
        if byte >= 0x80 or character.isalnum() or character in "$+<=>^`|~":
            table[byte] = ord(character.lower()) if byte < 0x80 else byte
    return table


_TABLE = _table()


def _tokens(texts: pl.Series) -> Tokens:
    """Finds the words in the bytes of all texts at once."""
    _, offsets, joined = (texts + " ").to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    text_ends = np.frombuffer(offsets, np.int64)[: len(texts) + 1]
    letters = _TABLE[np.frombuffer(joined, np.uint8)[: text_ends[-1]]]
    edges = np.flatnonzero(np.diff(letters != _SPACE, prepend=False))
    starts, ends = edges[::2], edges[1::2]
    return Tokens(_hashes(letters, starts, ends), np.searchsorted(starts, text_ends))


def _hashes(letters: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
    """A hash of each word: of its bytes, eight at a time, of all words at once; of the few long ones one after another."""
    chunks = eights(letters)
    hashes = (ends - starts).astype(np.uint64)
    rows = np.arange(len(starts))
    for first in range(0, _LONG, _CHUNK):
        left = ends[rows] - starts[rows] - first
        rows, left = rows[left > 0], left[left > 0]
        hashes[rows] = mix(hashes[rows] ^ (chunks[starts[rows] + first] & FIRST_BYTES[np.minimum(left, _CHUNK)]))
    for row in np.flatnonzero(ends - starts > _LONG):
        hashes[row] = xxhash.xxh3_64_intdigest(letters[starts[row] : ends[row]].tobytes())
    return hashes
