"""What the commands of docs/sources.md find: small invented files."""

import bz2
import gzip
import json
import lzma
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import zstandard

from docs.commands import Scene

SAMPLE_DATA = Path(__file__).parents[1] / "sample_data"
NOON = 1_717_243_200
"""Noon of 2024-06-01, UTC."""

LATER = 30 * 86_400
"""Seconds after which the newer archive of a month was retrieved."""

Record = dict[str, Any]


# Reddit's archives: the sample forum, month by month


def zst(lines: bytes) -> bytes:
    """As the archives compress: with a window of 2 GiB."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31)
    return zstandard.ZstdCompressor(compression_params=parameters).compress(lines)


def _zst_blocks(lines: bytes) -> bytes:
    rows = lines.splitlines()
    places = b"".join(struct.pack("<II", sum(map(len, rows[:number])), len(row)) for number, row in enumerate(rows))
    block = zstandard.ZstdCompressor().compress(struct.pack("<I", len(rows)) + places + b"".join(rows))
    return struct.pack("<I", len(block)) + block


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "2012-01": (".bz2", bz2.compress),
    "2023-11": (".xz", lzma.compress),
    "2023-12": (".zst", zst),
    "2024-01": (".zst", zst),
    "2024-02": (".zst_blocks", _zst_blocks),
    "2024-03": (".json.gz", gzip.compress),
}
"""How the archives of a month are compressed here: each way that the real ones are."""

TEAPOTS = [
    {
        "id": f"pot{number}", "subreddit": "Teapots", "author": "spout_fan", "link_id": "t3_pots", "parent_id": "t3_pots",
        "created_utc": 1_705_000_000 + number, "score": number, "body": f"Teapot number {number} pours best.",
    }
    for number in range(1, 31)
]  # fmt: skip


def by_month(name: str) -> dict[str, bytes]:
    """The lines of a dump of the sample forum by their month; a broken line is of that of the line before."""
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    with (SAMPLE_DATA / f"KettleCourt_{name}.zst").open("rb") as packed, reader.stream_reader(packed) as lines:
        months: dict[str, bytes] = {}
        month = ""
        for line in lines.read().splitlines(keepends=True):
            if found := _written(line):
                month = datetime.fromtimestamp(found, UTC).strftime("%Y-%m")
            months[month] = months.get(month, b"") + line
    return months


def _written(line: bytes) -> float:
    try:
        record = json.loads(line)
    except ValueError:
        return 0.0
    return float(record.get("created_utc") or 0) if isinstance(record, dict) else 0.0


def _lines(records: list[Record]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@contextmanager
def archives(folder: Path) -> Iterator[Scene]:
    """The sample forum by months, each compressed otherwise."""
    for prefix, name in (("RC", "comments"), ("RS", "submissions")):
        months = by_month(name)
        for month, (ending, pack) in PACKED.items():
            more = _lines(TEAPOTS) if (prefix, month) == ("RC", "2024-01") else b""
            (folder / "work" / f"{prefix}_{month}{ending}").write_bytes(pack(months[month] + more))
    yield Scene()


@contextmanager
def month_twice(folder: Path) -> Iterator[Scene]:
    """A month's archive, and a newer one: scores changed, and one more comment is in it."""
    lines = [line for line in by_month("comments")["2024-01"].splitlines() if _written(line)]
    records = [{**json.loads(line), "retrieved_on": NOON} for line in lines]
    late = {**records[-1], "id": "late1", "body": "The court reconvenes for one more biscuit."}
    newer = [{**record, "retrieved_on": NOON + LATER, "score": 50} for record in [*records, late]]
    work = folder / "work"
    (work / "RC_2024-01.zst").write_bytes(zst(_lines(records)))
    (work / "newer").mkdir()
    (work / "newer" / "RC_2024-01.zst").write_bytes(zst(_lines(newer)))
    (work / "RC_2023-12.zst").write_bytes(zst(by_month("comments")["2023-12"]))
    yield Scene()


@contextmanager
def sample_forum(folder: Path) -> Iterator[Scene]:
    """The dumps of the sample forum."""
    for path in SAMPLE_DATA.glob("*.zst"):
        (folder / "work" / path.name).write_bytes(path.read_bytes())
    yield Scene()


@contextmanager
def nothing(folder: Path) -> Iterator[Scene]:
    """An empty folder."""
    yield Scene()


# ConvoKit and Stack Exchange


@contextmanager
def corpus(folder: Path) -> Iterator[Scene]:
    """A corpus of three utterances, as a .zip."""
    said = [("abc12", None, "mabel", "Which of you boiled the milk?"), ("def34", "abc12", "odo", "The kettle did.")]
    said.append(("def35", "def34", "mabel", "The kettle was told to."))
    utterances = [
        {
            "id": name, "speaker": speaker, "conversation_id": "abc12", "reply-to": parent, "timestamp": NOON, "text": text,
            "meta": {"score": 3, "subreddit": "KettleCourt", "top_level_comment": None},
        }
        for name, parent, speaker, text in said
    ]  # fmt: skip
    with zipfile.ZipFile(folder / "work" / "subreddit-KettleCourt.zip", "w", zipfile.ZIP_DEFLATED) as corpus:
        corpus.writestr("subreddit-KettleCourt/utterances.jsonl", _lines(utterances))
        title = {"abc12": {"meta": {"title": "The matter of the milk", "num_comments": 2}}}
        corpus.writestr("subreddit-KettleCourt/conversations.json", json.dumps(title))
    yield Scene()


def _rows(root: str, *rows: Mapping[str, object]) -> str:
    told = (" ".join(f"{name}={quoteattr(str(value))}" for name, value in row.items()) for row in rows)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{root}>\n' + "".join(f"  <row {row} />\n" for row in told) + f"</{root}>\n"


@contextmanager
def site(folder: Path) -> Iterator[Scene]:
    """A site of three posts, as a folder and, under another name, as a .7z."""
    import py7zr

    common: Record = {"Score": 4, "CreationDate": "2024-06-01T12:00:00.000", "ContentLicense": "CC BY-SA 4.0"}
    posts = [
        {"Id": 1, "PostTypeId": 1, "Title": "Why does my kettle sing?", "Body": "<p>Only in <em>winter</em>.</p>", "OwnerUserId": 11},
        {"Id": 2, "PostTypeId": 2, "ParentId": 1, "Body": "<p>Limescale: small bubbles collapse on it.</p>", "OwnerUserId": 12},
        {"Id": 3, "PostTypeId": 5, "Body": "<p>About the tag kettles.</p>", "OwnerUserId": 12},
    ]
    comments = [{"Id": 1, "PostId": 2, "Text": "Vinegar ended the concert.", "UserId": 11}]
    site = folder / "work" / "tea.stackexchange.com"
    site.mkdir()
    (site / "Posts.xml").write_text(_rows("posts", *(row | common for row in posts)), encoding="utf-8")
    (site / "Comments.xml").write_text(_rows("comments", *(row | common for row in comments)), encoding="utf-8")
    with py7zr.SevenZipFile(folder / "work" / "coffee.stackexchange.com.7z", "w") as archive:
        for path in site.iterdir():
            archive.write(path, path.name)
    yield Scene()
