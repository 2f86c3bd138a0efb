"""Delimiter-separated text (CSV, TSV) in bounded memory: whole records, quoted line feeds and all, and broken ones told apart.

A record that breaks the rules ends where its line does, so that an unclosed quote costs its own row and not those after it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from curate.sources.reading.compressed import read_lines
from curate.sources.reading.ndjson import ROW
from curate.sources.reading.place import Place
from curate.sources.source import Reject
from curate.sources.tabular.dialect import Dialect
from curate.sources.tabular.table import Part

LONGEST_RECORD = 32 << 20
"""Bytes: as long as a line may be. A quoted field that is still open then is taken for one that nobody closed."""

_BLANK = re.compile(rb"(?:[ \t]*\r?\n)++")


def read(place: Place, dialect: Dialect, names: Mapping[str, str]) -> Iterator[Part]:
    """The records after the header, by the names asked for; an empty field is null. A record's row is its number, the header's being 1.

    Raises:
        UserError: the file is truncated or damaged.
    """
    row, rest = 0, b""
    chunks = read_lines(place)
    chunk = next(chunks, None)
    while chunk is not None:
        following = next(chunks, None)
        text = rest + chunk
        if not row:
            header = dialect.record.match(text if text.endswith(b"\n") else text + b"\n")
            text, row = text[header.end() :] if header else text, 1
        part, rows, rest = _part(text, following is None, row + 1, dialect, names)
        row += rows
        yield part
        chunk = following


def _part(text: bytes, last: bool, first: int, dialect: Dialect, names: Mapping[str, str]) -> tuple[Part, int, bytes]:
    """The records of a text, how many they are, and the beginning of one that is not whole yet."""
    if last and text and not text.endswith(b"\n"):
        text += b"\n"
    whole = dialect.records.match(text)
    assert whole is not None, "no records are some"
    rest = _rest(text, whole.end(), last, dialect)
    if rest is not None and _is_utf8(text[: whole.end()]):
        part = _parse(text[: whole.end()], first, dialect, names)
        return part, part.rows, rest
    good: list[bytes] = []
    numbers: list[int] = []
    rejects: list[Reject] = []
    row, at, rest = first, 0, None
    while at < len(text):
        if found := dialect.record.match(text, at):
            if _is_utf8(found.group()):
                good.append(found.group())
                numbers.append(row)
            else:
                rejects.append(Reject(row, "not UTF-8", found.group().decode(errors="replace").rstrip()))
            row, at = row + 1, found.end()
        elif blank := _BLANK.match(text, at):
            lines = blank.group().count(b"\n")
            rejects.append(Reject(row, "blank line", "", lines))
            row, at = row + lines, blank.end()
        elif (rest := _rest(text, at, last, dialect)) is not None:
            break
        else:
            reason = _fault(text, at, dialect)
            end = text.find(b"\n", at) + 1
            rejects.append(Reject(row, reason, text[at:end].decode(errors="replace").rstrip()))
            row, at = row + 1, end
    part = _parse(b"".join(good), numbers, dialect, names)
    return Part(part.frame, sorted([*part.rejects, *rejects], key=lambda reject: reject.row)), row - first, rest or b""


def _rest(text: bytes, at: int, last: bool, dialect: Dialect) -> bytes | None:
    """The text from there on where it is the beginning of a record that goes on in the next chunk; None where it is a broken one."""
    if at == len(text):
        return b""
    goes_on = not last and len(text) - at <= LONGEST_RECORD and dialect.quotes and dialect.open_end.match(text, at)
    return text[at:] if goes_on else None


def _fault(text: bytes, at: int, dialect: Dialect) -> str:
    """Why no record begins there."""
    if dialect.open_end.match(text, at):
        return "a quoted field is not closed"
    line = text[at : text.find(b"\n", at)].removesuffix(b"\r")
    return "a carriage return outside quotes" if b"\r" in line else "a quote within a quoted field is not doubled"


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse(text: bytes, numbers: int | Sequence[int], dialect: Dialect, names: Mapping[str, str]) -> Part:
    """Records of good syntax, by their numbers or that of the first; those with too few or too many fields are rejects."""
    import pyarrow as pa
    from pyarrow import csv

    if not text:
        return Part(pl.DataFrame(schema={**dict.fromkeys(names, pl.String), ROW: pl.Int64}))
    wrong: list[tuple[int, int, str]] = []

    def note(row: "csv.InvalidRow") -> str:
        wrong.append((row.number - 1, row.actual_columns, row.text))
        return "skip"

    places = [str(number) for number in range(len(dialect.header))]
    used = {ours: places[dialect.header.index(theirs)] for ours, theirs in names.items()}
    columns = csv.read_csv(
        pa.BufferReader(text),
        # Only without threads does an invalid row know its number.
        read_options=csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=places),
        parse_options=csv.ParseOptions(
            delimiter=dialect.delimiter.decode(),
            quote_char='"' if dialect.quotes else False,
            escape_char=dialect.escape.decode() or False,
            newlines_in_values=dialect.quotes,
            ignore_empty_lines=False,
            invalid_row_handler=note,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(places, pa.large_string()),
            include_columns=list(dict.fromkeys(used.values())),
            check_utf8=False,
            strings_can_be_null=False,
        ),
    )
    skipped = {index for index, _, _ in wrong}
    height = columns.num_rows + len(wrong)
    rows = [numbers + index for index in range(height)] if isinstance(numbers, int) else numbers
    kept = [row for index, row in enumerate(rows) if index not in skipped]
    fields = {ours: pl.Series(ours, columns.column(theirs), pl.String) for ours, theirs in used.items()}
    frame = pl.DataFrame([*fields.values(), pl.Series(ROW, kept, pl.Int64)]).with_columns(
        pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in fields
    )
    expected = len(dialect.header)
    return Part(frame, [Reject(rows[index], f"{found} fields where the header has {expected}", line) for index, found, line in wrong])
