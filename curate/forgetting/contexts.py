"""Which samples hold a post: as their reply, as one of the turns before it, or by its title."""

from pathlib import Path

import polars as pl

from curate.forgetting.forgotten import Forgotten
from curate.splits import SPLITS
from formats.samples import folder_template, read_split


def samples_of(samples: Path, gone: Forgotten) -> pl.DataFrame:
    """The samples of a folder that hold one of these posts: `id`, `split`, `prompt`, `completion`.

    Raises:
        UserError: the samples do not tell which posts their turns are.
    """
    # A system text may tell the title of the thread, whether or not its first post is one of the turns.
    tells_title = "{title}" in folder_template(samples).system_text
    found = []
    for split in SPLITS:
        turns = read_split(samples, split, ["id", "thread_id", "turn_ids"])
        held = turns.select("id", pl.col("turn_ids").alias("post")).explode("post")
        if tells_title:
            held = pl.concat([held, turns.select("id", pl.col("thread_id").alias("post"))])
        chosen = held.filter(gone.lists(held["post"])).select("id").unique()
        rows = pl.scan_parquet(samples / f"{split}.parquet", glob=False).select("id", "prompt", "completion")
        kept = rows.join(chosen.lazy(), on="id", how="semi", maintain_order="left").collect()
        found.append(kept.select("id", pl.lit(split).alias("split"), "prompt", "completion"))
    return pl.concat(found)
