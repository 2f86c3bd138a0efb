"""Posts on disk: Parquet in buckets by thread, so that every later stage works bucket by bucket in bounded memory."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import xxhash

from curate.files import write_parquet
from curate.posts import POSTS

ROWS_PER_BUCKET = 500_000
"""Aimed at; a bucket holds at most about a million rows."""

SLACK = 2
"""How many times fuller than aimed at a bucket may be before its store is spread over more."""

BYTES_PER_PART = 96 << 20
"""Of memory, from which on a part is written however few its rows are. Posts of usual length take about a kilobyte each; of a part that is
written while another grows, some four times as much is in memory."""

BYTES_PER_ROW = 1_300
"""Of JSON: the mean of comments and submissions in Reddit's archives lies between 1,200 and 1,900."""


def buckets_for(json_bytes: int) -> int:
    """How many buckets hold records of that size: a power of two, so that twice the data is twice the buckets."""
    rows = json_bytes / BYTES_PER_ROW
    return 1 << max(0, math.ceil(math.log2(max(1.0, rows / ROWS_PER_BUCKET))))


def bucket_of(threads: pl.Series, buckets: int) -> pl.Series:
    """The bucket of each thread id: a hash that is the same on every machine and in every version."""
    if buckets == 1:
        return pl.zeros(len(threads), pl.Int64, eager=True).alias("bucket")
    distinct = threads.unique()
    numbers = pl.Series([xxhash.xxh32_intdigest(thread.encode()) % buckets for thread in distinct], dtype=pl.Int64)
    return threads.replace_strict(distinct, numbers, return_dtype=pl.Int64).alias("bucket")


class PostWriter:
    """Writes posts of one input file into buckets as they come; parts are named by the file's number, so that a rewrite replaces.

    A context manager: on leaving it, all is written. Writing goes on in a thread of its own while the next posts are read.
    """

    def __init__(self, folder: Path, buckets: int, file_number: int) -> None:
        self._folder, self._buckets, self._file = folder, buckets, file_number
        self._rows_per_part = min(400_000, max(50_000, 5_000 * buckets))
        self._waiting: list[pl.DataFrame] = []
        self._rows = self._bytes = 0
        self._parts = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._under_way: Future[None] | None = None
        for stale in folder.glob(f"bucket=*/part-{file_number:04d}-*.parquet"):
            stale.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._flush()
        try:
            self._wait()
        finally:
            self._pool.shutdown()

    def add(self, posts: pl.DataFrame) -> None:
        """Takes posts in the posts schema."""
        self._waiting.append(posts)
        self._rows += posts.height
        self._bytes += int(posts.estimated_size())
        if self._rows >= self._rows_per_part or self._bytes >= BYTES_PER_PART:
            self._flush()

    def _flush(self) -> None:
        self._wait()
        if self._rows:
            self._under_way = self._pool.submit(self._write, self._waiting, self._parts)
            self._waiting, self._rows, self._bytes, self._parts = [], 0, 0, self._parts + 1

    def _wait(self) -> None:
        """Waits for the part before: there is room for one that is written and one that grows."""
        if self._under_way:
            under_way, self._under_way = self._under_way, None
            under_way.result()

    def _write(self, waiting: list[pl.DataFrame], part: int) -> None:
        posts = pl.concat(waiting)
        numbers = bucket_of(posts["thread_id"], self._buckets)
        for bucket in numbers.unique().sort():
            chosen = posts.filter(numbers == bucket) if self._buckets > 1 else posts
            write_parquet(chosen, bucket_folder(self._folder, bucket) / f"part-{self._file:04d}-{part:05d}.parquet")


def bucket_folder(folder: Path, bucket: int) -> Path:
    """Where the parts of a bucket lie."""
    return folder / f"bucket={bucket:04d}"


def bucket_numbers(folder: Path) -> list[int]:
    """The buckets that hold posts, in order."""
    return sorted(int(entry.name.removeprefix("bucket=")) for entry in folder.glob("bucket=*") if any(entry.glob("*.parquet")))


def columns(folder: Path, bucket: int) -> list[str]:
    """The columns of a bucket's first part."""
    return list(pl.read_parquet_schema(_parts(folder, bucket)[0]))


def read_bucket(folder: Path, bucket: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The posts of a bucket, or these columns of them, in the order in which they were read.

    A column of a post that was not known yet when a part was written is null there.
    """
    parts = [pl.scan_parquet(part, hive_partitioning=False, glob=False) for part in _parts(folder, bucket)]
    table = pl.concat(parts, how="diagonal")
    held = table.collect_schema().names()
    unknown = [pl.lit(None, POSTS[name]).alias(name) for name in columns or POSTS if name in POSTS and name not in held]
    wanted = list(columns) if columns else [*POSTS, *(name for name in held if name not in POSTS)]
    return table.with_columns(unknown).select(wanted).collect()


def rows_in(folder: Path, bucket: int) -> int:
    """How many posts a bucket holds."""
    return int(pl.scan_parquet(_parts(folder, bucket), hive_partitioning=False, glob=False).select(pl.len()).collect().item())


def drop(folder: Path, bucket: int, rows: pl.Series) -> None:
    """Rewrites the parts of a bucket that hold these rows (counted from the bucket's first) without them."""
    first = 0
    for part in _parts(folder, bucket):
        posts = pl.read_parquet(part, hive_partitioning=False, glob=False)
        row = pl.int_range(first, first + posts.height, eager=True)
        first += posts.height
        left = posts.filter(~row.is_in(rows.implode()))
        if left.height < posts.height:
            write_parquet(left, part)


def rewrite(folder: Path, bucket: int, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Rewrites the parts of a bucket that a change does not give back as they are: the same object."""
    for part in _parts(folder, bucket):
        posts = pl.read_parquet(part, hive_partitioning=False, glob=False)
        changed = change(posts)
        if changed is not posts:
            write_parquet(changed, part)


def _parts(folder: Path, bucket: int) -> list[Path]:
    return sorted(bucket_folder(folder, bucket).glob("*.parquet"))
