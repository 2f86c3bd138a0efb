"""How fast dumps become posts and samples, against decompressing and parsing alone and against what people use today, in the same run.

    python benchmarks/gather.py NAME_comments.zst NAME_submissions.zst [--runs 3] [--scale] [--only PART]

Each measurement is a process of its own; seconds are of the whole process, with its start and imports. Prints the median, processor seconds
by wall seconds (how many cores worked), peak memory and the ratio to what it is compared with.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import zstandard

WINDOW = 1 << 31

DECOMPRESS = """
import sys, zstandard
buffer = bytearray(1 << 22)
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file, read_across_frames=True)
        while reader.readinto(buffer):
            pass
"""

LIMIT = """
import queue, sys, threading
import polars as pl, zstandard
from curate.sources.reddit_dump import FIELDS
schema = dict.fromkeys(FIELDS, pl.String)
for path in sys.argv[2:]:
    chunks = queue.Queue(2)
    def decompress():
        with open(path, "rb") as file:
            reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file, read_across_frames=True)
            rest = b""
            while block := reader.read(16 << 20):
                end = block.rfind(b"\\n") + 1
                chunks.put(rest + block[:end])
                rest = block[end:]
            chunks.put(rest)
            chunks.put(None)
    threading.Thread(target=decompress).start()
    while (chunk := chunks.get()) is not None:
        if chunk:
            pl.read_ndjson(chunk, schema=schema)
"""

IMPORT = """
import sys
from pathlib import Path
from curate.gather import import_files
from curate.sources.source import Wanted
import_files(sys.argv[2:], Path(sys.argv[1]) / "posts", Wanted(WANTED))
"""

SAMPLES = """
import sys
from pathlib import Path
from curate.console import Reporter
from curate.pipeline import run
from curate.recipe import Recipe
settings = {"name": "benchmark", "gather": {"files": sys.argv[2:]}, "filter": FILTER}
with Reporter(quiet=True) as narrator:
    run(Recipe.build(settings, Path()), Path(sys.argv[1]) / "run", narrator, "format")
"""

LINE_BY_LINE = """
import io, json, sys, zstandard
from pathlib import Path
with open(Path(sys.argv[1]) / "out.ndjson", "w") as out:
    for path in sys.argv[2:]:
        with open(path, "rb") as file:
            reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file, read_across_frames=True)
            for line in io.TextIOWrapper(reader, encoding="utf-8", newline="\\n"):
                record = json.loads(line)
                text = record.get("body") or record.get("selftext") or ""
                if text in ("", "[removed]", "[deleted]") or (record.get("score") or 0) < 3:
                    continue
                wanted = ("id", "link_id", "parent_id", "author", "score", "created_utc", "subreddit", "title")
                out.write(json.dumps({"text": text, **{name: record.get(name) for name in wanted}}) + "\\n")
"""

PANDAS_CHAINS = """
import io, itertools, json, sys
import pandas as pd, zstandard
records = []
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file, read_across_frames=True)
        for line in io.TextIOWrapper(reader, encoding="utf-8", newline="\\n"):
            record = json.loads(line)
            if "body" in record:
                records.append({name: record.get(name) for name in ("id", "parent_id", "body", "score")})
comments = pd.DataFrame(records)
for _, reply in comments.head(SAMPLE).iterrows():
    chain = [reply.body]
    parent = reply.parent_id
    while isinstance(parent, str) and parent.startswith("t1_") and len(chain) < 4:
        found = comments[comments["id"] == parent[3:]]
        if found.empty:
            break
        chain.append(found.iloc[0].body)
        parent = found.iloc[0].parent_id
"""
COPIES = 10
"""Of the dump that one community is sought in: the start of a process is to be a small part of it."""

SAMPLE = 300
"""Replies for the chains in pandas, each of which searches the whole table."""


@dataclass(frozen=True)
class Measured:
    """The medians of some runs of a process: wall and processor seconds, and peak MiB."""

    seconds: float
    busy: float
    mib: float


def measure(code: str, files: Sequence[Path], runs: int) -> Measured:
    """Runs the code on the files in processes of its own."""
    found = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            started = time.monotonic()
            process = subprocess.Popen([sys.executable, "-c", code, folder, *map(str, files)])
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - started
        if status:
            raise SystemExit(f"a measured process ended with status {status}")
        found.append((seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
    return Measured(*(statistics.median(column) for column in zip(*found, strict=True)))


def lines_of(path: Path) -> Iterator[bytes]:
    """A dump's lines, whole, some at once."""
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=WINDOW).stream_reader(file, read_across_frames=True)
        rest = b""
        while block := reader.read(1 << 20):  # little, as a process that is started counts its parent's memory as its own
            end = block.rfind(b"\n") + 1
            yield rest + block[:end]
            rest = block[end:]
        if rest:
            yield rest


def rewritten(path: Path, target: Path, change: Callable[[bytes, int], bytes], copies: int = 1, level: int = 3) -> Path:
    """The dump again, `copies` times, each chunk changed, as one `.zst`."""
    parameters = zstandard.ZstdCompressionParameters.from_level(level, window_log=27, enable_ldm=level > 3, threads=-1)
    with target.open("wb") as file, zstandard.ZstdCompressor(compression_params=parameters).stream_writer(file) as writer:
        for copy in range(copies):
            for chunk in lines_of(path):
                writer.write(change(chunk, copy))
    return target


def made(path: Path, target: Path, change: Callable[[bytes, int], bytes], copies: int, level: int = 3) -> Path:
    """`rewritten`, in a process of its own: the peak of a process that is measured counts from the memory of this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(rewritten, path, target, change, copies, level).result()


def rows_of(path: Path) -> int:
    """The lines of a dump."""
    return sum(chunk.count(b"\n") for chunk in lines_of(path))


def renamed(chunk: bytes, copy: int) -> bytes:
    """Other ids throughout, so that a copy is another set of threads of the same shape."""
    mark = b"z%02d" % copy
    for key in (b'"id":"', b'"link_id":"t3_', b'"parent_id":"t1_', b'"parent_id":"t3_'):
        chunk = chunk.replace(key, key + mark)
    return chunk


def elsewhere(chunk: bytes, copy: int) -> bytes:
    """Other ids, and all but each hundredth line in other communities."""
    lines = renamed(chunk, copy).split(b"\n")
    return b"\n".join(
        line if number % 100 == 0 else re.sub(rb'"subreddit":"[^"]*"', b'"subreddit":"Elsewhere%d"' % ((number + copy) % 7), line)
        for number, line in enumerate(lines)
    )


def show(name: str, measured: Measured, rows: int, against: Measured | None = None, goal: str = "") -> None:
    """One line of the table."""
    ratio = f"{against.seconds / measured.seconds:>8.2f}" if against else f"{'':>8}"
    speed, cores = rows / measured.seconds / 1000, measured.busy / measured.seconds
    print(f"{name:<44}{measured.seconds:>8.2f}{speed:>9.0f}{cores:>7.2f}{measured.mib:>8.0f}{ratio}  {goal}", flush=True)


def heading(name: str) -> None:
    print(f"\n{name:<44}{'seconds':>8}{'krows/s':>9}{'cores':>7}{'MiB':>8}{'ratio':>8}  goal")


def importing(names: str = "()") -> str:
    return IMPORT.replace("WANTED", names)


CHEAP = {"toxicity": False, "near_duplicates": False}
"""Leaves the rules out that compare texts with all others or ask a model."""


def sampling(filters: dict[str, bool]) -> str:
    return SAMPLES.replace("FILTER", repr(filters))


def against_the_limit(files: Sequence[Path], rows: int, runs: int) -> None:
    heading("against decompressing and parsing alone")
    limit = measure(LIMIT, files, runs)
    show("limit", limit, rows)
    show("dump to posts", measure(importing(), files, runs), rows, limit, "0.7")
    show("dump to samples, all cheap rules", measure(sampling(CHEAP), files, runs), rows, limit, "0.5")
    show("dump to samples, all rules (toxicity: lite)", measure(sampling({}), files, runs), rows, limit)


def wanted_community(files: Sequence[Path], runs: int, folder: Path) -> None:
    comments = max(files, key=lambda path: path.stat().st_size)
    # The archives are compressed as hard as can be; at this level they are decompressed nearly as slowly.
    mixed, rows = made(comments, folder / "mixed.zst", elsewhere, COPIES, level=12), COPIES * rows_of(comments)
    name = re.search(rb'"subreddit":"([^"]*)"', next(lines_of(comments)))
    assert name
    heading("one community of 1 % of the lines")
    decompressor = measure(DECOMPRESS, [mixed], runs)
    show("decompressor", decompressor, rows)
    show("its posts", measure(importing(f"({name[1].decode()!r},)"), [mixed], runs), rows, decompressor, "0.85")
    show("all posts", measure(importing(), [mixed], runs), rows, decompressor)


def peers(files: Sequence[Path], rows: int, runs: int) -> None:
    heading("what people use today (ratio: our posts' time to theirs)")
    posts, samples = measure(importing(), files, runs), measure(sampling(CHEAP), files, runs)
    show("dump to posts", posts, rows)
    show("dump to samples, all cheap rules", samples, rows)
    show("json.loads line by line, two filters, written", measure(LINE_BY_LINE, files, runs), rows, posts, "0.25")
    reading, both = (measure(PANDAS_CHAINS.replace("SAMPLE", str(count)), files, 1) for count in (0, SAMPLE))
    chains = SAMPLE / (both.seconds - reading.seconds)
    print(f"chains with pandas lookups: {chains:,.0f} replies/s; ours, with all else: {rows / samples.seconds:,.0f} rows/s "
          f"= {rows / samples.seconds / chains:,.0f} times as many")  # fmt: skip


def scale(files: Sequence[Path], rows: int, runs: int, folder: Path) -> None:
    heading("1x, 4x, 16x the input (ratio: time by input, to 1x)")
    for name, code in (("dump to posts", importing()), ("dump to samples, all cheap rules", sampling(CHEAP))):
        first: Measured | None = None
        for copies in (1, 4, 16):
            grown = [folder / f"{copies}-{path.name}" for path in files]
            for path, target in zip(files, grown, strict=True):
                if not target.exists():
                    made(path, target, renamed, copies)
            found = measure(code, grown, runs)
            linear = Measured(first.seconds * copies, 0, 0) if first else None
            show(f"{name}, {copies}x", found, rows * copies, linear, "0.9 to 1.1, memory within 20 %, < 1,200 MiB" if first else "")
            first = first or found


PARTS = ("limit", "wanted", "peers", "scale")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=sorted(Path("sample_data").glob("*.zst")))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, action="append")
    arguments = parser.parse_args()
    files = [path.resolve() for path in arguments.files]
    rows = sum(map(rows_of, files))
    print(f"{', '.join(path.name for path in files)}: {rows:,} lines; median of {arguments.runs}, {os.cpu_count()} cores")
    chosen = arguments.only or PARTS
    with tempfile.TemporaryDirectory() as folder:
        if "limit" in chosen:
            against_the_limit(files, rows, arguments.runs)
        if "wanted" in chosen:
            wanted_community(files, arguments.runs, Path(folder))
        if "peers" in chosen:
            peers(files, rows, arguments.runs)
        if "scale" in chosen:
            scale(files, rows, 1, Path(folder))


if __name__ == "__main__":
    main()
