"""Where the bytes of a file lie: on disk, at a URL that fsspec opens, or on standard input; and how a file begins."""

import io
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from formats.errors import UserError

STDIN = "-"
BEGINNING = 1 << 16
"""Decompressed bytes of a file from which its kind is told."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""With which some editors and spreadsheets begin a file in UTF-8."""

RAW_BEGINNING = 1 << 20
"""Bytes that are read for that: a block of bzip2 gives nothing before its end, and may have 900 kB."""


@dataclass(frozen=True)
class Head:
    """How a file begins, or what a folder holds.

    Args:
        name: as it was given.
        raw: the first bytes as they lie there, `RAW_BEGINNING` at most; empty for a folder.
        text: the first bytes decompressed, `BEGINNING` at most; empty for a folder, and where the bytes cannot be decompressed.
        entries: the names in a folder; None for a file.
    """

    name: str
    raw: bytes
    text: bytes
    entries: frozenset[str] | None = None


@dataclass(frozen=True)
class Place:
    """A file or folder by its name: a path, a URL such as `s3://bucket/RC_2023-01.zst`, `hub:USER/NAME`, or `-`."""

    name: str

    def __post_init__(self) -> None:
        try:
            self.name.encode()
        except UnicodeEncodeError:
            shown = self.name.encode(errors="surrogateescape").decode(errors="backslashreplace")
            raise UserError(f"{shown}: its name is not UTF-8, as the names of posts' files must be; rename the file") from None

    @property
    def is_stdin(self) -> bool:
        """Whether it is standard input."""
        return self.name == STDIN

    @property
    def is_remote(self) -> bool:
        """Whether it is a URL."""
        return "://" in self.name

    @property
    def is_hub(self) -> bool:
        """Whether it is a dataset on the Hub."""
        return self.name.startswith("hub:")

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is no file or folder on disk."""
        return self.is_stdin or self.is_remote or self.is_hub

    @property
    def whole_name(self) -> str:
        """The name that is the same from whatever folder it is used."""
        return self.name if self.is_elsewhere else str(Path(self.name).resolve())

    @property
    def path(self) -> Path:
        """The local path.

        Raises:
            UserError: it is a URL or standard input.
        """
        if self.is_elsewhere:
            raise UserError(f"{self.name}: this kind of file is read from disk only; download it and give its path")
        return Path(self.name)

    def is_folder(self) -> bool:
        """Whether it is a local folder."""
        return not self.is_elsewhere and self.path.is_dir()

    def open(self) -> BinaryIO:
        """Its bytes, from the first; standard input can be read once, a local file and a URL can be sought in.

        Raises:
            UserError: there is no such file, or nothing opens that kind of URL.
        """
        if self.is_stdin:
            return cast(BinaryIO, _stdin.buffer)
        if not self.is_remote:
            self._require_local()
            if self.path.is_dir():
                raise UserError(f"{self.name}: is a directory; name the files in it")
            return self.path.open("rb")
        filesystem, path = self._filesystem()
        try:
            return cast(BinaryIO, filesystem.open(path, "rb"))
        except FileNotFoundError:
            raise UserError(f"{self.name}: no such file") from None

    def stat(self) -> tuple[int, str]:
        """Its size in bytes (0: unknown), and what changes when its content does."""
        if self.is_stdin:
            return 0, str(time.time_ns())
        if self.is_hub:
            return 0, ""
        if self.is_remote:
            filesystem, path = self._filesystem()
            try:
                found = filesystem.info(path)
            except FileNotFoundError:
                raise UserError(f"{self.name}: no such file") from None
            version = next((str(found[key]) for key in ("ETag", "etag", "mtime", "LastModified", "updated") if key in found), "")
            return int(found.get("size") or 0), version
        self._require_local()
        files = [path for path in self.path.rglob("*") if path.is_file()] if self.path.is_dir() else [self.path]
        return sum(path.stat().st_size for path in files), str(max((path.stat().st_mtime_ns for path in files), default=0))

    def head(self) -> Head:
        """How it begins; what was looked at is still there to be read."""
        from curate.sources.reading.compressed import beginning

        if self.is_hub:
            return Head(self.name, b"", b"")
        if self.is_folder():
            return Head(self.name, b"", b"", frozenset(entry.name for entry in self.path.iterdir()))
        if self.is_stdin:
            raw = _stdin.peek()
        else:
            with self.open() as file:
                raw = file.read(RAW_BEGINNING)
        return Head(self.name, raw, beginning(raw))

    def _require_local(self) -> None:
        """There is a file or folder that can be read more than once: an import looks at what it reads first, which empties a pipe."""
        if not self.path.exists():
            raise UserError(f"{self.name}: no such file; give the path of a dump (.zst, .gz, .bz2, .xz or plain NDJSON) or table")
        if not self.path.is_file() and not self.path.is_dir():
            raise UserError(f"{self.name}: is no regular file but a pipe or device, which cannot be read twice: pipe it to - instead")

    def _filesystem(self) -> tuple[Any, str]:
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(self.name)
        except ImportError as error:
            raise UserError(f"{self.name}: {str(error).rstrip('.')}: pip install what it names") from None
        except ValueError as error:
            raise UserError(f"{self.name}: {error}") from None
        return filesystem, path


class _Stdin:
    """Standard input with a look at its beginning, which may come in drops."""

    @cached_property
    def buffer(self) -> io.BufferedReader:
        if sys.stdin is None:
            raise UserError("-: standard input is closed: pipe a file to it, or name the file")
        return io.BufferedReader(_Refilled(sys.stdin.buffer), RAW_BEGINNING)

    def peek(self) -> bytes:
        return self.buffer.peek(RAW_BEGINNING)


class _Refilled(io.RawIOBase):
    """A pipe whose reads are full until its end, so that a peek sees the whole beginning."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        view = memoryview(into)
        read = 0
        while read < len(view) and (block := self._pipe.read(len(view) - read)):
            view[read : read + len(block)] = block
            read += len(block)
        return read


_stdin = _Stdin()


def expand(names: Sequence[str | Path]) -> list[Place]:
    """The places that names stand for: globs become their matches, in order; a folder stays one, for a source or `files_in`.

    Raises:
        UserError: a glob matches nothing.
    """
    places: list[Place] = []
    for name in map(str, names):
        if not name:
            raise UserError("a file's name is empty; is a variable not set?")
        place = Place(name)
        if place.is_stdin or not any(character in name for character in "*?[") or (not place.is_remote and Path(name).exists()):
            places.append(place)
            continue
        if place.is_remote:
            filesystem, path = place._filesystem()
            found = [filesystem.unstrip_protocol(match) for match in sorted(filesystem.glob(path))]
        else:
            start = Path(Path(name).anchor or ".")
            found = [str(match) for match in sorted(start.glob(name.removeprefix(Path(name).anchor)))]
        if not found:
            raise UserError(f"{name}: matches no file")
        places += map(Place, found)
    return places


def files_in(folder: Path, left_out: Callable[[Path], bool], whole: Callable[[Path], bool]) -> list[Place]:
    """All files of a folder and its folders, in the order of their paths, without hidden ones and those of the folders left out.

    Args:
        whole: whether a folder within is one place, and not to be unfolded.
    """
    found: list[Place] = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_file():
            found.append(Place(str(entry)))
        elif entry.is_dir() and not left_out(entry):
            found += [Place(str(entry))] if whole(entry) else files_in(entry, left_out, whole)
    return found
