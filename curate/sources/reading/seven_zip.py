"""Streams the members of a 7z archive: nothing is written to disk, and no member is held in memory."""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from py7zr import Py7zIO, SevenZipFile, WriterFactory
from py7zr.exceptions import PasswordRequired

from curate.sources.reading.background import Handover, made_ahead
from formats.errors import UserError

METHODS = {b"\x00": "Copy", b"\x21": "LZMA2", b"\x03\x01\x01": "LZMA", b"\x04\x02\x02": "BZip2", b"\x03\x03\x01\x03": "BCJ"}
"""The methods that are read, by their number in the format; Stack Exchange uses BZip2. Of Deflate and Zstandard a block of 1 MiB may become
gigabytes at once, and the decompressor of PPMd ends the whole process where data is damaged."""

LARGEST_DICTIONARY = 1 << 30
"""Bytes of memory that an archive may ask for to be decompressed; 7-Zip's strongest preset asks for 256 MiB."""

_PIECE = 1 << 20
_QUEUED = 32
"""Pieces that wait for the reader at most."""


def members(path: Path) -> list[str]:
    """The names of the archive's files, in its order; folders and links are left out.

    Raises:
        UserError: it is encrypted, damaged, or compressed in a way that is not read here.
    """
    try:
        with SevenZipFile(path) as archive:
            _require_readable(path, archive)
            return [member.filename for member in archive.list() if member.is_file]
    except Exception as error:
        raise _explained(path, error) from None


def read_member(path: Path, name: str) -> Iterator[bytes]:
    """The bytes of a member, in order, in pieces of 1 MiB at most; decompressed in a thread that ends when the iterator is closed.

    In a solid archive the members before it are decompressed too, and dropped.

    Raises:
        UserError: it is encrypted, damaged, or compressed in a way that is not read here; or there are several members of that name.
    """
    return made_ahead(partial(_decompress_into, path, name), _QUEUED, f"decompress {path}/{name}")


def _decompress_into(path: Path, name: str, handover: Handover[bytes]) -> None:
    try:
        with _Watched(path, handover) as file, SevenZipFile(file) as archive:  # a file, as of a path it decompresses members side by side
            _require_readable(path, archive)
            if (found := archive.namelist().count(name)) != 1:
                raise UserError(f"{path}: holds {found} members {name}, expected one; unpack it and import the files")
            archive.extract(targets=[name], factory=_Handing(handover))
    except Exception as error:
        raise _explained(path, error) from None


def _explained(path: Path, error: Exception) -> Exception:
    """The error to raise; a damaged archive makes the decompressor fail in any way whatever."""
    if isinstance(error, UserError) or (isinstance(error, OSError) and error.filename):
        return error
    if isinstance(error, PasswordRequired):
        return UserError(f"{path}: is encrypted; unpack it with its password and import the files")
    why = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{path}: cannot be read as a 7z archive ({why}); it is truncated or damaged: fetch it again")


def _require_readable(path: Path, archive: SevenZipFile) -> None:
    if archive.needs_password():
        raise PasswordRequired
    streams = getattr(archive.header, "main_streams", None)
    if streams is None:  # of an empty archive
        return
    coders = [coder for folder in streams.unpackinfo.folders for coder in folder.coders]
    if any(coder["method"] not in METHODS for coder in coders):
        found = ", ".join(archive.archiveinfo().method_names) or "an unknown method"
        raise UserError(f"{path}: is compressed with {found}; expected {', '.join(METHODS.values())}: unpack it and import the files")
    needed = max(map(_memory, coders), default=0)
    if needed > LARGEST_DICTIONARY:
        raise UserError(
            f"{path}: needs {needed / 2**30:.1f} GiB of memory to be decompressed, more than {LARGEST_DICTIONARY / 2**30:.0f} GiB; "
            "unpack it and import the files"
        )


def _memory(coder: dict[str, Any]) -> int:
    """The dictionary that a coder's properties ask for, in bytes, as the 7z format writes it."""
    properties = coder.get("properties") or b""
    if len(properties) == 1:  # LZMA2: a mantissa of 2 or 3 in the lowest bit, and the exponent
        return (2 | properties[0] & 1) << (properties[0] // 2 + 11)
    return int.from_bytes(properties[1:5], "little")  # LZMA


class _Watched(io.FileIO):
    """A file that cannot be read on when nobody wants what is made of it."""

    def __init__(self, path: Path, handover: Handover[bytes]) -> None:
        super().__init__(path)
        self._handover = handover

    def read(self, size: int | None = -1, /) -> bytes:
        self._handover.watch()
        return super().read(-1 if size is None else size) or b""

    def tell(self) -> int:
        self._handover.watch()  # asked for before each block, those included for which nothing is read
        return super().tell()


class _Handing(Py7zIO, WriterFactory):
    """Hands on what is written, in pieces."""

    def __init__(self, handover: Handover[bytes]) -> None:
        self._handover = handover
        self._size = 0

    def create(self, filename: str) -> Py7zIO:
        return self

    def write(self, s: bytes | bytearray) -> int:
        for start in range(0, len(s), _PIECE):
            self._handover.put(bytes(s[start : start + _PIECE]))
        self._size += len(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        return None

    def size(self) -> int:
        return self._size
