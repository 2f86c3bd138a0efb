"""Drops posts that came more than once, and posts that are to be forgotten, from a store that is being made."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from curate import store
from curate.files import read_json, write_json
from curate.forgetting.forgotten import Forgotten

REPEATED = ".repeated.jsonl"
"""The reject lines of repeated posts."""

_LEDGER = ".dropped.json"
_NEVER = -(2**63)
"""For the time of a record that does not tell when it was retrieved: it is older than all that do."""

_KEYS = ["id", "kind", "author", "retrieved_at", "source_file", "source_row"]


@dataclass(frozen=True)
class Dropped:
    """How many posts were dropped: the same record again, an older record than another, forgotten; and how many were comments."""

    repeated: int
    replaced: int
    forgotten: int
    comments: int


def drop_superfluous(folder: Path, forgotten: Forgotten) -> Dropped:
    """Leaves one record of every post in a store, the one retrieved last (the first of equal ones), and none that is forgotten.

    A record is a repeat if it is of the same time as the newest that came before it, so that the counts are the same whether files are
    imported at once or one after the other.

    Counts first, and writes the counts down; a killed call that is made again drops what is left and gives the same counts.
    """
    ledger = read_json(folder / _LEDGER)
    if not ledger:
        why: Counter[str] = Counter()
        touched, comments = [], 0
        unfinished = folder / f"{REPEATED}.tmp"
        with unfinished.open("w", encoding="utf-8") as told:
            for bucket in store.bucket_numbers(folder):
                rows = _superfluous(folder, bucket, forgotten)
                if not rows.height:
                    continue
                touched.append(bucket)
                why.update(rows["why"].to_list())
                comments += int((rows["kind"] == "comment").sum())
                for file, row, post in rows.filter(why="repeated").select("source_file", "source_row", "id").iter_rows():
                    entry = {"file": file, "row": row, "reason": f"the id {post} came before", "line": ""}
                    told.write(json.dumps(entry, ensure_ascii=False) + "\n")
        unfinished.replace(folder / REPEATED)
        dropped = Dropped(why["repeated"], why["replaced"], why["forgotten"], comments)
        ledger = {"dropped": asdict(dropped), "buckets": touched}
        write_json(ledger, folder / _LEDGER)
    there = set(store.bucket_numbers(folder))  # others, where a killed call came as far as spreading them
    for bucket in there.intersection(ledger["buckets"]):
        store.drop(folder, bucket, _superfluous(folder, bucket, forgotten)["at"])
    return Dropped(**ledger["dropped"])


def _superfluous(folder: Path, bucket: int, forgotten: Forgotten) -> pl.DataFrame:
    """The rows of a bucket to drop, with `at` (the row in the bucket), the keys, and `why`."""
    ids = store.read_bucket(folder, bucket, ["id"])["id"]
    if forgotten.is_empty() and ids.n_unique() == len(ids):
        return pl.DataFrame(schema={"at": pl.Int64, "why": pl.String})
    keys = store.read_bucket(folder, bucket, _KEYS).with_columns(pl.int_range(pl.len()).alias("at"))
    gone = forgotten.holds(keys)
    time = pl.col("retrieved_at").to_physical().fill_null(_NEVER)
    latest_before = time.cum_max().shift(1).over("id")
    stays = (time == time.max().over("id")) & (latest_before.is_null() | (latest_before < time))
    left = keys.filter(~gone).with_columns(
        why=pl.when(stays).then(None).when(time == latest_before).then(pl.lit("repeated")).otherwise(pl.lit("replaced"))
    )
    forgot = keys.filter(gone).with_columns(why=pl.lit("forgotten"))
    return pl.concat([forgot, left.drop_nulls("why")]).sort("at")
