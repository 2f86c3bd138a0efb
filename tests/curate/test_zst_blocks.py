import io
import json
import random
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate import store
from curate.gather import import_files
from curate.sources.catalogue import recognise
from curate.sources.reading import place as places
from curate.sources.reading import zst_blocks
from curate.sources.reading.compressed import beginning, kind_of, read_lines
from curate.sources.reading.place import Place
from curate.sources.reading.zst_blocks import read_rows
from formats.errors import UserError


def frame(rows: Sequence[bytes], order: Sequence[int] | None = None) -> bytes:
    """A decompressed block; with an order, the rows lie in that one behind the table."""
    places: dict[int, int] = {}
    data = b""
    for number in order or range(len(rows)):
        places[number] = len(data)
        data += rows[number]
    table = b"".join(struct.pack("<II", places[number], len(row)) for number, row in enumerate(rows))
    return struct.pack("<I", len(rows)) + table + data


def block(content: bytes) -> bytes:
    packed = zstandard.ZstdCompressor().compress(content)
    return struct.pack("<I", len(packed)) + packed


def blocks(*rows: Sequence[bytes]) -> bytes:
    return b"".join(block(frame(some)) for some in rows)


def read(data: bytes, start: int = 0) -> list[bytes]:
    """What is read where the first bytes were read already."""
    return list(read_rows(data[:start], io.BytesIO(data[start:])))


ROWS = [b'{"id": "a"}', b'{"id": "b", "body": "\xc3\xa9"}', b"{}"]


def test_the_rows_of_each_block_come_as_lines() -> None:
    assert read(blocks(ROWS, [b'{"id": "z"}'])) == [b'{"id": "a"}\n{"id": "b", "body": "\xc3\xa9"}\n{}\n', b'{"id": "z"}\n']


def test_rows_come_in_the_order_of_the_table_wherever_they_lie() -> None:
    assert read(block(frame(ROWS, [2, 0, 1]))) == [b"\n".join(ROWS) + b"\n"]


def test_a_line_feed_between_the_tokens_of_a_row_makes_no_second_line() -> None:
    assert read(blocks([b'{\n "id": "a"\n}', b'{"id": "b"}\n'])) == [b'{  "id": "a" }\n{"id": "b"} \n']


@given(st.lists(st.lists(st.binary(max_size=9).map(lambda row: row.replace(b"\n", b" ")), max_size=6), max_size=5), st.integers(0, 200))
def test_every_row_comes_once_in_its_order(rows: list[list[bytes]], start: int) -> None:
    assert b"".join(read(blocks(*rows), start)) == b"".join(row + b"\n" for some in rows for row in some)


def test_a_block_without_rows_and_a_file_without_blocks_hold_no_line() -> None:
    assert read(blocks([], ROWS[:1], [])) == [b"", b'{"id": "a"}\n', b""]
    assert read(b"") == []


@given(st.integers(1, 10_000))
def test_a_file_that_is_cut_off_anywhere_but_between_blocks_is_told(cut: int) -> None:
    whole = blocks(ROWS, ROWS, ROWS)
    cut %= len(whole)
    one = len(blocks(ROWS))
    if cut % one == 0:
        assert read(whole[:cut]) == read(blocks(ROWS)) * (cut // one)
    else:
        with pytest.raises((EOFError, ValueError, zstandard.ZstdError)):
            read(whole[:cut])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (struct.pack("<I", 1 << 30) + b"\x28\xb5\x2f\xfd", "a block of 1073741824 bytes"),
        (block(b"\x01"), "without its number of rows"),
        (block(struct.pack("<I", 1 << 31)), "cannot hold 2147483648 rows"),
        (block(struct.pack("<III", 1, 0, 9) + b"{}"), "a row lies outside its block"),
        (block(struct.pack("<III", 1, 0xFFFFFFFF, 0xFFFFFFFF) + b"{}"), "a row lies outside its block"),
        (block(frame(ROWS))[:-1], "the last block is incomplete"),
        (blocks(ROWS) + b"\x01\x02", "the last block is incomplete"),
    ],
)
def test_a_damaged_block_is_told(data: bytes, reason: str) -> None:
    with pytest.raises((EOFError, ValueError), match=reason):
        read(data)


def test_a_frame_that_is_shorter_than_its_length_says_is_told() -> None:
    """Else what the frame does not say would pass as a block with fewer rows."""
    content = zstandard.ZstdCompressor().compress(frame(ROWS))
    cut = content[: len(content) - 3]
    with pytest.raises((EOFError, ValueError, zstandard.ZstdError)):
        read(struct.pack("<I", len(cut)) + cut)


def test_a_block_that_unfolds_into_gigabytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zst_blocks, "_LARGEST_BLOCK", 1 << 16)
    with pytest.raises(ValueError, match="a block that holds more than 65536 bytes"):
        read(block(bytes(1 << 20)))


def test_it_is_told_from_a_plain_zstandard_file() -> None:
    assert kind_of(blocks(ROWS)) == "zst_blocks"
    assert kind_of(zstandard.ZstdCompressor().compress(b"{}")) == "zst"
    skippable = struct.pack("<II", 0x184D2A50, 0)
    assert kind_of(skippable + zstandard.ZstdCompressor().compress(b"{}")) == "zst"


def test_a_dump_in_blocks_is_the_same_posts_as_a_plain_one(
    tmp_path: Path, comment: Callable[..., dict[str, object]], lines: Callable[..., bytes]
) -> None:
    records = [comment(f"c{number}", body=f"Kettle {random.Random(number).random()}") for number in range(500)]
    rows = [json.dumps(record).encode() for record in records]
    plain, packed = tmp_path / "KettleCourt_comments", tmp_path / "KettleCourt_comments.zst_blocks"
    plain.write_bytes(lines(*records, b"bad"))
    packed.write_bytes(blocks(rows[:256], rows[256:], [b"bad"]))
    assert b"".join(read_lines(Place(str(packed)))) == b"\n".join(rows) + b"\nbad\n"
    tables = []
    for number, path in enumerate((plain, packed)):
        gathered = import_files([path], tmp_path / str(number))
        assert (gathered.lines, gathered.posts, gathered.rejects) == (501, 500, 1)
        tables.append(store.read_bucket(tmp_path / str(number), 0).drop("source_file"))
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize("cut", [3, 5, 30, -1])
def test_a_cut_off_dump_in_blocks_is_told_as_any_other(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "RC_2023-01.zst_blocks"
    path.write_bytes(blocks(ROWS * 50)[:cut])
    with pytest.raises(UserError):
        list(import_files([path], tmp_path / "posts", source="reddit-dump"))


@pytest.mark.parametrize("lies", ["in a file", "on standard input"])
def test_it_is_told_for_a_dump_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comment: Callable[..., dict[str, object]], lies: str
) -> None:
    packed = blocks([json.dumps(comment(f"c{number}", body="line\nfeed")).encode() for number in range(3)])
    place = Place(str(tmp_path / "kettles"))
    place.path.write_bytes(packed)
    if lies == "on standard input":
        monkeypatch.setattr(places, "_stdin", places._Stdin())
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
        place = Place("-")
    head = place.head()
    assert head.text == b"".join(read_lines(place))
    assert recognise(head) == "reddit-dump"


def test_the_beginning_is_rows_as_lines_in_their_order() -> None:
    assert beginning(block(frame(ROWS, [2, 0, 1]))) == b"\n".join(ROWS) + b"\n"
    cut = beginning(block(frame([ROWS[0], random.Random(1).randbytes(400_000), ROWS[1]]))[:200_000])
    assert cut.startswith(ROWS[0] + b"\n")
    assert ROWS[1] not in cut
    assert beginning(block(b"\x01")) == b""
