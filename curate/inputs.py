"""What an import reads: files and folders by their places, each with the source that recognised it."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from curate.manifest import is_ours
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
        name: as it was given.
        path: the same from wherever it is named.
        size: in bytes; 0 where it is unknown.
        version: what changes when the content does.
        json_bytes: a guess of its size as plain JSON.
    """

    name: str = field(compare=False)
    path: str
    source: str
    size: int
    version: str
    json_bytes: int = field(compare=False)
    wanted: Wanted = field(default_factory=Wanted)
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """What another version of the same input has in common with it; standard input is another one each time."""
        once = self.version if self.name == STDIN else ""
        journal = self.source == "journal"  # which moves with its folder of posts
        communities = tuple(name.lower() for name in self.wanted.communities)
        return Path(self.path).name if journal else self.path, communities, self.wanted.since, self.wanted.until, once

    @property
    def place(self) -> Place:
        """Where it lies, by the name that was given if that still means the same."""
        given = Place(self.name)
        return given if given.whole_name == self.path else Place(self.path)

    def is_same_as(self, other: Self) -> bool:
        """Whether both are the same version of the same input, wherever a journal lies by now."""
        return (self.key, self.size, self.version, self.columns) == (other.key, other.size, other.version, other.columns)

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
    """The inputs that names stand for, each once, globs and folders unfolded; and the files of folders that no source recognises.

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
            within = [(inner, _within(inner, wanted, columns, source)) for inner in files_in(place.path, is_ours, _is_whole)]
            inputs += [known for _, known in within if known]
            passed_over += [inner.name for inner, known in within if not known]
            if not any(known for _, known in within):
                raise UserError(f"{place.name}: holds no file that a source recognises; known: {', '.join(FILES)}")
        else:
            raise UserError(_unknown(place))
    if sum(entry.name == STDIN for entry in inputs) > 1:
        raise UserError("-: standard input can be read once only")
    if columns and not any(entry.source == "table" for entry in inputs):
        raise UserError(f"--map (gather.map) {', '.join(columns)}: is for tables, and none of these files is one; leave it out")
    return list({entry.path: entry for entry in inputs}.values()), passed_over


def _is_whole(folder: Path) -> bool:
    """Whether a source reads the folder as one: a corpus, a site, a saved dataset."""
    return recognise(Place(str(folder)).head()) is not None


def _within(place: Place, wanted: Wanted, columns: Mapping[str, str], source: str | None) -> Input | None:
    """An input found in a folder; a table whose columns say nothing, which would be an error if it had been named, is none."""
    found = _input(place, wanted, columns, source)
    if found and found.source == "table" and source is None:
        from curate.sources.tabular.columns import match
        from curate.sources.tabular.files import open_table

        try:
            table = open_table(place)
            match(table.name, table.columns, columns)
        except UserError:
            return None
    return found


def _input(place: Place, wanted: Wanted, columns: Mapping[str, str], source: str | None) -> Input | None:
    size, version = place.stat()
    head = place.head()
    if source is None or (place.is_folder() and not file_source(source).recognises(head)):
        source = recognise(head) if source is None else None
    if source is None:
        return None
    guess = size * _GROWTH[kind_of(head.raw)] or UNKNOWN_BYTES
    return Input(place.name, place.whole_name, source, size, version, guess, wanted, columns if source == "table" else {})


def _unknown(place: Place) -> str:
    head = place.head()
    if not head.text and next(read_lines(place), None) is None:  # which tells of a damaged file itself
        return f"{place.name}: is empty: it holds no line; fetch it again or leave it out"
    start = head.text or head.raw
    return (
        f"{place.name}: no source recognises it; it begins with {start[:40]!r}. Expected a dump of Reddit (one JSON object a line), a "
        f"table, or another of: {', '.join(FILES)}. If you know what it is, name it with --source"
    )
