"""How the fields and records of delimiter-separated text are told apart, told by its beginning."""

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from curate.sources.reading.place import BEGINNING, BYTE_ORDER_MARK

_DELIMITERS = (b",", b"\t", b";", b"|")

_NAME = re.compile(r"[^\x00-\x1f{}<>]{1,100}")
"""What a column may be called, so that prose and programs are not taken for tables."""

_LOOKED_AT = 20
"""Rows at a file's beginning from which a table is told."""


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
    header: tuple[str, ...] = ()

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
            return rb"[^\r\n" + end + rb"]*+"
        return rb"(?:" + self._quoted + rb'"(?=' + end + rb'|\r?\n)|[^"\r\n' + end + rb"][^\r\n" + end + rb"]*+|)"

    @property
    def _record(self) -> bytes:
        return rb"(?!\r?\n)" + self._field + rb"(?:" + re.escape(self.delimiter) + self._field + rb")*+\r?\n"


def sniff(text: bytes) -> Dialect | None:
    """The dialect of a file that begins like this; None where it has no header of at least two names."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    text = text[: text.rfind(b"\n") + 1] or text + b"\n"
    found = []
    for delimiter in _DELIMITERS:
        if header := _header(text, Dialect(delimiter)):
            dialects = [Dialect(delimiter), Dialect(delimiter, escape=b"\\")]
            dialects += [Dialect(delimiter, quotes=False)] if delimiter == b"\t" else []
            best = max(dialects, key=lambda dialect: _span(text, dialect))
            found.append(Dialect(delimiter, best.quotes, best.escape, header))
    return max((dialect for dialect in found if _is_regular(text, dialect)), key=lambda dialect: len(dialect.header), default=None)


def _span(text: bytes, dialect: Dialect) -> int:
    """How far into the text whole records of that dialect go; a field may be open at its end."""
    whole = dialect.records.match(text)
    assert whole is not None, "no records are some"
    cut_off = len(text) > BEGINNING // 2 and dialect.open_end.match(text, whole.end())
    return len(text) if cut_off else whole.end()


def _is_regular(text: bytes, dialect: Dialect) -> bool:
    """Whether most of the first rows have as many fields as the header, as in a table and not in prose."""
    counts: list[int] = []
    at = 0
    while at < len(text) and len(counts) < _LOOKED_AT:
        if record := dialect.record.match(text, at):
            with suppress(UnicodeDecodeError, csv.Error):
                counts.append(len(_fields(record.group(), dialect)))
        at = record.end() if record else text.find(b"\n", at) + 1
    del counts[:1]  # the header
    return not counts or 2 * counts.count(len(dialect.header)) >= len(counts)


def _header(text: bytes, dialect: Dialect) -> tuple[str, ...] | None:
    first = dialect.record.match(text)
    if not first:
        return None
    try:
        names = _fields(first.group(), dialect)
    except (UnicodeDecodeError, csv.Error):
        return None
    good = len(names) > 1 and all(_NAME.fullmatch(name) for name in names if name) and any(names)
    return _distinct(names) if good else None


def _fields(record: bytes, dialect: Dialect) -> list[str]:
    text = record.decode().rstrip("\r\n")
    delimiter = dialect.delimiter.decode()
    if not dialect.quotes:
        return [name.strip() for name in text.split(delimiter)]
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter, escapechar=dialect.escape.decode() or None), [])]


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The header with names for the columns that lack one (as for an index that pandas wrote) or share one."""
    seen: set[str] = set()
    distinct = []
    for number, name in enumerate(names, 1):
        own = name if name and name not in seen else f"{name or 'column'}_{number}"
        seen.add(own)
        distinct.append(own)
    return tuple(distinct)
