"""Delimiter-separated text (CSV, TSV) in bounded memory: whole records, quoted line feeds and all, and broken ones told apart.

A record that breaks the rules ends where its line does, so that an unclosed quote costs its own row and not those after it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from curate.sources.compressed import read_lines
from curate.sources.ndjson import ROW
from curate.sources.place import Place
from curate.sources.source import Reject
from curate.sources.table import Part

LONGEST_RECORD = 32 << 20
"""Bytes: as long as a line may be. A quoted field that is still open then is taken for one that nobody closed."""

_DELIMITERS = (b",", b"\t", b";", b"|")
_MARK = b"\xef\xbb\xbf"
"""The byte order mark with which spreadsheets begin a file in UTF-8."""

_NAME = re.compile(r"[^\x00-\x1f{}<>]{1,100}")
"""What a column may be called, so that prose and programs are not taken for tables."""

_BLANK = re.compile(rb"(?:[ \t]*\r?\n)++")


@dataclass(frozen=True)
class Dialect:
    """How the fields of a file are told apart, and what its header calls them.

    Args:
        quotes: whether a field may stand in double quotes; in some tab-separated files a quote is but a quote.
        escape: the backslash, where it stands before a quote within a quoted field (else the quote is doubled).
    """

    delimiter: bytes
    quotes: bool = True
    escape: bytes = b""
    header: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def record(self) -> re.Pattern[bytes]:
        """A whole record with its line end; a blank line is none."""
        return re.compile(self._record, re.DOTALL)

    @cached_property
    def records(self) -> re.Pattern[bytes]:
        """As many whole records as there are."""
        return re.compile(rb"(?:" + self._record + rb")*+", re.DOTALL)

    @cached_property
    def open_end(self) -> re.Pattern[bytes]:
        """The beginning of a record whose last field is quoted and not closed before the text ends."""
        return re.compile(rb"(?:" + self._field + re.escape(self.delimiter) + rb")*+" + self._quoted + rb"\Z", re.DOTALL)

    @property
    def _quoted(self) -> bytes:
        return rb'"(?:[^"\\]++|""|\\.)*+' if self.escape else rb'"(?:[^"]++|"")*+'

    @property
    def _field(self) -> bytes:
        end = re.escape(self.delimiter)
        if not self.quotes:
            return rb"[^\n" + end + rb"]*+"
        return rb"(?:" + self._quoted + rb'"(?=' + end + rb'|\r?\n)|[^"\n' + end + rb"][^\n" + end + rb"]*+|)"

    @property
    def _record(self) -> bytes:
        return rb"(?!\r?\n)" + self._field + rb"(?:" + re.escape(self.delimiter) + self._field + rb")*+\n"


def sniff(text: bytes) -> Dialect | None:
    """The dialect of a file that begins like this; None where it has no header of at least two names."""
    text = text.removeprefix(_MARK)
    text = text[: text.rfind(b"\n") + 1] or text + b"\n"
    found = [(header, delimiter) for delimiter in _DELIMITERS if (header := _header(text, Dialect(delimiter)))]
    if not found:
        return None
    header, delimiter = max(found, key=lambda pair: len(pair[0]))
    dialects = [Dialect(delimiter), Dialect(delimiter, escape=b"\\"), *([Dialect(delimiter, quotes=False)] if delimiter == b"\t" else [])]
    best = max(dialects, key=lambda dialect: _span(text, dialect))
    return Dialect(best.delimiter, best.quotes, best.escape, header)


def _span(text: bytes, dialect: Dialect) -> int:
    """How far into the text whole records of that dialect go; a field may be open at its end."""
    whole = dialect.records.match(text)
    assert whole is not None, "no records are some"
    return len(text) if dialect.open_end.match(text, whole.end()) else whole.end()


def _header(text: bytes, dialect: Dialect) -> tuple[str, ...] | None:
    first = dialect.record.match(text)
    if not first:
        return None
    try:
        names = _fields(first.group(), dialect)
    except UnicodeDecodeError:
        return None
    good = len(names) > 1 and all(_NAME.fullmatch(name) for name in names if name) and any(names)
    return _distinct(names) if good else None


def _fields(record: bytes, dialect: Dialect) -> list[str]:
    import csv

    text = record.decode().rstrip("\r\n")
    return [name.strip() for name in next(csv.reader([text], delimiter=dialect.delimiter.decode(), strict=True), [])]


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The header with names for the columns that lack one (as for an index that pandas wrote) or share one."""
    seen: set[str] = set()
    distinct = []
    for number, name in enumerate(names, 1):
        own = name if name and name not in seen else f"{name or 'column'}_{number}"
        seen.add(own)
        distinct.append(own)
    return tuple(distinct)


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
            text = text.removeprefix(_MARK)
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
            reason = "a quoted field is not closed" if dialect.open_end.match(text, at) else "a quote within a quoted field is not doubled"
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
