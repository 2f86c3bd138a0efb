"""Parses chunks of NDJSON into tables of strings; lines that are no JSON object are told apart, with their row and the reason."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

ROW = "source_row"

Numbered = tuple[int, bytes]
"""A line with its row."""


@dataclass(frozen=True)
class Reject:
    """A line that did not become a post."""

    row: int
    reason: str
    line: str


@dataclass(frozen=True)
class Parsed:
    """A chunk in columns: every field as String (nested values as JSON), and `source_row`, counted from 1."""

    lines: int
    records: pl.DataFrame
    rejects: list[Reject]
    passed_over: int


def parse_chunk(chunk: bytes, fields: Sequence[str], first_row: int, wanted: re.Pattern[bytes] | None = None) -> Parsed:
    """The records of a chunk of whole lines whose first is `first_row` of its file.

    Types drift in the dumps (a time is an integer, a float or a string by the year), so that nothing is cast here. `wanted` is
    searched for in the raw bytes: lines without it are passed over unparsed, and counted.
    """
    lines = chunk.count(b"\n") + (not chunk.endswith(b"\n"))
    rows: Sequence[int] = range(first_row, first_row + lines)
    if wanted is not None and not _mostly_wanted(chunk, wanted):
        # A line that is no object cannot be told to be another community's: it goes on to be rejected.
        picked = [
            (row, line)
            for row, line in zip(rows, chunk.split(b"\n"), strict=False)
            if wanted.search(line) or not (line.startswith(b"{") and line.rstrip().endswith(b"}"))
        ]
        rows, chunk = [row for row, _ in picked], b"\n".join(line for _, line in picked)
    passed_over = lines - len(rows)
    schema = dict.fromkeys(fields, pl.String)
    rejects: list[Reject] = []
    records = _read(chunk, schema)
    if records is None or records.height != len(rows):
        numbered = list(zip(rows, chunk.split(b"\n"), strict=False))
        # A line that opens no object is none: a file that is no dump at all would else be parsed line by line.
        good, bad = _sort_out([(row, line) for row, line in numbered if line.lstrip(b" \t\r").startswith(b"{")], schema)
        bad += [(row, line) for row, line in numbered if not line.lstrip(b" \t\r").startswith(b"{")]
        rejects = [Reject(row, _fault(line), line.decode(errors="replace")) for row, line in sorted(bad)]
        rows = [row for row, _ in good]
        records = _read(b"\n".join(line for _, line in good), schema)
        assert records is not None, "lines that parse alone parse together"
    numbers = pl.Series(ROW, [*rows] if not isinstance(rows, range) else pl.arange(rows.start, rows.stop, eager=True), pl.Int64)
    return Parsed(lines, records.with_columns(numbers), rejects, passed_over)


def _read(chunk: bytes, schema: dict[str, type[pl.String]]) -> pl.DataFrame | None:
    """The records, or None where a line is no JSON object. Blank lines are skipped in silence, so count the rows."""
    try:
        return pl.read_ndjson(chunk, schema=schema) if chunk and not chunk.isspace() else pl.DataFrame(schema=schema)
    except pl.exceptions.PolarsError:
        return None


def _mostly_wanted(chunk: bytes, wanted: re.Pattern[bytes]) -> bool:
    """Whether picking lines would cost more than parsing them all, as in a dump of the wanted community alone."""
    head = chunk[: 1 << 18].split(b"\n")[:-1]
    return bool(head) and sum(1 for line in head if wanted.search(line)) > len(head) // 2


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
    try:
        record = json.loads(line)
    except UnicodeDecodeError:
        return "not UTF-8"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {str(error).split(':')[0]}"
    return "not JSON as its standard has it" if isinstance(record, dict) else f"JSON, but no object: {type(record).__name__}"
