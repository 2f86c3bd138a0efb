"""Reads a file as whole lines, whatever it is compressed with, in a thread of its own."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import BinaryIO, cast

import zstandard

from curate.sources.reading import zst_blocks
from curate.sources.reading.background import Handover, made_ahead
from curate.sources.reading.place import BEGINNING, BYTE_ORDER_MARK, Place
from curate.sources.reading.zst_blocks import MAX_WINDOW
from formats.errors import UserError

CHUNK = 8 << 20
"""Bytes of decompressed lines handed on at once: enough for the parser to use all cores, little beside the memory of a laptop."""

LONGEST_LINE = 32 << 20
"""Bytes; Reddit's longest texts have 40,000 characters. Of a longer line only the beginning is handed on, and no more is held."""

_MAGIC = {
    b"\x28\xb5\x2f\xfd": "zst",
    **{bytes([0x50 + n]) + b"\x2a\x4d\x18": "zst" for n in range(16)},  # skippable frames, with which pzstd begins a file
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
}
_READ = 1 << 20
"""Compressed bytes read at once."""

_LAST = b"the file ended between two frames"
_LAST_FRAME = zstandard.ZstdCompressor().compress(_LAST)

_BLOCK = 1 << 20

_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zstandard.ZstdError, OSError, ValueError)


def read_lines(place: Place, size: int | None = None) -> Iterator[bytes]:
    """Chunks of about `size` bytes (None: `CHUNK`), each of whole lines ending in a line feed (the last may lack it).

    The compression is told by the file's first bytes. Lines are cut at line feeds only: U+2028 and U+0085 stand inside bodies. A line
    longer than `LONGEST_LINE` is cut off there, so that it is no longer a record. A byte order mark at the beginning is left out.

    Raises:
        UserError: the file does not exist, cannot be read, is truncated or damaged.
    """
    return whole_lines(_in_background(place, size or CHUNK))


def read_blocks(place: Place) -> Iterator[bytes]:
    """The decompressed bytes, about `CHUNK` at once, wherever the lines end.

    Raises:
        UserError: the file does not exist, cannot be read, is truncated or damaged.
    """
    return (b"".join(blocks) for blocks in _in_background(place, CHUNK))


def _in_background(place: Place, size: int) -> Iterator[list[bytes]]:
    """The file's decompressed blocks, about `size` bytes at once; joining them is left to the thread that parses."""
    file = place.open()
    try:
        yield from made_ahead(partial(_decompress_into, file, place.name, size), 2, f"decompress {place.name}")
    finally:
        if not place.is_stdin:
            file.close()


def beginning(raw: bytes) -> bytes:
    """The decompressed beginning of a file that begins with these bytes; empty where they cannot be decompressed."""
    found = b""
    with suppress(*_DAMAGE):
        match kind_of(raw):
            case "zst":
                found = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(raw, read_across_frames=True).read(BEGINNING)
            case "zst_blocks":
                found = zst_blocks.beginning(raw)
            case "gz":
                found = zlib.decompressobj(wbits=31).decompress(raw, BEGINNING)
            case "bz2":
                found = bz2.BZ2Decompressor().decompress(raw, BEGINNING)
            case "xz":
                found = lzma.LZMADecompressor().decompress(raw, BEGINNING)
            case _:
                found = raw
    return found.removeprefix(BYTE_ORDER_MARK)[:BEGINNING]


def kind_of(start: bytes) -> str:
    """How a file that begins with these bytes is compressed: zst, zst_blocks, gz, bz2, xz or plain."""
    if zst_blocks.recognises(start):
        return "zst_blocks"
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "plain")


def _decompress_into(file: BinaryIO, name: str, chunk: int, handover: Handover[list[bytes]]) -> None:
    blocks: list[bytes] = []
    size = 0
    try:
        for block in _decompressed(file, chunk):
            blocks.append(block)
            size += len(block)
            if size >= chunk:
                handover.put(blocks)
                blocks, size = [], 0
            handover.watch()
        handover.put(blocks)
    except PermissionError:
        raise
    except _DAMAGE as error:
        raise UserError(f"{name}: cannot be read to its end ({error}); it is truncated or damaged: fetch it again") from None


def whole_lines(handed: Iterator[list[bytes]]) -> Iterator[bytes]:
    """Lists of blocks as chunks of whole lines, as `read_lines` gives them."""
    chunks = _cut_at_lines(handed)
    if first := next(chunks, b"").removeprefix(BYTE_ORDER_MARK):
        yield first
    yield from chunks


def _cut_at_lines(handed: Iterator[list[bytes]]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    passing_over = False  # the rest of a line that is too long
    for blocks in handed:
        if passing_over:
            joined = b"".join(blocks)
            end = joined.find(b"\n")
            if end < 0:
                continue
            blocks, passing_over = [joined[end:]], False
        for place in reversed(range(len(blocks))):
            if end := blocks[place].rfind(b"\n") + 1:
                last = blocks[place]
                yield b"".join([*gathered, *blocks[:place], memoryview(last)[:end]])
                gathered = [last[end:], *blocks[place + 1 :]]
                size = sum(map(len, gathered))
                break
        else:
            gathered += blocks
            size += sum(map(len, blocks))
            if size > LONGEST_LINE:
                gathered, size, passing_over = [b"".join(gathered)[:LONGEST_LINE]], LONGEST_LINE, True
    if size:
        yield b"".join(gathered)


def _decompressed(file: BinaryIO, size: int) -> Iterator[bytes]:
    start = file.read(_READ)
    kind = kind_of(start)
    if kind == "zst":
        yield from _zstd_frames(start, file, size)
    elif kind == "zst_blocks":
        yield from zst_blocks.read_rows(start, file)
    elif kind in _STREAMS:
        yield from _streams(_Rejoined(start, file), _STREAMS[kind])
    else:
        whole = _Rejoined(start, file)
        reader = gzip.GzipFile(fileobj=cast(BinaryIO, whole)) if kind == "gz" else whole
        while block := reader.read(_BLOCK):
            yield block


class _Rejoined:
    """A file from its first byte on, though its start was read already (a pipe cannot be sought in)."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start, self._rest = start, rest

    def read(self, size: int = -1) -> bytes:
        """As of any binary file, but for a part of it where the parts meet."""
        if self._start:
            size = len(self._start) if size < 0 else size
            taken, self._start = self._start[:size], self._start[size:]
            return taken
        return self._rest.read(size)


class _Ended:
    """A file with an end of ours, in one piece with its last bytes: the decompressor forgets a frame of which it got only five bytes."""

    def __init__(self, start: bytes, rest: BinaryIO, end: bytes) -> None:
        self._next, self._rest, self._end = start, rest, end

    def read(self, size: int) -> bytes:
        """The next bytes; more than were asked for at the end."""
        taken, self._next = self._next, self._rest.read(size)
        if not self._next:
            taken, self._end = taken + self._end, b""
        return taken


_STREAMS = {"bz2": bz2.BZ2Decompressor, "xz": lzma.LZMADecompressor}


def _streams(file: _Rejoined, new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> Iterator[bytes]:
    """Every stream of a bzip2 or XZ file, with zeros between them allowed.

    Python's own readers end without a word where what follows a stream is none, as where a stream is damaged in its first bytes.
    """
    pending = b""
    while pending or (pending := file.read(_READ)):
        stream = new()
        while not stream.eof:
            yield stream.decompress(pending, _BLOCK)
            pending = b""
            if stream.needs_input and not stream.eof and not (pending := file.read(_READ)):
                raise EOFError("the last stream is incomplete")
        pending = stream.unused_data.lstrip(b"\0")


def _zstd_frames(start: bytes, file: BinaryIO, size: int) -> Iterator[bytes]:
    """Every frame of a Zstandard file.

    The reader works in long calls, in which other threads run, but ends without a word where a file is cut off. So a frame of our own
    follows the file's: where its content does not come out at the end, the file ended within a frame.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    source = _Ended(start, file, _LAST_FRAME)
    with decompressor.stream_reader(source, read_size=_READ, read_across_frames=True) as reader:  # type: ignore[arg-type]
        block = reader.read(size)
        while following := reader.read(size):
            if len(following) < len(_LAST):
                block += following
                continue
            yield block
            block = following
        if not block.endswith(_LAST):
            raise EOFError("the last Zstandard frame is incomplete")
        yield block[: -len(_LAST)]
