"""Which samples hold a post: as their reply, or as one of the turns before it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from curate import store, threads
from curate.forgetting.forgotten import Forgotten
from curate.splits import SPLITS
from formats.render import NOBODY, Rows, parse
from formats.samples import folder_template

_SCHEMA = {"id": pl.String, "distance": pl.Int64}
_FAR = np.iinfo(np.int64).max // 2
"""The distance of a post that answers none of the posts, however far above."""


def samples_of(samples: Path, below: pl.DataFrame) -> pl.DataFrame:
    """The samples of a folder whose reply or context is among some posts: `id`, `split`, `distance`, `prompt`, `completion`.

    A sample does not tell the ids of its turns, but how many there are: as many posts stand above its reply, without a gap.

    Args:
        below: what `posts_below` found for these posts.
    """
    template = folder_template(samples)
    found = []
    for split in SPLITS:
        rows = pl.scan_parquet(samples / f"{split}.parquet", glob=False).select("id", "prompt", "completion")
        candidates = rows.join(below.lazy(), on="id", how="inner", maintain_order="left").collect()
        turns = [1 if distance <= 1 else len(parse(prompt, template)) for prompt, distance in candidates["prompt", "distance"].iter_rows()]
        within = candidates.filter(candidates["distance"] <= pl.Series(turns, dtype=pl.Int64))
        found.append(within.select("id", pl.lit(split).alias("split"), "distance", "prompt", "completion"))
    return pl.concat(found)


def posts_below(folders: Sequence[Path], gone: Forgotten) -> pl.DataFrame:
    """The posts of several stores (of posts, or judged) that are forgotten or answer such a post: `id`, and by how many steps up."""
    found = [pl.DataFrame({"id": list(gone.ids), "distance": [0] * len(gone.ids)}, schema=_SCHEMA)]
    for folder in folders:
        for bucket in store.bucket_numbers(folder):
            posts = store.read_bucket(folder, bucket, ["id", "thread_id", "parent_id", "author"])
            rows = posts.select("id", pl.Series("distance", _distances(posts, gone)))
            found.append(rows.filter(pl.col("distance") < _FAR))
    return pl.concat(found).group_by("id").agg(pl.col("distance").min())


def _distances(posts: pl.DataFrame, gone: Forgotten) -> Rows:
    held = gone.holds(posts).to_numpy()
    answers = gone.holds(posts.select(pl.col("parent_id").alias("id"), pl.lit(None, pl.String).alias("author"))).to_numpy()
    # What a post answers may have been removed from the table before, and then only the answer tells of it.
    start = np.where(held, 0, np.where(answers, 1, _FAR))
    distance = start.copy()
    if (start == _FAR).all():
        return distance
    parent = threads.parents(posts)
    rows = np.flatnonzero(parent != NOBODY)
    above, steps = parent[rows], 1
    while len(rows):
        distance[rows] = np.minimum(distance[rows], start[above] + steps)
        above = parent[above]
        rows, above, steps = rows[above != NOBODY], above[above != NOBODY], steps + 1
    return distance
