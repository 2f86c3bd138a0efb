"""Threads in the order in which they began, cut so that the newest are held out."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from curate import store
from curate.splitting.related import Related

_BEGUN = ("thread_id", "parent_id", "created_at", "target_reason")


@dataclass(frozen=True)
class Cut:
    """Where the threads of a forum are cut.

    Args:
        later: `thread_id` and the number of its `part`, 1 or 2; null for a thread that is in none, as one like it is in a part before. All
            other threads are in part 0.
        undated: threads of part 0 that are there because no post of theirs has a time.
    """

    later: pl.DataFrame
    undated: int


def read_begun(judged: Path, bucket: int) -> pl.DataFrame:
    """The threads of a bucket that have samples: `thread_id`, when it `began` (its first post, null where none has a time), and how many.

    A reply without a turn before it counts as a sample: which those are is known only when the chains are.
    """
    posts = store.read_bucket(judged, bucket, _BEGUN)
    replies = (pl.col("target_reason").is_null() & pl.col("parent_id").is_not_null()).sum().cast(pl.Int64)
    threads = posts.lazy().group_by("thread_id").agg(pl.col("created_at").min().alias("began"), replies.alias("samples"))
    return threads.filter(pl.col("samples") > 0).collect()


def cut(begun: Iterable[pl.DataFrame], related: Related, shares: tuple[float, float, float]) -> Cut:
    """Cuts threads into a part for training and two held out, each newer than the one before, with shares of the samples as asked for.

    A thread is as old as its first post, since whoever reads a reply has read that: a thread that began before another is never held out
    while that one is learned. The shares come as near as whole threads allow; threads that began in the same second are in the order of
    their ids. Of related threads on two sides of a cut only those before it stay: there, a copy would tell what is held out; and earlier
    ones cannot be moved behind the cut, nor later ones before it.

    Args:
        begun: what `read_begun` read of all buckets, in whatever order.
    """
    threads = pl.concat(list(begun)).sort("began", "thread_id", nulls_last=False)
    if threads.is_empty():
        return Cut(pl.DataFrame(schema={"thread_id": pl.String, "part": pl.Int64}), 0)
    undated = threads["began"].null_count()
    samples = np.concatenate([[0], np.cumsum(threads["samples"].to_numpy())])
    least, ends = max(1, undated), []
    for share in (shares[0], shares[0] + shares[1]):
        least = max(least, int(np.abs(samples - share * samples[-1]).argmin()))
        ends.append(least)
    part = np.searchsorted(ends, np.arange(threads.height), side="right")
    placed = threads.select("thread_id", pl.Series("part", part, pl.Int64)).with_columns(group=related.group_of(threads["thread_id"]))
    first = pl.col("part").min().over("group")
    later = placed.filter(pl.col("part") > 0).select("thread_id", "part")
    torn = placed.filter(pl.col("part") > first)["thread_id"]
    return Cut(later.with_columns(pl.when(~pl.col("thread_id").is_in(torn.implode())).then("part")), undated)
