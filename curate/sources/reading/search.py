"""Looks for the lines of wanted communities in the raw bytes of NDJSON, as fast as they are decompressed."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import stringzilla
from numpy.typing import NDArray

from curate.sources.reading.compressed import read_lines
from curate.sources.reading.ndjson import SHORT_LINE, Chunk, cut
from curate.sources.reading.place import Place

MOST_NAMES = 16
"""Names to search for in raw bytes at most."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")
"""Names that JSON writes in one way only; others may stand there escaped."""

SEARCHED = 2 << 20
"""Bytes searched at once: so few that they are in the cache still."""

_ENOUGH = 4 << 20
"""Bytes of picked lines to be parsed at once."""

_BLOCK = 1 << 20
"""Bytes folded to one case at once: they stay in the cache for the search."""


def can_be_searched(names: Sequence[str]) -> bool:
    """Whether looking for these names in the raw bytes finds all that they stand for, and saves time."""
    return 0 < len(names) <= MOST_NAMES and all(map(_PLAIN.fullmatch, names))


def picked(place: Place, names: Sequence[str]) -> Iterator[Chunk]:
    """The file's lines that hold one of the names as a value, in any case, and those that are no object; some MiB at once.

    They are searched for in the raw bytes, as fast as they are decompressed. A name may stand in another field, so what comes is to be
    looked at again.

    Args:
        names: of which `can_be_searched` is true.

    Raises:
        UserError: the file does not exist, cannot be read, is truncated or damaged.
    """
    waiting: list[Chunk] = []
    row = 1
    for data in read_lines(place, SEARCHED):
        found = pick(data, names)
        waiting.append(replace(found, first_row=row, rows=None if found.rows is None else [row + line for line in found.rows]))
        row += found.lines
        if found.rows is None or sum(len(some.data) for some in waiting) >= _ENOUGH:
            if waiting[:-1]:
                yield _merged(waiting[:-1])
            yield from cut(waiting[-1]) if found.rows is None else [waiting[-1]]
            waiting = []
    if waiting:
        yield _merged(waiting)


def _merged(some: Sequence[Chunk]) -> Chunk:
    if len(some) == 1:
        return some[0]
    rows = [row for chunk in some for row in chunk.numbers]
    return Chunk(b"".join(chunk.data for chunk in some), some[0].first_row, sum(chunk.lines for chunk in some), rows)


def pick(data: bytes, names: Sequence[str]) -> Chunk:
    """Of whole lines those with one of the names, and those that are no object, of which nobody can tell whose they are; from row 0 on."""
    searched = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(searched == ord("\n"))
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    hits = np.concatenate([_places(searched, name) for name in names])
    if len(hits) > len(ends) // 2 or len(ends) > len(data) // SHORT_LINE:
        return Chunk(data, 0, len(ends))  # parsing them all is cheaper than picking, or none of them is a record
    starts = np.concatenate([[0], ends[:-1] + 1])
    last = len(data) - 1
    odd = (searched[np.minimum(starts, last)] != ord("{")) | (searched[np.maximum(ends - 1, 0)] != ord("}")) | (starts == ends)
    chosen = np.union1d(np.flatnonzero(odd), np.searchsorted(ends, hits)).tolist()
    return Chunk(b"".join(data[starts[line] : ends[line]] + b"\n" for line in chosen), 0, len(ends), chosen)


def _places(data: NDArray[np.uint8], name: str) -> NDArray[np.int64]:
    """Where a name stands in quotes, in any case (and perhaps where something like it does: an underscore folds to a control character).

    Setting bit 5 of every byte makes capitals small, and moves nothing: faster than a search that ignores the case.
    """
    needle = bytes(byte | 0x20 for byte in f'"{name}"'.encode())
    folded = np.empty(_BLOCK + len(needle) - 1, np.uint8)
    found: list[int] = []
    for first in range(0, len(data), _BLOCK):
        block = data[first : first + len(folded)]  # so far that a needle on the seam is found, and found once
        searched = memoryview(np.bitwise_or(block, 0x20, out=folded[: len(block)]))  # type: ignore[arg-type]
        start = 0
        while (place := stringzilla.find(searched[start:], needle)) >= 0:
            start += place + 1
            found.append(first + start - 1)
    return np.array(found, np.int64)
