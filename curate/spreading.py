"""Spreads a store over more buckets, where it came to hold more than was guessed before it was read."""

import math
import shutil
from pathlib import Path

import polars as pl

from curate import store
from curate.files import link_tree, read_json, write_json, write_parquet

_SPREAD = ".spread"
_COUNT = "buckets.json"


def spread(folder: Path, buckets: int) -> int:
    """Moves the posts of a store into so many buckets that each holds about as many as is aimed at; their number.

    A store whose buckets hold at most twice as many stays as it is. A killed call is ended by `end_spread`.
    """
    rows = {bucket: store.rows_in(folder, bucket) for bucket in store.bucket_numbers(folder)}
    fullest = max(rows, key=lambda bucket: rows[bucket], default=0)
    most = rows.get(fullest, 0)
    if most <= store.SLACK * store.ROWS_PER_BUCKET or store.read_bucket(folder, fullest, ["thread_id"])["thread_id"].n_unique() == 1:
        return buckets
    wider = buckets << math.ceil(math.log2(most / store.ROWS_PER_BUCKET))
    unfinished = folder / f"{_SPREAD}.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    for bucket in store.bucket_numbers(folder):
        for part in sorted(store.bucket_folder(folder, bucket).glob("*.parquet")):
            posts = pl.read_parquet(part, hive_partitioning=False, glob=False)
            numbers = store.bucket_of(posts["thread_id"], wider)
            for number in numbers.unique().sort():
                write_parquet(posts.filter(numbers == number), store.bucket_folder(unfinished, number) / part.name)
    write_json({"buckets": wider}, unfinished / _COUNT)
    unfinished.rename(folder / _SPREAD)
    end_spread(folder)
    return wider


def end_spread(folder: Path) -> int | None:
    """Puts a spread store in the place of the narrower one; the number of its buckets, None where none was spread."""
    done = folder / _SPREAD
    if not done.exists():
        return int(read_json(folder / _COUNT)["buckets"]) if (folder / _COUNT).exists() else None
    for old in folder.glob("bucket=*"):
        shutil.rmtree(old)
    link_tree(done, folder, lambda name: name.startswith("bucket="))
    shutil.copyfile(done / _COUNT, folder / _COUNT)  # for a call that is made again after this
    shutil.rmtree(done)
    return int(read_json(folder / _COUNT)["buckets"])
