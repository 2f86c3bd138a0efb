"""Parses chunks of NDJSON into tables of strings; lines that are no JSON object are told apart, with their row and the reason."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from curate.sources.reading.compressed import LONGEST_LINE, read_lines
from curate.sources.reading.place import Place
from curate.sources.source import Reject

ROW = "source_row"

SHORT_LINE = 32
"""Bytes; no record of a post is so short, so that a chunk of such lines is no dump's and is taken apart."""

_PIECE = 1 << 18
_BLANK_RUN = re.compile(rb"\n{64,}|(?:\r\n){64,}")

_FEW = 64
"""Lines that are looked at one by one where one of them is bad; halving them further takes as long as that."""

_OPENS = re.compile(rb"\s*\{")

Numbered = tuple[int, bytes]
"""A line with its row."""


@dataclass(frozen=True)
class Chunk:
    """Whole lines of a file, `lines` of it; of these `data` holds all, or those of the given `rows`."""

    data: bytes
    first_row: int
    lines: int
    rows: Sequence[int] | None = None

    @property
    def numbers(self) -> Sequence[int]:
        """The rows of the lines in `data`."""
        return range(self.first_row, self.first_row + self.lines) if self.rows is None else self.rows


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
        for chunk in cut(Chunk(data, row, _count(data))):
            yield chunk
            row += chunk.lines


def cut(chunk: Chunk) -> Iterator[Chunk]:
    """The chunk, or, where its lines are too short to be records, pieces of it."""
    if chunk.lines <= len(chunk.data) // SHORT_LINE:
        yield chunk
        return
    row = chunk.first_row
    for piece in _pieces(chunk.data):
        yield Chunk(piece, row, _count(piece))
        row += _count(piece)


def _count(data: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == 10)) + (not data.endswith(b"\n"))


def _pieces(data: bytes) -> Iterator[bytes]:
    """The lines in small pieces, and long runs of blank ones each as one: millions of lines at once would take gigabytes."""
    at = 0
    while at < len(data):
        if blank := _BLANK_RUN.match(data, at):
            yield blank.group()
            at = blank.end()
            continue
        end = data.find(b"\n", at + _PIECE) + 1 or len(data)
        if blank := _BLANK_RUN.search(data, data.find(b"\n", at) + 1, end):
            end = data.rfind(b"\n", at, blank.start()) + 1 or data.find(b"\n", at) + 1
        yield data[at:end]
        at = end


def parse_chunk(chunk: Chunk, fields: Sequence[str]) -> Parsed:
    """The records of a chunk.

    Types drift in the dumps (a time is an integer, a float or a string by the year), so that nothing is cast here.
    """
    rows, data = chunk.numbers, chunk.data
    schema = dict.fromkeys(fields, pl.String)
    if blank := _BLANK_RUN.fullmatch(data):
        told = Reject(rows[0], "blank line", blank.group().split(b"\n", 1)[0].decode(), len(rows))
        return Parsed(chunk.lines, pl.DataFrame(schema={**schema, ROW: pl.Int64}), [told], chunk.lines - len(rows))
    rejects: list[Reject] = []
    passed_over = chunk.lines - len(rows)
    records = _read(data, schema)
    if records is None or records.height != len(rows):
        numbered = list(zip(rows, data.split(b"\n"), strict=False))
        # A line that does not open and end an object is none: a file that is no dump at all would else be parsed line by line.
        objects = _good({line: None for _, line in numbered if (bare := line.strip(b" \t\r"))[:1] == b"{" and bare[-1:] == b"}"}, schema)
        good = [(row, line) for row, line in numbered if line in objects]
        rejects = _in_runs([(row, line) for row, line in numbered if line not in objects])
        rows = [row for row, _ in good]
        records = _read(b"\n".join(line for _, line in good), schema)
        assert records is not None, "lines that parse alone parse together"
    numbers = pl.Series(ROW, [*rows] if not isinstance(rows, range) else pl.arange(rows.start, rows.stop, eager=True), pl.Int64)
    return Parsed(chunk.lines, records.with_columns(numbers), rejects, passed_over)


def refused(records: pl.DataFrame, faults: pl.Series) -> list[Reject]:
    """The rejects of the records that have a fault (null: none), each told as JSON without its nulls."""
    faulty = records.filter(faults.is_not_null())
    told = zip(faulty[ROW], faults.drop_nulls(), faulty.drop(ROW).iter_rows(named=True), strict=True)
    return [
        Reject(row, reason, json.dumps({name: value for name, value in record.items() if value is not None}))
        for row, reason, record in told
    ]


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
    if not chunk or chunk.isspace():
        return pl.DataFrame(schema=schema)
    if not _OPENS.match(chunk):
        return None  # what begins like a compressed file the parser would decompress
    try:
        return pl.read_ndjson(chunk, schema=schema)
    except pl.exceptions.PolarsError:
        return None


def _good(lines: Iterable[bytes], schema: dict[str, type[pl.String]]) -> set[bytes]:
    """Those of the lines that are JSON objects, found by halving: the parser that reads the chunks has the last word on that."""
    lines = list(lines)
    records = _read(b"\n".join(lines), schema)
    if records is not None and records.height == len(lines):
        return set(lines)
    if len(lines) <= _FEW and len(likely := list(filter(_is_likely, lines))) < len(lines):
        return _good(likely, schema)
    if len(lines) <= 1:
        return set()
    half = len(lines) // 2
    return _good(lines[:half], schema) | _good(lines[half:], schema)


def _is_likely(line: bytes) -> bool:
    """Whether Python's parser, which is quick to say no, takes a line for JSON, or cannot tell."""
    try:
        json.loads(line.decode(), parse_int=str, parse_constant=_refuse)  # an integer of thousands of digits is JSON
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


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
        return f"not JSON: {str(error).split(':')[0].removesuffix(' starting at')}"
    return "not JSON as its standard has it" if isinstance(record, dict) else f"JSON, but no object: {type(record).__name__}"
