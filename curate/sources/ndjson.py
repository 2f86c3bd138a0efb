"""Parses chunks of NDJSON into tables of strings; lines that are no JSON object are told apart, with their row and the reason."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.sources.compressed import LONGEST_LINE, read_lines
from curate.sources.place import Place
from curate.sources.source import Reject

ROW = "source_row"

MOST_NAMES = 8
"""Names to search for in raw bytes at most: each takes a tenth of the time that parsing everything takes."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")
"""Names that JSON writes in one way only; others may stand there escaped."""

_BLOCK = 1 << 20
"""Bytes folded to one case at once: they stay in the cache for the search."""

Numbered = tuple[int, bytes]
"""A line with its row."""


@dataclass(frozen=True)
class Chunk:
    """Whole lines of a file."""

    data: bytes
    first_row: int
    lines: int


@dataclass(frozen=True)
class Parsed:
    """A chunk in columns: every field as String (nested values as JSON), and `source_row`, counted from 1."""

    lines: int
    records: pl.DataFrame
    rejects: list[Reject]
    passed_over: int


def chunks(place: Place) -> Iterator[Chunk]:
    """The file in chunks of whole lines, decompressed in the background.

    Raises:
        UserError: the file does not exist, cannot be read, is truncated or damaged.
    """
    row = 1
    for data in read_lines(place):
        lines = int(np.count_nonzero(np.frombuffer(data, np.uint8) == 10)) + (not data.endswith(b"\n"))
        yield Chunk(data, row, lines)
        row += lines


def parse_chunk(chunk: Chunk, fields: Sequence[str], names: Sequence[str] = ()) -> Parsed:
    """The records of a chunk.

    Types drift in the dumps (a time is an integer, a float or a string by the year), so that nothing is cast here.

    Args:
        names: strings one of which a wanted record holds as a value, in any case; they are searched for in the raw bytes, and lines
            without any are passed over unparsed, and counted. None: all are wanted.
    """
    rows: Sequence[int] = range(chunk.first_row, chunk.first_row + chunk.lines)
    data = chunk.data
    if 0 < len(names) <= MOST_NAMES and all(map(_PLAIN.fullmatch, names)) and not _mostly_wanted(data, names):
        rows, data = _picked(chunk, names)
    schema = dict.fromkeys(fields, pl.String)
    rejects: list[Reject] = []
    passed_over = chunk.lines - len(rows)
    records = _read(data, schema)
    if records is None or records.height != len(rows):
        numbered = list(zip(rows, data.split(b"\n"), strict=False))
        # A line that opens no object is none: a file that is no dump at all would else be parsed line by line.
        good, bad = _sort_out([(row, line) for row, line in numbered if line.lstrip(b" \t\r").startswith(b"{")], schema)
        bad += [(row, line) for row, line in numbered if not line.lstrip(b" \t\r").startswith(b"{")]
        rejects = _in_runs(sorted(bad))
        rows = [row for row, _ in good]
        records = _read(b"\n".join(line for _, line in good), schema)
        assert records is not None, "lines that parse alone parse together"
    numbers = pl.Series(ROW, [*rows] if not isinstance(rows, range) else pl.arange(rows.start, rows.stop, eager=True), pl.Int64)
    return Parsed(chunk.lines, records.with_columns(numbers), rejects, passed_over)


def _picked(chunk: Chunk, names: Sequence[str]) -> tuple[list[int], bytes]:
    """The lines with one of the names, and those that are no object, of which nobody can tell whose they are; with their rows."""
    data = np.frombuffer(chunk.data, np.uint8)
    ends = np.flatnonzero(data == 10)
    if len(ends) < chunk.lines:
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1])
    odd = (data[np.minimum(starts, len(data) - 1)] != ord("{")) | (data[np.maximum(ends - 1, 0)] != ord("}")) | (starts == ends)
    hits = np.concatenate([_places(data, name) for name in names])
    chosen = np.union1d(np.flatnonzero(odd), np.searchsorted(ends, hits)).tolist()
    return [chunk.first_row + line for line in chosen], b"\n".join(chunk.data[starts[line] : ends[line]] for line in chosen)


def _places(data: NDArray[np.uint8], name: str) -> NDArray[np.int64]:
    """Where a name stands in quotes, in any case (and perhaps where something like it does: an underscore folds to a control character).

    Setting bit 5 of every byte makes capitals small, and moves nothing: faster than a search that ignores the case.
    """
    needle = bytes(byte | 0x20 for byte in f'"{name}"'.encode())
    folded = bytearray(_BLOCK + len(needle))
    into = np.frombuffer(folded, np.uint8)
    found: list[int] = []
    for first in range(0, len(data), _BLOCK):
        block = data[first : first + len(folded) - 1]  # so far that a needle on the seam is found, and found once
        np.bitwise_or(block, 0x20, out=into[: len(block)])
        place = folded.find(needle, 0, len(block))
        while place >= 0:
            found.append(first + place)
            place = folded.find(needle, place + 1, len(block))
    return np.array(found, np.int64)


def _in_runs(bad: Sequence[Numbered]) -> list[Reject]:
    """The rejects of bad lines; equal ones in a row are one entry."""
    rejects: list[Reject] = []
    for row, line in bad:
        last = rejects[-1] if rejects else None
        reason, text = _fault(line), line.decode(errors="replace")
        if last and (last.reason, last.line, last.row + last.rows) == (reason, text, row):
            rejects[-1] = Reject(last.row, reason, text, last.rows + 1)
        else:
            rejects.append(Reject(row, reason, text))
    return rejects


def _read(chunk: bytes, schema: dict[str, type[pl.String]]) -> pl.DataFrame | None:
    """The records, or None where a line is no JSON object. Blank lines are skipped in silence, so count the rows."""
    try:
        return pl.read_ndjson(chunk, schema=schema) if chunk and not chunk.isspace() else pl.DataFrame(schema=schema)
    except pl.exceptions.PolarsError:
        return None


def _mostly_wanted(data: bytes, names: Sequence[str]) -> bool:
    """Whether picking lines would cost more than parsing them all, as in a dump of the wanted community alone."""
    head = data[: 1 << 18]
    hits = sum(len(_places(np.frombuffer(head, np.uint8), name)) for name in names)
    return hits > head.count(b"\n") // 2


def _sort_out(lines: list[Numbered], schema: dict[str, type[pl.String]]) -> tuple[list[Numbered], list[Numbered]]:
    """The good lines and the bad ones, found by halving: the parser that reads the chunks is the only judge of what is JSON."""
    records = _read(b"\n".join(line for _, line in lines), schema)
    if records is not None and records.height == len(lines):
        return lines, []
    if len(lines) == 1:
        return [], lines
    half = len(lines) // 2
    good, bad = _sort_out(lines[:half], schema)
    more_good, more_bad = _sort_out(lines[half:], schema)
    return good + more_good, bad + more_bad


def _fault(line: bytes) -> str:
    if not line.strip():
        return "blank line"
    if len(line) >= LONGEST_LINE:
        return f"longer than {LONGEST_LINE >> 20} MiB"
    try:
        record = json.loads(line)
    except UnicodeDecodeError:
        return "not UTF-8"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {str(error).split(':')[0]}"
    return "not JSON as its standard has it" if isinstance(record, dict) else f"JSON, but no object: {type(record).__name__}"
