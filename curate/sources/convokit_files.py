"""The files of a ConvoKit corpus: in a folder, in a .zip (which is read as it is, never unpacked), or its utterances alone."""

import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from curate.sources.reading.compressed import CHUNK, read_blocks, whole_lines
from curate.sources.reading.ndjson import Chunk, chunks
from curate.sources.reading.place import Place
from curate.sources.tabular.json_values import elements
from curate.sources.tabular.table import grouped
from formats.errors import UserError

UTTERANCES = ("utterances.jsonl", "utterances.json")
"""What the first file is called in newer and in older corpora; the older one is a single array."""

CONVERSATIONS = "conversations.json"
ZIP = b"PK\x03\x04"

_BLOCK = 1 << 20
_ELEMENTS = 10_000
"""Utterances of an array in a chunk."""


@dataclass(frozen=True)
class Corpus:
    """A corpus that is read from its beginning.

    Args:
        name: what its folder or archive is called.
        utterances: one JSON object a line.
        conversations: the bytes of one JSON object, by the conversations' ids; None where there is none.
    """

    name: str
    utterances: Callable[[], Iterator[Chunk]]
    conversations: Callable[[], Iterator[bytes]] | None


def open_corpus(place: Place) -> Corpus:
    """The corpus that lies there.

    Raises:
        UserError: it lacks its utterances, is encrypted or damaged.
    """
    if place.is_folder():
        found = (place.path / name for name in (*UTTERANCES, CONVERSATIONS))
        return _of_files(place.path.resolve().name, {path.name: Place(str(path)) for path in found if path.exists()}, place.name)
    if place.is_stdin or place.is_remote:
        raise UserError(f"{place.name}: a corpus is read from disk only; download it and give its path")
    head = place.head()
    if head.raw.startswith(ZIP) or zipfile.is_zipfile(place.path):
        return _of_zip(place)
    beside = place.path.resolve().with_name(CONVERSATIONS)
    others = {CONVERSATIONS: Place(str(beside))} if place.path.name.startswith(UTTERANCES) and beside.exists() else {}
    first = UTTERANCES[1] if head.text.lstrip().startswith(b"[") else UTTERANCES[0]
    return _of_files(place.path.resolve().parent.name, {first: place, **others}, place.name)


def names_in_zip(path: Path) -> list[str]:
    """The files in an archive; none where it is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return []


def _of_files(name: str, files: Mapping[str, Place], shown: str) -> Corpus:
    conversations = files.get(CONVERSATIONS)
    bytes_of = (lambda: read_blocks(conversations)) if conversations else None
    if lines := files.get(UTTERANCES[0]):
        return Corpus(name, lambda: chunks(lines), bytes_of)
    if array := files.get(UTTERANCES[1]):
        return Corpus(name, lambda: _as_lines(read_blocks(array), array.name), bytes_of)
    raise UserError(f"{shown}: holds no {UTTERANCES[0]}, in which a corpus of ConvoKit has its utterances")


def _of_zip(place: Place) -> Corpus:
    with _damage_told(place.name), zipfile.ZipFile(place.path) as archive:
        members = {member.filename: member for member in archive.infolist() if "__MACOSX" not in member.filename}
    first = next((name for wanted in UTTERANCES for name in members if PurePosixPath(name).name == wanted), None)
    if first is None:
        raise UserError(f"{place.name}: holds no {UTTERANCES[0]}, in which a corpus of ConvoKit has its utterances")
    if members[first].flag_bits & 1:
        raise UserError(f"{place.name}: is encrypted; unpack it and give the folder")
    conversations = str(PurePosixPath(first).with_name(CONVERSATIONS))

    def blocks(name: str) -> Iterator[bytes]:
        with _damage_told(place.name), zipfile.ZipFile(place.path) as archive, archive.open(name) as member:
            yield from iter(lambda: member.read(_BLOCK), b"")

    return Corpus(
        PurePosixPath(first).parent.name or place.path.stem.removesuffix(".corpus"),
        lambda: _numbered(blocks(first)) if first.endswith("l") else _as_lines(blocks(first), place.name),
        (lambda: blocks(conversations)) if conversations in members else None,
    )


def _numbered(blocks: Iterator[bytes]) -> Iterator[Chunk]:
    """Blocks of bytes as chunks of whole lines."""
    row = 1
    for data in whole_lines(_gathered(blocks)):
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        yield Chunk(data, row, lines)
        row += lines


def _gathered(blocks: Iterator[bytes]) -> Iterator[list[bytes]]:
    while some := list(islice(blocks, CHUNK // _BLOCK)):
        yield some


def _as_lines(blocks: Iterator[bytes], name: str) -> Iterator[Chunk]:
    """An array of utterances, each as a line."""
    row = 1
    for some in grouped((json.dumps(value).encode() + b"\n" for value in elements(blocks, name)), _ELEMENTS, len):
        yield Chunk(b"".join(some), row, len(some))
        row += len(some)


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """Says in one line that an archive cannot be read."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise UserError(f"{name}: cannot be read ({error}); it is truncated or damaged: fetch it again") from None
