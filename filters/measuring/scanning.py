"""Words and signs of texts, found in their UTF-8 bytes: vectorised, a slice that fits a core's cache at a time, on all cores."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filters.measuring import repetition

COLUMNS = ("words", "shouted_words", "shouted", "symbols")

SLICE = 1 << 17
"""Bytes of texts that are scanned at once."""

COMMON = ".,;:!?'\"()-/%&$*"
"""The ASCII signs that ordinary writing is full of; beyond ASCII all punctuation is common, and so are currencies and emoji."""

UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "YI ")
"""How Unicode's names of letters begin, in scripts that are written without spaces between words."""

EMOJI = ((0x2190, 0x21FF), (0x2300, 0x23FF), (0x25A0, 0x27BF), (0x2900, 0x297F), (0x2B00, 0x2BFF), (0x1F000, 0x1FAFF))
"""Ranges of code points in which symbols are emoji, arrows and dingbats that people write for their meaning."""

WORD, ALONE, CAPITAL, SMALL, MARK, SYMBOL, APOSTROPHE, UNKNOWN = (np.uint8(1 << bit) for bit in range(8))

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]


def scan(texts: pl.Series, repeats: bool) -> pl.DataFrame:
    """The columns `COLUMNS`, and with `repeats` those of `filters.measuring.repetition`, of texts without null."""
    size = (texts.str.len_bytes().cast(pl.Int64) + 1).cum_sum().to_numpy()
    cuts = np.unique([0, *np.searchsorted(size, np.arange(SLICE, size[-1] if size.size else 0, SLICE)), size.size]).tolist()
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        parts = list(pool.map(lambda first, last: _scan_slice(texts[first:last], repeats), cuts[:-1], cuts[1:]))
    parts = parts or [_scan_slice(texts, repeats)]
    found = pl.DataFrame({name: np.concatenate([columns[name] for columns in parts]) for name in parts[0]})
    return found.with_columns(symbols=(found["symbols"] / texts.str.len_chars().clip(1)).cast(pl.Float32))


def _scan_slice(texts: pl.Series, repeats: bool) -> dict[str, NDArray[np.generic]]:
    # A line break behind every text keeps the words of two texts apart, and lets the slice end in white space.
    _, offsets, data = (texts + "\n").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    places = np.frombuffer(offsets, np.int64, len(texts) + 1) if len(texts) else np.zeros(1, np.int64)
    letters = _letters(np.frombuffer(data, np.uint8, int(places[-1])))
    edges = np.flatnonzero(letters.word[1:] ^ letters.word[:-1]) + 1
    if letters.word[:1].any():
        edges = np.concatenate(([0], edges))
    starts, ends = edges[0::2], edges[1::2]
    runs = _counts(starts, places)
    words = runs + _counts(letters.alone, places)
    shouted = _counts(_shouted(letters, starts, ends), places)
    columns = {
        "words": words.astype(np.uint32),
        "shouted_words": shouted.astype(np.uint32),
        "shouted": (shouted / np.maximum(words, 1)).astype(np.float32),
        "symbols": _counts(letters.symbols, places),
    }
    if repeats:
        columns |= repetition.repeats(letters.raw | letters.capital.view(np.uint8) << np.uint8(5), starts, ends, runs)
    return columns


@dataclass(frozen=True)
class Letters:
    """What the bytes of texts are: masks over them, and places of the few that are neither letter nor digit of a word."""

    raw: Bytes
    word: Mask
    """Letters, digits, marks on them, and apostrophes between them; but not `alone`."""
    capital: Mask
    small: Mask
    symbols: Places
    alone: Places
    """Letters of scripts without spaces."""


def _letters(raw: Bytes) -> Letters:
    capital = (raw - np.uint8(ord("A"))) < 26
    small = (raw - np.uint8(ord("a"))) < 26
    word = (raw - np.uint8(ord("0"))) < 10
    word |= capital
    word |= small
    signs = np.flatnonzero((raw > ord(" ")) > word)
    kinds = _ASCII[raw[signs]]
    symbols, apostrophes = signs[kinds == SYMBOL], signs[kinds == APOSTROPHE]
    leads, alone = signs[raw[signs] >= 0xC0], signs[:0]
    if leads.size:
        kinds, lengths = _kinds(raw, leads)
        for mask, bit in ((word, WORD), (capital, CAPITAL), (small, SMALL)):
            of_kind = (kinds & bit) != 0
            _set(mask, leads[of_kind], lengths[of_kind], True)
        marks, of_marks = leads[kinds == MARK | WORD], lengths[kinds == MARK | WORD]
        loose = ~word[_row_of(marks, of_marks) - 1]  # marks on letters that stand alone, or on nothing, begin no word
        _set(word, marks[loose], of_marks[loose], False)
        symbols, alone = np.sort(np.concatenate((symbols, leads[kinds == SYMBOL]))), leads[kinds == ALONE]
        curly = leads[kinds == APOSTROPHE]
        inside = curly[word[curly - 1] & word[curly + 3]]
        word[inside] = word[inside + 1] = word[inside + 2] = True
    word[apostrophes] = word[apostrophes - 1] & word[apostrophes + 1]
    return Letters(raw, word, capital, small, symbols, alone)


def _row_of(leads: Places, lengths: Bytes) -> Places:
    """Where the unbroken row of characters begins in which each of those that begin at `leads` stands."""
    begins = np.ones(leads.size, np.bool_)
    begins[1:] = leads[1:] != leads[:-1] + lengths[:-1]
    return leads[np.maximum.accumulate(np.where(begins, np.arange(leads.size), 0))]


def _set(mask: Mask, leads: Places, lengths: Bytes, value: bool) -> None:
    """Sets the bytes of the characters that begin at `leads`."""
    for step in range(4):
        mask[leads[lengths > step] + step] = value


def _shouted(letters: Letters, starts: Places, ends: Places) -> Places:
    """The starts of the words with two capitals side by side and no small letter."""
    pairs = np.flatnonzero(letters.capital[1:] & letters.capital[:-1])
    maybe = np.unique(np.searchsorted(starts, pairs, "right") - 1)
    if not maybe.size:
        return starts[:0]
    lengths = ends[maybe] - starts[maybe]
    first = np.cumsum(lengths) - lengths
    inside = np.arange(int(lengths.sum())) + np.repeat(starts[maybe] - first, lengths)
    begins = (letters.raw[inside] & 0xC0) != 0x80  # the bytes of one letter beyond ASCII are no pair of letters
    capitals = np.add.reduceat(letters.capital[inside] & begins, first, dtype=np.int64)
    smalls = np.add.reduceat(letters.small[inside], first, dtype=np.int64)
    found: Places = starts[maybe[(capitals > 1) & (smalls == 0)]]
    return found


def _kinds(raw: Bytes, leads: Places) -> tuple[Bytes, Bytes]:
    """What the characters beyond ASCII that begin at `leads` are, and their bytes."""
    lead = raw[leads].astype(np.uint32)
    second, third, fourth = (raw[np.minimum(leads + step, raw.size - 1)].astype(np.uint32) & 0x3F for step in (1, 2, 3))
    two = (lead & 0x1F) << 6 | second
    three = (lead & 0x0F) << 12 | second << 6 | third
    four = (lead & 0x07) << 18 | second << 12 | third << 6 | fourth
    points = np.where(lead < 0xE0, two, np.where(lead < 0xF0, three, four))
    kinds = _KINDS[points]
    if (kinds == UNKNOWN).any():
        for point in np.unique(points[kinds == UNKNOWN]).tolist():
            _KINDS[point] = _kind(chr(point))
        kinds = _KINDS[points]
    return kinds, (2 + (lead >= 0xE0) + (lead >= 0xF0)).astype(np.uint8)


def _kind(character: str) -> np.uint8:
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    if character == "\u2019":
        return APOSTROPHE
    if category in ("Mn", "Mc") and not name.startswith("VARIATION SELECTOR"):
        return WORD | MARK
    if category[0] in "LN":
        if category == "Lo" and name.startswith(UNSPACED):
            return ALONE
        return WORD | (CAPITAL if category == "Lu" else SMALL if category == "Ll" else np.uint8(0))
    emoji = any(first <= ord(character) <= last for first, last in EMOJI)
    return SYMBOL if category in ("Sm", "Sk", "So", "Cc", "Co", "Cn") and not emoji else np.uint8(0)


def _counts(found: Places, places: Places) -> Places:
    """How many of the sorted places lie in each text."""
    return np.diff(np.searchsorted(found, places))


_ASCII = np.array([SYMBOL if chr(byte) not in COMMON and byte < 0x80 else 0 for byte in range(256)], np.uint8)
_ASCII[ord("'")] = APOSTROPHE
_KINDS = np.full(0x110000, UNKNOWN)
"""What each code point is, found as it is first met: the whole of Unicode would take longer than most texts."""
