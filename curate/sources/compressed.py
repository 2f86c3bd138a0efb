"""Reads a file as whole lines, whatever it is compressed with, in a thread of its own."""

import bz2
import gzip
import lzma
import queue
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from formats.errors import UserError

CHUNK = 16 << 20
"""Bytes of decompressed lines handed on at once: enough for the parser to use all cores, little beside the memory of a laptop."""

ZSTD_WINDOW = 1 << 31
"""The archives compress with a window of 2 GiB, which readers refuse unless they are told to allow it."""

_MAGIC = {
    b"\x28\xb5\x2f\xfd": "zst",
    **{bytes([0x50 + n]) + b"\x2a\x4d\x18": "zst" for n in range(16)},  # skippable frames, with which pzstd begins a file
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
}
_READ = 1 << 14
"""Compressed bytes at once: little, as a few of them can hold a thousand times as many."""

_BLOCK = 1 << 20


def read_lines(path: Path) -> Iterator[bytes]:
    """Chunks of about `CHUNK` bytes, each of whole lines ending in a line feed (the last may lack it).

    The compression is told by the file's first bytes. Lines are cut at line feeds only: U+2028 and U+0085 stand inside bodies.

    Raises:
        UserError: the file does not exist, cannot be read, is truncated or damaged.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file; give the path of a dump (.zst, .gz, .bz2, .xz or plain NDJSON)")
    if path.is_dir():
        raise UserError(f"{path}: is a directory; name the dump files in it")
    done = threading.Event()
    chunks: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=2)
    thread = threading.Thread(target=_decompress_into, args=(path, chunks, done), name=f"decompress {path.name}", daemon=True)
    thread.start()
    try:
        while (chunk := chunks.get()) is not None:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
    finally:
        done.set()
        while thread.is_alive():
            while not chunks.empty():
                chunks.get_nowait()
            thread.join(0.01)


def _decompress_into(path: Path, chunks: "queue.Queue[bytes | BaseException | None]", done: threading.Event) -> None:
    def hand_over(item: bytes | BaseException | None) -> None:
        if not done.is_set():
            chunks.put(item)

    try:
        with path.open("rb") as file:
            for chunk in _whole_lines(_decompressed(file)):
                if done.is_set():
                    return
                hand_over(chunk)
        hand_over(None)
    except PermissionError as error:
        hand_over(error)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zstandard.ZstdError, OSError) as error:
        hand_over(UserError(f"{path}: cannot be read to its end ({error}); it is truncated or damaged: fetch it again"))
    except BaseException as error:
        hand_over(error)


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for block in blocks:
        gathered.append(block)
        size += len(block)
        if size >= CHUNK and (end := block.rfind(b"\n") + 1):
            gathered[-1] = block[:end]
            yield b"".join(gathered)
            gathered = [block[end:]]
            size = len(block) - end
    if size:
        yield b"".join(gathered)


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    start = file.read(8)
    file.seek(0)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "plain")
    if kind == "zst":
        yield from _zstd_frames(file)
        return
    reader = _opened(file, kind)
    while block := reader.read(_BLOCK):
        yield block


def _opened(file: BinaryIO, kind: str) -> BinaryIO | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    match kind:
        case "gz":
            return gzip.GzipFile(fileobj=file)
        case "bz2":
            return bz2.BZ2File(file)
        case "xz":
            return lzma.LZMAFile(file)
        case _:
            return file


def _zstd_frames(file: BinaryIO) -> Iterator[bytes]:
    """Every frame of a Zstandard file. A stream reader would end without a word where the file is cut off; this tells."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    frame = decompressor.decompressobj()
    in_frame = False
    pending = file.read(_READ)
    while pending:
        in_frame = True
        if block := frame.decompress(pending):
            yield block
        pending = b""
        if frame.eof:
            pending = frame.unused_data
            frame = decompressor.decompressobj()
            in_frame = False
        pending = pending or file.read(_READ)
    if in_frame:
        raise EOFError("the last Zstandard frame is incomplete")
