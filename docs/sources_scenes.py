"""What the commands of docs/sources.md find: small invented files, and servers on loopback that speak the APIs."""

import bz2
import datetime
import gzip
import io
import json
import lzma
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import zstandard

from tests.servers.discourse import Discourse
from tests.servers.hackernews import HackerNews
from tests.servers.lemmy import Lemmy
from tests.servers.reddit import CLIENT_ID, CLIENT_SECRET, serve
from tests.servers.reddit_forum import Forum

SAMPLE_DATA = Path(__file__).parents[1] / "sample_data"
NOON = 1_717_243_200
"""Noon of 2024-06-01, UTC."""


@dataclass(frozen=True)
class Scene:
    """Where a section's commands run.

    Args:
        addresses: by what the page shows, what stands for it when the command runs.
        meanwhile: what happens between two commands, by the page's words for it.
    """

    addresses: dict[str, str] = field(default_factory=dict)
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)


# The sample forum as dumps


def _zst(lines: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31)
    return zstandard.ZstdCompressor(compression_params=parameters).compress(lines)


def _zst_blocks(lines: bytes) -> bytes:
    rows = lines.splitlines()
    places = b"".join(struct.pack("<II", sum(map(len, rows[:number])), len(row)) for number, row in enumerate(rows))
    block = zstandard.ZstdCompressor().compress(struct.pack("<I", len(rows)) + places + b"".join(rows))
    return struct.pack("<I", len(block)) + block


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "2012-01": bz2.compress,
    "2023-11": lzma.compress,
    "2023-12": _zst,
    "2024-01": _zst,
    "2024-02": _zst_blocks,
    "2024-03": gzip.compress,
}
ENDINGS = {"2012-01": ".bz2", "2023-11": ".xz", "2023-12": ".zst", "2024-01": ".zst", "2024-02": ".zst_blocks", "2024-03": ".json.gz"}
TEAPOTS = [
    {
        "id": f"teapot{number}", "subreddit": "Teapots", "author": "spout_fan", "link_id": "t3_teapot", "parent_id": "t3_teapot",
        "created_utc": 1_705_000_000 + number, "score": number, "body": f"The {number}. of my teapots pours best.",
    }
    for number in range(1, 31)
]  # fmt: skip
