import bz2
import gzip
import io
import lzma
import struct
import threading
from pathlib import Path

import pytest
import zstandard

from curate.sources.reading import compressed
from curate.sources.reading.compressed import beginning, read_lines
from curate.sources.reading.place import RAW_BEGINNING, Place
from formats.errors import UserError

LINES = b'{"id": "a"}\n{"id": "b"}\n'
SEPARATORS = '{"body": "one\u2028two\u2029three\x85four\x0bfive\x0csix\x1cseven"}\n'.encode()
ZSTD_COMPRESSION = {"plain": zstandard.ZstdCompressor(), "checked": zstandard.ZstdCompressor(write_checksum=True)}


def zst(data: bytes, kind: str = "plain") -> bytes:
    return ZSTD_COMPRESSION[kind].compress(data)


def zst_2gib_window(data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=31, compression_level=1, write_content_size=False)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(data) + stream.flush()


COMPRESS = {"zst": zst, "gz": gzip.compress, "bz2": bz2.compress, "xz": lambda data: lzma.compress(data, preset=0), "plain": bytes}


def numbered(count: int) -> bytes:
    """Lines that no compression makes vanish."""
    return b"".join(b'{"id": "%032x"}\n' % (number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128) for number in range(count))


def everything(path: Path) -> bytes:
    return b"".join(read_lines(Place(str(path))))


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("name", ["dump", "dump.zst", "dump.txt"])
def test_the_content_tells_the_compression_and_the_name_does_not(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(COMPRESS[kind](LINES))
    assert list(read_lines(Place(str(path)))) == [LINES]


@pytest.mark.parametrize("kind", COMPRESS)
def test_several_frames_or_members_in_one_file_are_one_dump(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(COMPRESS[kind](b'{"id": "cut in the mid') + COMPRESS[kind](b'dle"}\n') + COMPRESS[kind](b"") + COMPRESS[kind](LINES))
    assert everything(path) == b'{"id": "cut in the middle"}\n' + LINES


def test_a_zstandard_window_of_2_gib_is_read_where_a_default_reader_refuses(tmp_path: Path) -> None:
    path = tmp_path / "dump.zst"
    path.write_bytes(zst_2gib_window(LINES))
    with pytest.raises(zstandard.ZstdError, match="too much memory"):
        zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read()
    assert everything(path) == LINES


def test_skippable_zstandard_frames_are_skipped_at_the_start_in_the_middle_and_at_the_end(tmp_path: Path) -> None:
    skippable = struct.pack("<II", 0x184D2A53, 4) + b"size"
    path = tmp_path / "pzstd.zst"
    path.write_bytes(skippable + zst(LINES) + skippable + zst(LINES) + skippable)
    assert everything(path) == LINES + LINES


@pytest.mark.parametrize("kind", COMPRESS)
def test_lines_end_at_line_feeds_only(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "CHUNK", 1 << 18)
    odd = (SEPARATORS + b'{"id": "crlf"}\r\n' + b'{"id": "cr"}\r{"id": "same line"}\n') * 1000
    data = odd + numbered(20_000) + odd + numbered(20_000) + odd
    path = tmp_path / "dump"
    path.write_bytes(COMPRESS[kind](data))
    chunks = list(read_lines(Place(str(path))))
    assert b"".join(chunks) == data
    assert len(chunks) > 1
    assert {chunk[-1:] for chunk in chunks} == {b"\n"}


@pytest.mark.parametrize("kind", COMPRESS)
def test_the_last_line_may_lack_its_line_feed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(COMPRESS[kind](LINES + b'{"id": "last"}'))
    assert everything(path) == LINES + b'{"id": "last"}'


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_line_longer_than_a_chunk_stays_whole(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "CHUNK", 1 << 20)
    long = b'{"body": "' + b"tea " * 500_000 + b'"}\n'
    path = tmp_path / "dump"
    path.write_bytes(COMPRESS[kind](LINES + long + LINES * 10_000))
    chunks = list(read_lines(Place(str(path))))
    assert b"".join(chunks) == LINES + long + LINES * 10_000
    assert sum(long in chunk for chunk in chunks) == 1
    assert all(chunk.endswith(b"\n") for chunk in chunks)


def test_chunks_stay_near_their_size_when_lines_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "CHUNK", 1 << 20)
    path = tmp_path / "dump.zst"
    path.write_bytes(zst(numbered(100_000)))
    sizes = [len(chunk) for chunk in read_lines(Place(str(path)))]
    assert sum(sizes) == 100_000 * 43
    assert len(sizes) > 2
    assert max(sizes) < 2 << 20


@pytest.mark.parametrize("kind", ["zst", "gz", "bz2", "xz"])
@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, -1])
def test_a_truncated_file_is_told_and_never_taken_for_whole(tmp_path: Path, kind: str, left: float) -> None:
    data = COMPRESS[kind](numbered(2_000))
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(data[: int(len(data) * left)] if left > 0 else data[:-1])
    with pytest.raises(UserError, match=r"cut\.\w+: cannot be read to its end .* truncated or damaged: fetch it again"):
        everything(path)


@pytest.mark.parametrize("kind", ["zst", "gz", "bz2", "xz"])
def test_a_second_frame_that_is_cut_off_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "cut"
    path.write_bytes(COMPRESS[kind](LINES) + COMPRESS[kind](LINES)[:-2])
    with pytest.raises(UserError, match="truncated or damaged"):
        everything(path)


def test_what_stands_before_the_cut_is_handed_on_before_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "CHUNK", 10 * len(LINES))
    path = tmp_path / "cut.zst"
    path.write_bytes(zst(LINES * 20) + zst(LINES)[:-2])
    read = read_lines(Place(str(path)))
    assert next(read) == LINES * 10
    with pytest.raises(UserError, match="truncated or damaged"):
        list(read)


@pytest.mark.parametrize("kind", ["zst", "gz", "bz2", "xz"])
def test_a_damaged_byte_is_told(tmp_path: Path, kind: str) -> None:
    data = bytearray(zst(LINES * 1000, "checked") if kind == "zst" else COMPRESS[kind](LINES * 1000))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "damaged"
    path.write_bytes(data)
    with pytest.raises(UserError, match="truncated or damaged"):
        everything(path)


def test_text_behind_a_zstandard_frame_is_told(tmp_path: Path) -> None:
    path = tmp_path / "dump.zst"
    path.write_bytes(zst(LINES) + b"<html>404</html>")
    with pytest.raises(UserError, match="truncated or damaged"):
        everything(path)


@pytest.mark.parametrize("data", [b"", zst(b""), gzip.compress(b"", mtime=0), bz2.compress(b""), lzma.compress(b"")])
def test_an_empty_file_holds_no_chunk(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "empty"
    path.write_bytes(data)
    assert list(read_lines(Place(str(path)))) == []


def test_a_missing_file_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.zst: no such file; give the path of a dump"):
        everything(tmp_path / "none.zst")
    with pytest.raises(UserError, match="is a directory; name the files in it"):
        everything(tmp_path)


@pytest.mark.parametrize("read", [0, 1, 2])
def test_a_reader_that_stops_early_leaves_no_thread(tmp_path: Path, read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "CHUNK", 1 << 20)
    path = tmp_path / "dump.zst"
    path.write_bytes(zst(numbered(100_000)))
    before = set(threading.enumerate())
    chunks = read_lines(Place(str(path)))
    for _ in range(read):
        next(chunks)
    chunks.close()
    assert set(threading.enumerate()) == before


def test_an_error_and_a_whole_read_leave_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    path = tmp_path / "dump.zst"
    path.write_bytes(zst(LINES))
    everything(path)
    path.write_bytes(zst(LINES)[:-1])
    with pytest.raises(UserError):
        everything(path)
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("kind", ["zst", "gz", "bz2", "xz"])
def test_wherever_a_file_is_cut_off_but_between_its_frames_that_is_told(tmp_path: Path, kind: str) -> None:
    """A cut between two frames is the end of a file as good as any."""
    skippable = struct.pack("<II", 0x184D2A53, 4) + b"size" if kind == "zst" else b""
    frames = [COMPRESS[kind](LINES * 3), skippable + COMPRESS[kind](b"{}\n"), COMPRESS[kind](LINES)]
    data = b"".join(frames)
    whole = {0: 0, len(frames[0]): 1, len(frames[0] + frames[1]): 2, len(data): 3, len(frames[0] + skippable): 1}
    path = tmp_path / "cut"
    for cut in range(8, len(data) + 1):
        path.write_bytes(data[:cut])
        if cut in whole:
            assert everything(path) == b"".join([LINES * 3, b"{}\n", LINES][: whole[cut]])
        else:
            with pytest.raises(UserError, match="truncated or damaged"):
                everything(path)


@pytest.mark.parametrize("kind", ["zst", "gz", "bz2", "xz"])
@pytest.mark.parametrize("garbage", [b"<html>404</html>", b"\x01" * 40, LINES])
def test_what_stands_behind_the_last_frame_and_is_none_is_told(tmp_path: Path, kind: str, garbage: bytes) -> None:
    """As where a later frame is damaged in its first bytes: its lines must not go without a word."""
    path = tmp_path / "dump"
    path.write_bytes(COMPRESS[kind](LINES) + garbage)
    with pytest.raises(UserError, match="truncated or damaged"):
        everything(path)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_zeros_that_fill_up_a_file_are_no_damage(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(COMPRESS[kind](LINES) + bytes(8) + COMPRESS[kind](LINES) + bytes(512))
    assert everything(path) == LINES * 2


def test_several_frames_each_with_a_window_of_2_gib_are_read(tmp_path: Path) -> None:
    path = tmp_path / "dump.zst"
    path.write_bytes(zst_2gib_window(LINES) + zst_2gib_window(LINES * 2))
    assert everything(path) == LINES * 3


@pytest.mark.parametrize("kind", COMPRESS)
def test_the_beginning_is_seen_however_large_the_blocks_are(kind: str) -> None:
    """A block of bzip2 holds 900 kB, of which the first byte comes after the last one was read."""
    data = COMPRESS[kind](numbered(30_000))
    assert beginning(data[:RAW_BEGINNING])[:43] == numbered(1)


def test_a_line_that_is_too_long_is_cut_off_and_the_lines_around_it_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "CHUNK", 1 << 16)
    monkeypatch.setattr(compressed, "LONGEST_LINE", 1 << 18)
    monkeypatch.setattr(compressed, "_BLOCK", 1 << 14)
    monkeypatch.setattr(compressed, "_READ", 1 << 14)
    path = tmp_path / "dump"
    path.write_bytes(LINES + b"x" * (1 << 20) + b"\n" + LINES)
    lines = everything(path).split(b"\n")
    assert [line for line in lines if len(line) < 100] == [*LINES.split(b"\n")[:-1], *LINES.split(b"\n")]
    (long,) = [line for line in lines if len(line) >= 100]
    assert long == b"x" * (1 << 18)


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_byte_order_mark_at_the_beginning_is_left_out(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(COMPRESS[kind](MARK + LINES + MARK + LINES))
    assert everything(path) == LINES + MARK + LINES
    assert Place(str(path)).head().text == LINES + MARK + LINES
    path.write_bytes(COMPRESS[kind](MARK))
    assert list(read_lines(Place(str(path)))) == []
