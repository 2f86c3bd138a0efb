"""Reads XML documents of any size whose root holds one `<row …/>` after another; a broken row spares the others."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from curate.sources.source import Reject
from formats.errors import UserError

BATCH = 20_000
"""Rows handed on at once, at most: as a table some tens of megabytes."""

LONGEST_ROW = 8 << 20
"""Bytes. libxml2 refuses an attribute of more than 10 million, and Stack Exchange a post of more than 30,000 characters. Of a longer row
only the beginning is held."""

_ROW_BEGINS = re.compile(rb"<row(?=[\s/>])")
"""No attribute holds a bare `<`, so that this stands nowhere but where a row begins, well-formed or not."""

_ROW_ENDS = re.compile(rb"/>|</row\s*>")
_SPACE = b" \t\r\n"
"""What XML takes for space; `bytes.strip` takes more."""

_EXCERPT = 500

_TAIL = 64
"""Bytes of what is dropped that may hold the first ones of the next row, or the root's end."""

Attributes = dict[str, str]


@dataclass(frozen=True)
class Broken:
    """What stands where a row should, and why it is none."""

    reason: str
    raw: bytes


@dataclass(frozen=True)
class Rows:
    """Rows that follow one another.

    Args:
        count: all of them, the broken ones included.
        numbers: of each well-formed row its number, counted from 1 within its document.
        attributes: of each well-formed row.
    """

    count: int
    numbers: list[int] = field(default_factory=list)
    attributes: list[Attributes] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def root_of(beginning: bytes) -> str | None:
    """The name of the root element of a document that begins with these bytes; None where none of XML's lower-case names stands there."""
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(b"<"):
        return None
    found = re.match(rb"(?:<\?.*?\?>\s*|<!--.*?-->\s*)*<([a-z]+)[\s/>]", text, re.DOTALL)
    return found[1].decode() if found else None


def read_rows(chunks: Iterable[bytes], root: str, name: str) -> Iterator[Rows]:
    """The rows of a document of any size, `BATCH` at once. External entities, and those of a DTD, are never resolved.

    Args:
        chunks: the document in UTF-8, cut anywhere.
        root: the name that its root must have.
        name: of the document, for errors.

    Raises:
        UserError: it has another root, or ends before its root does.
    """
    first = 1
    for pieces in _pieces(chunks, root, name):
        records = _records(pieces)
        good = [(number, record) for number, record in enumerate(records, first) if not isinstance(record, Broken)]
        rejects = [Reject(number, broken.reason, _excerpt(broken.raw)) for number, broken in _broken(records, first)]
        yield Rows(len(records), [number for number, _ in good], [record for _, record in good], rejects)
        first += len(records)


def count_rows(chunks: Iterable[bytes], root: str, name: str) -> Iterator[int]:
    """How many rows follow one another in a document, by the same steps as `read_rows`, but unparsed."""
    for pieces in _pieces(chunks, root, name):
        yield len(pieces)


def _pieces(chunks: Iterable[bytes], root: str, name: str) -> Iterator[list[bytes]]:
    """The document cut before each row; the last piece of a chunk waits for the next one, which may hold its end."""
    beginning = b""  # of a row too long to be held
    pending = b""
    in_prolog = True
    for chunk in chunks:
        unopened = _ROW_BEGINS.split(pending + chunk)
        pieces = [unopened[0], *(b"<row" + piece for piece in unopened[1:])]
        if in_prolog and len(pieces) == 1 and len(pieces[0]) < LONGEST_ROW:
            pending = pieces[0]
            continue
        if in_prolog:
            pieces[0] = _after_prolog(pieces[0], root, name)
            in_prolog = False
        pending = pieces.pop()
        if pieces:
            pieces[0] = beginning + pieces[0]
            beginning = b""
        if len(pending) > LONGEST_ROW or beginning:
            beginning, pending = beginning or pending[: LONGEST_ROW + 1], pending[-_TAIL:]
        yield from _batches(pieces)
    if in_prolog:
        pending = _after_prolog(pending, root, name)
    row, end, rest = (beginning + pending).rpartition(f"</{root}>".encode())
    if not end:
        raise UserError(f"{name}: ends without </{root}>: it is cut off; fetch it again, or write </{root}> at the end of a sample")
    yield from _batches([row, rest])


def _batches(pieces: list[bytes]) -> Iterator[list[bytes]]:
    pieces = [piece for piece in pieces if piece.strip(_SPACE)]
    for start in range(0, len(pieces), BATCH):
        yield pieces[start : start + BATCH]


def _after_prolog(prolog: bytes, root: str, name: str) -> bytes:
    """What follows the root's opening tag."""
    opening = re.search(rf"<{root}(?:\s[^>]*?)?(/?)>".encode(), prolog)
    if opening is None:
        begins = prolog[:40].decode(errors="replace")
        raise UserError(f"{name}: begins with {begins!r}; expected the element <{root}> of a data dump: give the dump's own file")
    return f"</{root}>".encode() if opening[1] else prolog[opening.end() :]


def _records(pieces: list[bytes]) -> list[Attributes | Broken]:
    """What each piece holds, found by halving where they do not parse together; a piece of a row and more is two."""
    rows = _parsed(pieces)
    if not isinstance(rows, str):
        return [*rows]
    if len(pieces) == 1:
        return _taken_apart(pieces[0], rows)
    half = len(pieces) // 2
    return _records(pieces[:half]) + _records(pieces[half:])


def _taken_apart(piece: bytes, reason: str) -> list[Attributes | Broken]:
    """A row and what follows it that is no row, or all of it broken."""
    end = _ROW_ENDS.search(piece)
    if end and (rest := piece[end.end() :].strip(_SPACE)):
        row = _parsed([piece[: end.end()]])
        if not isinstance(row, str):
            return [*row, Broken("not a row", rest)]
    return [Broken(reason, piece)]


def _parsed(pieces: list[bytes]) -> list[Attributes] | str:
    """The rows' attributes where every piece is exactly one row, else the reason why not."""
    from lxml import etree

    if max(map(len, pieces)) > LONGEST_ROW:
        return f"a row of more than {LONGEST_ROW:,} bytes"
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        rows = etree.fromstring(b"<rows>" + b"".join(pieces) + b"</rows>", parser)
    except etree.XMLSyntaxError as error:
        reason = str(error.msg).partition("\n")[0]
        return f"not XML: {reason.partition(', line ')[0]}"
    if len(rows) != len(pieces) or rows.xpath(f"count(row) != {len(pieces)} or count(.//*) != {len(pieces)} or normalize-space() != ''"):
        return "not a row"
    return [dict(row.attrib) for row in rows]  # type: ignore[arg-type]  # its names and values are str


def _broken(records: list[Attributes | Broken], first: int) -> Iterator[tuple[int, Broken]]:
    return ((number, record) for number, record in enumerate(records, first) if isinstance(record, Broken))


def _excerpt(raw: bytes) -> str:
    return raw[:_EXCERPT].decode(errors="replace").strip()
