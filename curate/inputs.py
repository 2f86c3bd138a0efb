"""What an import reads: files and folders by their places, each with the source that recognised it."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from curate.engine import is_ours
from curate.sources.catalogue import FILES, file_source, recognise
from curate.sources.reading.compressed import kind_of, read_lines
from curate.sources.reading.place import STDIN, Place, expand, files_in
from curate.sources.source import Wanted
from formats.errors import UserError

_GROWTH = {"zst": 13, "zst_blocks": 10, "xz": 14, "bz2": 9, "gz": 7, "plain": 1}
"""JSON bytes that a compressed byte gives, in Reddit's archives: for a guess of a dump's rows before it is read."""

UNKNOWN_BYTES = 4 << 30
"""Taken for the size of what does not tell it: standard input, a dataset on the Hub."""


@dataclass(frozen=True)
class Input:
    """A file or folder to import, with all that its posts depend on.

    Args:
        size: in bytes; 0 where it is unknown.
        version: what changes when the content does.
        json_bytes: a guess of its size as plain JSON.
    """

    name: str
    source: str
    size: int
    version: str
    json_bytes: int
    wanted: Wanted = field(default_factory=Wanted)
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """What another version of the same input has in common with it; standard input is another one each time."""
        once = self.version if self.name == STDIN else ""
        return self.name, self.wanted, tuple(sorted(self.columns.items())), once

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        wanted = {"communities": list(self.wanted.communities), "since": _day(self.wanted.since), "until": _day(self.wanted.until)}
        return {**asdict(self), "wanted": wanted, "columns": dict(self.columns)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        days = {key: datetime.date.fromisoformat(values["wanted"][key]) if values["wanted"][key] else None for key in ("since", "until")}
        wanted = Wanted(tuple(values["wanted"]["communities"]), **days)
        return cls(**{**{name: values[name] for name in cls.__dataclass_fields__}, "wanted": wanted})


def _day(day: datetime.date | None) -> str | None:
    return str(day) if day else None


def resolve(
    names: Sequence[str | Path], wanted: Wanted, columns: Mapping[str, str], source: str | None = None
) -> tuple[list[Input], list[str]]:
    """The inputs that names stand for, globs and folders unfolded; and the files of folders that no source recognises.

    Args:
        source: the source that reads all of them, whatever they look like.

    Raises:
        UserError: a file does not exist, a glob matches nothing, or no source recognises a file that was named.
    """
    if not names:
        raise UserError("no files given; name at least one")
    if source is not None:
        file_source(source)
    inputs: list[Input] = []
    passed_over: list[str] = []
    for place in expand(names):
        if place.is_folder() and is_ours(place.path):
            raise UserError(f"{place.name}: was made by lorum; give the files that it was made from")
        found = _input(place, wanted, columns, source)
        if found:
            inputs.append(found)
        elif place.is_folder():
            within = [(inner, _input(inner, wanted, columns, source)) for inner in files_in(place.path, is_ours)]
            inputs += [known for _, known in within if known]
            passed_over += [inner.name for inner, known in within if not known]
            if not any(known for _, known in within):
                raise UserError(f"{place.name}: holds no file that a source recognises; known: {', '.join(FILES)}")
        else:
            raise UserError(_unknown(place))
    if sum(entry.name == "-" for entry in inputs) > 1:
        raise UserError("-: standard input can be read once only")
    return _distinct(inputs), passed_over


def _input(place: Place, wanted: Wanted, columns: Mapping[str, str], source: str | None) -> Input | None:
    size, version = place.stat()
    head = place.head()
    if source is None or (place.is_folder() and not file_source(source).recognises(head)):
        source = recognise(head) if source is None else None
    if source is None:
        return None
    return Input(place.name, source, size, version, size * _GROWTH[kind_of(head.raw)] or UNKNOWN_BYTES, wanted, columns)


def _unknown(place: Place) -> str:
    head = place.head()
    if not head.text and next(read_lines(place), None) is None:  # which tells of a damaged file itself
        return f"{place.name}: is empty: it holds no line; fetch it again or leave it out"
    start = head.text or head.raw
    return (
        f"{place.name}: no source recognises it; it begins with {start[:40]!r}. Expected a dump of Reddit (one JSON object a line), a "
        f"table, or another of: {', '.join(FILES)}. If you know what it is, name it with --source"
    )


def _distinct(inputs: Sequence[Input]) -> list[Input]:
    """Every file once: what a glob and a name both give is not read twice."""
    return list(
        {(entry.name if "://" in entry.name or entry.name == "-" else str(Path(entry.name).resolve())): entry for entry in inputs}.values()
    )
