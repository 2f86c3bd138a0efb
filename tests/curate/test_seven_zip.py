import random
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import py7zr
import pytest

from curate.sources.reading import seven_zip
from curate.sources.reading.background import Handover
from curate.sources.reading.seven_zip import members, read_member
from formats.errors import UserError

FILTERS: dict[str, list[dict[str, Any]]] = {
    "LZMA2": [{"id": py7zr.FILTER_LZMA2, "preset": 0}],
    "LZMA": [{"id": py7zr.FILTER_LZMA, "preset": 0}],
    "BZip2": [{"id": py7zr.FILTER_BZIP2}],
    "BCJ": [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA2, "preset": 0}],
    "COPY": [{"id": py7zr.FILTER_COPY}],
}
ROWS = b"".join(b'<row Id="%d" Body="kettle %x" />\n' % (n, n * 2654435761 % 2**32) for n in range(40_000))


def archive(path: Path, contents: dict[str, bytes], method: str = "LZMA2", **options: Any) -> Path:
    with py7zr.SevenZipFile(path, "w", filters=FILTERS.get(method), **options) as written:
        for name, content in contents.items():
            written.writestr(content, name)
    return path


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("method", FILTERS)
def test_a_member_is_streamed_whatever_stands_around_it(tmp_path: Path, method: str) -> None:
    contents = {"Badges.xml": ROWS[:500_000], "Posts.xml": ROWS, "Tags.xml": b"<tags/>", "empty.xml": b""}
    path = archive(tmp_path / "kettles.7z", contents, method)
    assert members(path) == list(contents)
    for name, content in contents.items():
        pieces = list(read_member(path, name))
        assert b"".join(pieces) == content
        assert max(map(len, pieces), default=0) <= 1 << 20
    assert sorted(tmp_path.iterdir()) == [path]


def test_members_in_several_blocks_come_in_order(tmp_path: Path) -> None:
    path = archive(tmp_path / "kettles.7z", {"Posts.xml": ROWS})
    with py7zr.SevenZipFile(path, "a", filters=FILTERS["BZip2"]) as more:
        more.writestr(b"<comments/>", "Comments.xml")
    assert members(path) == ["Posts.xml", "Comments.xml"]
    assert b"".join(read_member(path, "Posts.xml")) == ROWS
    assert b"".join(read_member(path, "Comments.xml")) == b"<comments/>"


def test_folders_and_links_are_no_members(tmp_path: Path) -> None:
    folder = tmp_path / "kettles"
    folder.mkdir()
    (folder / "Posts.xml").write_bytes(b"<posts/>")
    (folder / "link.xml").symlink_to("Posts.xml")
    with py7zr.SevenZipFile(tmp_path / "kettles.7z", "w") as written:
        written.writeall(folder, "kettles")
    assert members(tmp_path / "kettles.7z") == ["kettles/Posts.xml"]


def test_reading_that_stops_early_ends_the_thread(tmp_path: Path) -> None:
    path = archive(tmp_path / "kettles.7z", {"Posts.xml": bytes(100 << 20)})
    reading = read_member(path, "Posts.xml")
    assert next(reading) == bytes(1 << 20)
    reading.close()  # type: ignore[attr-defined]


def test_reading_that_stops_while_earlier_members_are_skipped_ends_the_thread(tmp_path: Path) -> None:
    path = archive(tmp_path / "kettles.7z", {"PostHistory.xml": bytes(150 << 20), "Posts.xml": ROWS})
    handover: Handover[bytes] = Handover(1)
    thread = threading.Thread(target=handover.run, args=(partial(seven_zip._decompress_into, path, "Posts.xml"),))
    thread.start()
    handover.stop(thread)
    assert not thread.is_alive()
    assert handover._waiting.empty()


def test_an_archive_that_grows_a_thousandfold_is_handed_on_in_pieces(tmp_path: Path) -> None:
    path = archive(tmp_path / "kettles.7z", {"Posts.xml": bytes(100 << 20)})
    assert path.stat().st_size < 100_000
    sizes = {len(piece) for piece in read_member(path, "Posts.xml")}
    assert max(sizes) == 1 << 20


@pytest.mark.parametrize(("name", "found"), [("Comments.xml", 0), ("Posts.xml", 2)])
def test_a_member_must_be_there_once(tmp_path: Path, name: str, found: int) -> None:
    path = tmp_path / "kettles.7z"
    with py7zr.SevenZipFile(path, "w") as written:
        written.writestr(b"<posts/>", "Posts.xml")
        written.writestr(b"<posts/>", "Posts.xml")
    with pytest.raises(UserError, match=re.escape(f"{path}: holds {found} members {name}, expected one; unpack it and import the files")):
        list(read_member(path, name))


@pytest.mark.parametrize("header", [False, True])
def test_an_encrypted_archive_is_told(tmp_path: Path, header: bool) -> None:
    path = tmp_path / "kettles.7z"
    archive(path, {"Posts.xml": b"<posts/>"}, "default", password="teatime", header_encryption=header)
    reason = re.escape(f"{path}: is encrypted; unpack it with its password and import the files")
    with pytest.raises(UserError, match=reason):
        members(path)
    with pytest.raises(UserError, match=reason):
        list(read_member(path, "Posts.xml"))


@pytest.mark.parametrize("name", ["ZStandard", "DEFLATE", "PPMd"])
def test_other_methods_are_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / "kettles.7z"
    other: dict[str, list[dict[str, Any]]] = {
        "ZStandard": [{"id": py7zr.FILTER_ZSTD, "level": 3}],
        "DEFLATE": [{"id": py7zr.FILTER_DEFLATE}],
        "PPMd": [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 16}],
    }
    with py7zr.SevenZipFile(path, "w", filters=other[name]) as written:
        written.writestr(ROWS, "Posts.xml")
    with pytest.raises(UserError, match=re.escape(f"{path}: is compressed with {name}; expected Copy, LZMA2, LZMA, BZip2, BCJ: unpack")):
        members(path)


@pytest.mark.parametrize(("method", "needed"), [("LZMA2", 256 << 10), ("LZMA", 256 << 10)])
def test_an_archive_that_asks_for_too_much_memory_is_told(
    tmp_path: Path, method: str, needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "kettles.7z", {"Posts.xml": ROWS}, method)
    monkeypatch.setattr(seven_zip, "LARGEST_DICTIONARY", needed)
    assert members(path) == ["Posts.xml"]
    monkeypatch.setattr(seven_zip, "LARGEST_DICTIONARY", needed - 1)
    with pytest.raises(UserError, match=re.escape(f"{path}: needs 0.0 GiB of memory to be decompressed, more than 0 GiB; unpack it")):
        members(path)


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    path = tmp_path / "kettles.7z"
    path.write_bytes(b"<posts/>")
    with pytest.raises(UserError, match=re.escape(f"{path}: cannot be read as a 7z archive (not a 7z file); it is truncated or damaged")):
        members(path)
    with pytest.raises(FileNotFoundError):
        list(read_member(tmp_path / "none.7z", "Posts.xml"))


def test_a_cut_archive_is_told_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.7z", {"Posts.xml": ROWS}).read_bytes()
    path = tmp_path / "kettles.7z"
    for cut in (0, 5, 6, 31, 32, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match=re.escape(f"{path}: cannot be read as a 7z archive (")):
            members(path)


def test_a_damaged_archive_is_told_and_never_read_as_if_it_were_whole(tmp_path: Path) -> None:
    contents = {"Badges.xml": ROWS[:3000], "Posts.xml": ROWS[:9000]}
    whole = [archive(tmp_path / f"{method}.7z", contents, method).read_bytes() for method in FILTERS]
    path = tmp_path / "kettles.7z"
    rng = random.Random(3)
    told: list[str] = []
    for _ in range(150):
        damaged = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            assert b"".join(read_member(path, "Posts.xml")) == contents["Posts.xml"]
        except UserError as error:
            told.append(str(error))
    assert len(told) > 100
    assert all(reason.startswith(f"{path}: ") and "\n" not in reason for reason in told)
