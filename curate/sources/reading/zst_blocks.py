"""Arctic Shift's seekable format: blocks of rows, each a Zstandard frame of its own, behind its length.

A file is a series of `u32 size, frame`. A decompressed frame is `u32 rows, rows × (u32 offset, u32 size), bytes`, the offsets counted from
the first of these bytes; all numbers are little-endian. Source: https://github.com/ArthurHeitmann/zst_blocks_format
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import BinaryIO

import numpy as np
import zstandard

from curate.sources.reading.place import BEGINNING

MAX_WINDOW = 1 << 31
"""The archives compress with a window of 2 GiB, which readers refuse unless they are told to allow it."""

_FRAME = b"\x28\xb5\x2f\xfd"
_LARGEST_BLOCK = 256 << 20
"""Bytes; a block holds some hundred rows. A larger one is a fault or a bomb."""


def recognises(start: bytes) -> bool:
    """Whether a file begins with a length and a Zstandard frame."""
    return start[4:8] == _FRAME and start[:4] not in (_FRAME, bytes(4))


def beginning(start: bytes) -> bytes:
    """The first rows of a file that begins with these bytes, as lines; the last may be cut off."""
    reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(start[4:])
    if len(rows := reader.read(4)) < 4:
        return b""
    infos = reader.read(8 * min(struct.unpack("<I", rows)[0], _LARGEST_BLOCK // 8))
    data = reader.read(BEGINNING)
    places = takewhile(lambda place: place[0] < len(data), struct.iter_unpack("<II", infos[: len(infos) // 8 * 8]))
    return _as_lines(data, places)


def read_rows(start: bytes, file: BinaryIO) -> Iterator[bytes]:
    """The rows of every block as lines, a block at once.

    Args:
        start: the bytes of the file that were read already.

    Raises:
        EOFError: the file ends within a block.
        ValueError: a block's rows lie outside of it.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    pending = start
    while header := _take(pending, 4, file):
        pending = pending[4:]
        if len(header) < 4:
            raise EOFError("the last block is incomplete")
        (size,) = struct.unpack("<I", header)
        if size > _LARGEST_BLOCK:
            raise ValueError(f"a block of {size} bytes")
        frame = _take(pending, size, file)
        pending = pending[size:]
        if len(frame) < size:
            raise EOFError("the last block is incomplete")
        with decompressor.stream_reader(frame) as reader:
            block = reader.read(_LARGEST_BLOCK)
            if reader.read(1):
                raise ValueError(f"a block that holds more than {_LARGEST_BLOCK} bytes")
        yield _lines(block)


def _take(pending: bytes, size: int, file: BinaryIO) -> bytes:
    taken = pending[:size]
    return taken + file.read(size - len(taken)) if len(taken) < size else taken


def _lines(block: bytes) -> bytes:
    if len(block) < 4:
        raise ValueError("a block without its number of rows")
    (rows,) = struct.unpack_from("<I", block)
    first = 4 + 8 * rows
    if first > len(block):
        raise ValueError(f"a block of {len(block)} bytes cannot hold {rows} rows")
    infos = np.frombuffer(block, "<u4", 2 * rows, 4).reshape(-1, 2).astype(np.int64)
    if rows and int((infos[:, 0] + infos[:, 1]).max()) > len(block) - first:
        raise ValueError("a row lies outside its block")
    return _as_lines(block[first:], infos.tolist())


def _as_lines(data: bytes, places: Iterable[Sequence[int]]) -> bytes:
    """The rows that begin there and have that size. A line feed within one can only be white space between its tokens."""
    return b"".join(data[offset : offset + size].replace(b"\n", b" ") + b"\n" for offset, size in places)
