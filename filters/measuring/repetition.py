"""Words and phrases that a text says again and again."""

import numpy as np
from numpy.typing import NDArray

from filters.hashing import FIRST_BYTES, Hashes, eights

COLUMNS = ("repeated_words", "repeated_phrases")

PHRASE = 3
"""Words of a phrase."""

Places = NDArray[np.int64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2**64 by the golden ratio, and odd: Fibonacci hashing
_ROW_BITS = np.uint64(20)


def repeats(text: NDArray[np.uint8], starts: Places, ends: Places, words: Places) -> dict[str, NDArray[np.generic]]:
    """The columns `COLUMNS` of texts, fewer than 2**20.

    Args:
        text: their bytes, capitals folded.
        starts: of their words, with `ends` behind them.
        words: how many of them stand in each text.
    """
    rows = np.repeat(np.arange(words.size, dtype=np.uint64), words)
    keys = _keys(text, starts, ends, rows)
    return {"repeated_words": _longest_runs(keys, rows, words), "repeated_phrases": _said_before(keys, rows, words)}


def _keys(text: NDArray[np.uint8], starts: Places, ends: Places, rows: Hashes) -> Hashes:
    """A number for each word, the same for the same word of the same text: from its first and last eight bytes and its length."""
    eight = eights(text)
    lengths = ends - starts
    keys: Hashes = eight[starts]
    keys &= FIRST_BYTES.take(lengths, mode="clip")
    long = np.flatnonzero(lengths > 8)
    keys[long] = keys[long] * _FACTOR ^ eight[ends[long] - 8]
    keys += (rows << np.uint64(32)) + lengths.view(np.uint64)
    keys *= _FACTOR
    return keys


def _longest_runs(keys: Hashes, rows: Hashes, words: Places) -> NDArray[np.uint32]:
    """How often a word stands in a row, at most: 1 where none follows itself, 0 without words."""
    longest = np.minimum(words, 1).astype(np.uint32)
    again = np.flatnonzero(keys[1:] == keys[:-1])
    begins = np.flatnonzero(np.diff(again, prepend=-2) != 1)
    np.maximum.at(longest, rows[again[begins]].view(np.int64), np.diff(begins, append=again.size).astype(np.uint32) + 1)
    return longest


def _said_before(keys: Hashes, rows: Hashes, words: Places) -> NDArray[np.float32]:
    """The share of a text's phrases that it said before; 0 where it has fewer words than a phrase."""
    last = max(keys.size - PHRASE + 1, 0)
    phrases = keys[:last].copy()
    for step in range(1, PHRASE):
        phrases ^= keys[step : last + step]
        phrases *= _FACTOR
    # Texts in the upper bits: one sort brings the same phrases of a text together, and says whose they are.
    phrases >>= _ROW_BITS
    phrases |= rows[:last] << (np.uint64(64) - _ROW_BITS)
    phrases.sort()
    again = phrases[1:][phrases[1:] == phrases[:-1]] >> (np.uint64(64) - _ROW_BITS)
    counts = np.bincount(again.view(np.int64), minlength=words.size)
    return (counts / np.maximum(words - PHRASE + 1, 1)).astype(np.float32)
