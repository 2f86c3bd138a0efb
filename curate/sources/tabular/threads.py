"""The place of each row of a table in its thread, where the table does not say it outright: found from its keys alone, all in memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from curate.sources.reading.ndjson import ROW
from curate.sources.tabular.columns import Columns
from curate.sources.tabular.table import Table
from curate.sources.tabular.values import typed
from formats.errors import UserError

NOBODY = -1
_FULLNAME = r"^t[13]_"


@dataclass(frozen=True)
class Links:
    """What a first reading of a table found.

    Args:
        found: by `source_row`, ascending: `thread_id` where the parents say it, else `id` and `parent_id`.
        prefixed: whether the parents are Reddit's fullnames, so that the ids must be too.
        counts_from_0: whether 0 is the id of a post, not the parent of those that answer none.
    """

    found: pl.DataFrame
    prefixed: bool = False
    counts_from_0: bool = False

    def join(self, part: pl.DataFrame) -> pl.DataFrame:
        """A part of the table with what was found for its rows."""
        if not part.height:
            return part.join(self.found.clear(), on=ROW, how="left")
        rows = self.found[ROW]
        first, last = rows.search_sorted(part[ROW][0]), rows.search_sorted(part[ROW][-1], side="right")
        return part.join(self.found[first:last], on=ROW, how="left", maintain_order="left")


_NONE = Links(pl.DataFrame(schema={ROW: pl.Int64}))
"""Of a table without rows."""


def links(table: Table, columns: Columns) -> Links | None:
    """What the table's shape asks to be known before its rows can be read; None where each row says all.

    Raises:
        UserError: the table can be read once only.
    """
    if columns.shape not in ("parents", "order"):
        return None
    if table.once:
        what = "which thread a post belongs to" if columns.shape == "parents" else "which post one answers"
        missing = "thread_id" if columns.shape == "parents" else "parent_id"
        raise UserError(f"{table.name}: has no {missing}, so that it must be read twice to find {what}, but {table.once}")
    needed = ("id", "parent_id") if columns.shape == "parents" else ("thread_id", "id", "created_at", "text", "title")
    names = {ours: theirs for ours, theirs in columns.names.items() if ours in needed}
    if columns.shape == "parents":
        keys = [typed(part.frame, table.name) for part in table.parts(names)]
        return _from_parents(pl.concat(keys), columns.reddit) if keys else _NONE
    standing = list(_standing(table, names))
    return Links(_from_order(pl.concat(standing))) if standing else _NONE


def has_text(frame: pl.DataFrame) -> pl.Expr:
    """Whether there is something to read in a row."""
    return pl.any_horizontal(pl.col(name).fill_null("") != "" for name in ("text", "title") if name in frame.columns)


def made_up(rows: pl.DataFrame, key: str) -> pl.Series:
    """The ids of rows that have none: the same whenever the same table is read, and others in any other table.

    They tell the rows' texts too, as tables may begin alike and go on differently.
    """
    told = [pl.col(name) for name in ("thread_id", "prompt", "title", "text") if name in rows.columns]
    if "created_at" in rows.columns:
        told.append(pl.col("created_at").to_physical().cast(pl.String))
    values = rows.select(pl.concat_str(told, separator="\0", ignore_nulls=True)).to_series()
    ids = [f"tb_{key}_{row}_{xxhash.xxh32_hexdigest(value.encode())}" for row, value in zip(rows[ROW], values, strict=True)]
    return pl.Series("id", ids, pl.String)


def without_prefix(key: pl.Expr) -> pl.Expr:
    """The part of Reddit's ids that follows the prefix."""
    return key.str.replace(_FULLNAME, "")


def fullname(key: pl.Expr, comment: pl.Expr) -> pl.Expr:
    """An id of Reddit's with the prefix of its kind, if it has none."""
    bare = pl.when(comment).then("t1_" + key).otherwise("t3_" + key)
    return pl.when(key.str.contains(_FULLNAME)).then(key).otherwise(bare)


def answered(counts_from_0: bool) -> pl.Expr:
    """The parent of a row, null where it is the row itself or the 0 of tables that count from 1."""
    parent = pl.col("parent_id")
    return pl.when((parent != pl.col("id")) & ((parent != "0") | counts_from_0)).then(parent)


def _standing(table: Table, names: dict[str, str]) -> Iterator[pl.DataFrame]:
    for part in table.parts(names):
        frame = typed(part.frame, table.name)
        frame = frame.filter(has_text(frame) & pl.col("thread_id").is_not_null())
        if "id" not in frame.columns:
            frame = frame.with_columns(made_up(frame, table.key))
        yield frame.drop("text", "title", strict=False)


def _from_parents(keys: pl.DataFrame, reddit: bool) -> Links:
    """Each row's thread: the post that its parents lead to, or the id of the one among them that the table lacks."""
    keys = keys.filter(pl.col("id").is_not_null())
    prefixed = reddit and bool(keys["parent_id"].str.contains(_FULLNAME).any())
    if prefixed:
        keys = keys.with_columns(fullname(pl.col("id"), pl.col("parent_id").is_not_null()))
    counts_from_0 = bool(keys["id"].is_in(["0"]).any())
    keys = keys.with_columns(answered(counts_from_0).alias("parent_id")).with_row_index("at")
    first = keys.select(pl.col("id").alias("parent_id"), pl.col("at").cast(pl.Int64).alias("parent")).unique("parent_id", keep="first")
    parent = keys.join(first, on="parent_id", how="left", maintain_order="left")["parent"].fill_null(NOBODY).to_numpy()
    top = _tops(parent)
    in_circle = pl.Series(parent[top] != NOBODY)
    thread = keys[top].select(pl.when(in_circle).then("id").otherwise(pl.coalesce("parent_id", "id")).alias("thread_id"))
    return Links(keys.select(ROW).hstack(thread), prefixed, counts_from_0)


def _tops(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last row that each row's parents lead to; of rows that are their own ancestors, the first of the circle."""
    here = np.arange(len(parent))
    ancestor = np.where(parent == NOBODY, here, parent)
    smallest = np.minimum(here, ancestor)
    for _ in range(len(parent).bit_length()):
        smallest = np.minimum(smallest, smallest[ancestor])
        ancestor = ancestor[ancestor]
    return np.where(parent[ancestor] == NOBODY, ancestor, smallest[ancestor])


def _from_order(posts: pl.DataFrame) -> pl.DataFrame:
    """Each row's id and the one before it in its thread, by time and, where that is the same or unknown, by row."""
    order = [name for name in ("created_at", ROW) if name in posts.columns]
    return (
        posts.filter(pl.col("id").is_not_null())
        .sort("thread_id", *order, nulls_last=True)
        .select(ROW, "id", pl.col("id").shift(1).over("thread_id").alias("parent_id"))
        .sort(ROW)
    )
