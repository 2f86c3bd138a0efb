"""Ids of posts from removal lists: plain, CSV or JSONL, compressed or not."""

import csv
import json
import re
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import chain
from pathlib import Path

from curate.sources.reading.compressed import read_lines
from curate.sources.reading.place import Place
from formats.errors import UserError

COLUMNS = ("name", "fullname", "id", "post_id", "comment_id", "submission_id")
"""What the column of ids is called, by preference: where Reddit's records have both, `name` is the id with its prefix."""

PREFIXES = ("", "t1_", "t3_")
"""Of comments and submissions of Reddit, whose ids may be given without."""

USUAL_ID = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}$"
"""What ids look like, but for those of tables, which can be any text."""

_ADDRESS = re.compile(
    r"(?:https?://)?(?:\w+\.)?reddit\.com/(?:\w+/[\w-]+/)?comments/([0-9a-z]+)(?:/[^/?#]*(?:/([0-9a-z]+))?)?/?(?:[?#].*)?"
)
_SHORT = re.compile(r"(?:https?://)?redd\.it/([0-9a-z]+)/?(?:[?#].*)?")

Unusual = Callable[[], Container[str]]
"""Gives the ids of a store that are none of the usual form; called only where such an id is asked for."""


def forms(name: str) -> list[str]:
    """The ids of posts that a name can mean: itself and, where it has no prefix, those with one of Reddit's."""
    return [name] if "_" in name else [prefix + name for prefix in PREFIXES]


def check_id(name: str, where: str, unusual: Unusual = frozenset) -> str:
    """An id without the white space around it; that of a post of Reddit, where its address is given.

    Raises:
        UserError: it cannot be one; `where` begins the message.
    """
    name = name.strip()
    if (address := _ADDRESS.fullmatch(name) or _SHORT.fullmatch(name)) and name not in unusual():
        thread, *comment = address.groups()
        return f"t1_{comment[0]}" if comment and comment[0] else f"t3_{thread}"
    if ("://" in name or not re.match(USUAL_ID, name)) and name not in unusual():
        raise UserError(f"{where}: found {name[:60]!r}, expected the id of a post, such as t1_abc12 or t3_abc12")
    return name


def read_list(path: str | Path, unusual: Unusual = frozenset) -> Iterator[str]:
    """The ids of a removal list: one a line, or those of the id column of a CSV, TSV or JSONL file. Blank lines and # comments are skipped.

    Raises:
        UserError: there is no such file, it is truncated, it has no id column, or a row has no id.
    """
    lines = _lines(Place(str(path)))
    start = next(((row, line) for row, line in lines if _tells(line, unusual)), None)
    if start is None:
        return
    row, line = start
    if line.lstrip().startswith("{"):
        for number, record in chain([start], lines):
            if record.strip():
                yield _of_record(record, f"{path}, row {number}", unusual)
        return
    separator = next((mark for mark in "\t;" if mark in line), ",")
    header = [cell.strip().lower() for cell in next(csv.reader([line], delimiter=separator))]
    column = _id_column(header)
    if column is not None:
        cells = csv.reader((text + "\n" for _, text in lines), delimiter=separator)
        for values in cells:
            if any(values):
                yield check_id(values[column] if column < len(values) else "", f"{path}, row {row + cells.line_num}", unusual)
    elif len(header) > 1:
        raise UserError(f"{path}, row {row}: a table without a column of ids, found {', '.join(header)[:120]}; name one of them id")
    else:
        for number, name in chain([start], lines):
            if _tells(name, unusual):
                yield check_id(name, f"{path}, row {number}", unusual)


def _id_column(header: Sequence[str]) -> int | None:
    return next((header.index(name) for name in COLUMNS if name in header), None)


def _tells(line: str, unusual: Unusual) -> bool:
    """Whether a line is neither blank nor a comment."""
    return bool(line.strip()) and not (line.startswith("#") and line.strip() not in unusual())


def _of_record(line: str, where: str, unusual: Unusual) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise UserError(f"{where}: begins like JSON and is none; expected one object a line with an id") from None
    values = record if isinstance(record, dict) else {}
    found = next((values[name] for name in COLUMNS if isinstance(values.get(name), str)), None)
    if found is None:
        raise UserError(f"{where}: has no id that is a text; found the keys {', '.join(values)[:120]}")
    return check_id(found, where, unusual)


def _lines(place: Place) -> Iterator[tuple[int, str]]:
    """The lines without their ends, counted from 1."""
    row = 0
    for chunk in read_lines(place):
        for line in chunk.removesuffix(b"\n").split(b"\n"):
            row += 1
            text = line.decode("utf-8", errors="replace").rstrip("\r")
            yield row, text.removeprefix("\ufeff") if row == 1 else text
