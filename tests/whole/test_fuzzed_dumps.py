"""Dumps that are broken in every way: no traceback, no good line lost, every bad one told with its row, and bounded memory."""

import bz2
import gzip
import json
import lzma
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import store
from curate.gather import Gathered, import_files
from formats.errors import UserError

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


def record(name: str, **fields: Any) -> dict[str, Any]:
    """A comment; those of good lines were retrieved last, so that no broken one can replace one of them."""
    return {
        "id": name, "author": f"author_{name}", "body": f"Kettle {name}: “warm”, it says, \u2028 &gt; and \x85 {{stays}} so.",
        "created_utc": 1_700_000_000, "edited": False, "link_id": f"t3_s{len(name)}", "parent_id": f"t3_s{len(name)}", "score": 5,
        "subreddit": "KettleCourt", "retrieved_on": 1_700_000_500, **fields,
    }  # fmt: skip


def line(name: str, **fields: Any) -> bytes:
    return json.dumps(record(name, **fields), ensure_ascii=False).encode()


def flip(data: bytes, chance: random.Random) -> bytes:
    broken = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    return bytes(broken)


def put(what: bytes) -> Callable[[bytes, random.Random], bytes]:
    def mutate(data: bytes, chance: random.Random) -> bytes:
        place = chance.randrange(len(data) + 1)
        return data[:place] + what + data[place:]

    return mutate


def span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.randint(1, 30))


def removed(data: bytes, chance: random.Random) -> bytes:
    start, end = span(data, chance)
    return data[:start] + data[end:]


def doubled(data: bytes, chance: random.Random) -> bytes:
    start, end = span(data, chance)
    return data[:end] + data[start:]


BREAK: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flipped bits": flip,
    "cut off": lambda data, chance: data[: chance.randrange(len(data))],
    "without its beginning": lambda data, chance: data[chance.randrange(1, len(data)) :],
    "removed bytes": removed,
    "doubled bytes": doubled,
    "swapped quotes": lambda data, chance: data.replace(b'"', b"'", chance.randint(1, 40)),
    "a raw NUL": put(b"\0"),
    "half a surrogate pair": put(b"\\ud800"),
    "a raw surrogate": put(b"\xed\xa0\x80"),
    "a line separator": put("\u2028\x85".encode()),
    "nested deep": lambda data, chance: data[:-1] + b', "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "nested deep and open": lambda data, chance: data[:-1] + b', "x": ' + b'{"a":' * 2_000,
    "a huge number": lambda data, chance: data[:-1] + b', "score": ' + b"9" * chance.randint(20, 400) + b"}",
    "a huge exponent": lambda data, chance: data.replace(b"1700000000", b"1e%d" % chance.randint(5, 999)),
    "a key twice": lambda data, chance: data[:-1] + b', "id": "m0", "body": null}',
    "a byte order mark": lambda data, chance: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data, chance: data.decode("utf-8", "replace").encode("utf-16"),
    "two on a line": lambda data, chance: data + data,
    "other types": lambda data, chance: data.replace(b'"author_', chance.choice([b'[1, "', b'{"a": "', b'null, "'])),
}


def rejected(out: Path) -> list[int]:
    """The rows of all rejects; those that an entry stands for together are unfolded."""
    entries = [json.loads(entry) for entry in (out / "rejects.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert all(entry["reason"] and len(entry["line"]) <= 200 for entry in entries)
    return [entry["row"] + more for entry in entries for more in range(entry.get("rows", 1))]


def check(gathered: Gathered, out: Path, lines: list[bytes], good: dict[int, str]) -> None:
    """Every row is a post or a reject, or was replaced, and the good ones are posts with all that they said."""
    posts = pl.concat([store.read_bucket(out, bucket) for bucket in store.bucket_numbers(out)])
    rows, bad = posts["source_row"].to_list(), rejected(out)
    assert gathered.lines == len(lines) == gathered.posts + gathered.rejects + gathered.replaced
    assert len({*rows, *bad}) == len(rows) + len(bad) == len(lines) - gathered.replaced
    assert {*rows, *bad} <= set(range(1, len(lines) + 1))
    texts = dict(posts.select("source_row", "text").iter_rows())
    assert {row: texts.get(row) for row in good} == {row: record(name)["body"].replace("&gt;", ">") for row, name in good.items()}


def test_of_ten_thousand_broken_lines_each_is_told_and_no_good_line_among_them_is_lost(tmp_path: Path) -> None:
    chance = random.Random(20)
    lines, good = [line("g0")], {1: "g0"}
    kinds = list(BREAK)
    for number in range(10_000):
        if chance.random() < 0.5:
            good[len(lines) + 1] = f"g{number + 1}"
            lines.append(line(f"g{number + 1}"))
        broken = BREAK[kinds[number % len(kinds)]](line(f"m{number}", retrieved_on=None), chance)
        lines.append(broken.replace(b"\n", b" "))
    path = tmp_path / "RC_2023-01"
    path.write_bytes(b"\n".join(lines))
    gathered = import_files([path], tmp_path / "posts")
    check(gathered, tmp_path / "posts", lines, good)
    assert gathered.rejects > 5_000


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.binary(max_size=40),
            st.tuples(st.sampled_from(sorted(BREAK)), st.integers(0, 10**6)),
            st.text(max_size=20).map(lambda text: json.dumps(text).encode()),
        ),
        max_size=20,
    )
)
def test_any_mixture_of_lines_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, mixture: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    lines, good = [line("g")], {1: "g"}
    for number, item in enumerate(mixture):
        if item is None:
            good[len(lines) + 1] = f"g{number}"
            lines.append(line(f"g{number}"))
        else:
            name, seed = item if isinstance(item, tuple) else ("", 0)
            broken = BREAK[name](line(f"m{number}", retrieved_on=None), random.Random(seed)) if name else item
            lines.append(broken.replace(b"\n", b" "))
    (folder / "dump").write_bytes(b"\n".join(lines) + b"\n")
    check(import_files([folder / "dump"], folder / "posts"), folder / "posts", lines, good)


PACK: dict[str, Callable[[bytes], bytes]] = {
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "gz": lambda data: gzip.compress(data, 1),
    "bz2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "plain": bytes,
}


@pytest.mark.parametrize("kind", PACK)
def test_a_broken_file_is_told_in_one_line_or_read_to_its_last(tmp_path: Path, kind: str) -> None:
    chance = random.Random(kind)
    whole = PACK[kind](b"".join(line(f"g{number}", body=f"{chance.random()}") + b"\n" for number in range(40)))
    told = 0
    for number in range(60):
        broken = BREAK[("flipped bits", "cut off", "without its beginning", "removed bytes", "doubled bytes")[number % 5]](whole, chance)
        path = tmp_path / f"RC_2023-{number}"
        path.write_bytes(broken)
        out = tmp_path / f"posts{number}"
        try:
            gathered = import_files([path], out, source="reddit-dump" if number % 2 else None)
        except UserError as error:
            assert str(path) in str(error)  # noqa: PT017 (an error is allowed, not demanded)
            assert "\n" not in str(error)  # noqa: PT017
            told += 1
        else:
            assert gathered.lines == gathered.posts + gathered.rejects + gathered.replaced
            assert kind == "plain" or gathered.posts == 40, "what a checksum covers is read whole or not at all"
    assert told > 40 or kind == "plain"


MEASURED = """
import resource, sys
from pathlib import Path
from curate.gather import import_files
gathered = import_files([sys.argv[1]], Path(sys.argv[2]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(gathered.lines, gathered.posts, gathered.rejects, peak // 1024)
"""


def bomb(inside: bytes, times: int) -> Iterator[bytes]:
    """Two good lines, and that many times the same between them."""
    yield line("g1") + b"\n"
    for _ in range(times):
        yield inside
    yield b"\n" + line("g2") + b"\n"


BOMBS: dict[str, tuple[bytes, int, int, str]] = {
    "a line of 100 MB": (b"tea " * (MIB // 4), 100, 1, "longer than 32 MiB"),
    "a gigabyte of zeros": (bytes(MIB), 1024, 1, "longer than 32 MiB"),
    "a gigabyte of line feeds": (b"\n" * MIB, 1024, 1024 * MIB + 1, "blank line"),
    "line ends of two bytes": (b"\r\n" * (MIB // 2), 64, 32 * MIB + 1, "blank line"),
    "short lines": (b"a\nb\n" * (MIB // 8), 1, MIB // 4 + 1, "not JSON: Expecting value"),
    "short objects": (b"{\n" * (MIB // 2), 1, MIB // 2 + 1, "not JSON: Expecting property name enclosed in double quotes"),
    "nesting without an end": (b'{"a":' * (MIB // 5), 30, 1, "not JSON: maximum recursion depth exceeded"),
    "long records": (b"\n" + line("g1", body="tea " * (5 * MIB // 4)), 200, 201, "blank line"),  # and 200 times the id before
}


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "zst") for name in BOMBS), ("a gigabyte of zeros", "gz"), ("a gigabyte of line feeds", "gz")]
)
def test_a_bomb_takes_seconds_and_little_memory_and_has_a_reason(tmp_path: Path, name: str, kind: str) -> None:
    inside, times, rejects, reason = BOMBS[name]
    path = tmp_path / f"RC_2023-01.{kind}"
    with path.open("wb") as file:
        packed: Any = (
            zstandard.ZstdCompressor(level=1).stream_writer(file)
            if kind == "zst"
            else gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1)
        )
        with packed:
            for block in bomb(inside, times):
                packed.write(block)
    # Behind a shell: the peak of a process counts from the memory of the one that started it, and these tests have much.
    command = ["/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", MEASURED, str(path), str(tmp_path / "posts")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True, timeout=60)
    lines, posts, counted, peak_mib = map(int, done.stdout.split())
    assert (lines, posts, counted) == (rejects + 2, 2, rejects)
    with (tmp_path / "posts" / "rejects.jsonl").open() as told:
        first = json.loads(next(told))
    assert (first["row"], first["reason"][: len(reason)]) == (2, reason)
    assert peak_mib < 1000
