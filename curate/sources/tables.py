"""Tables of any forum: each row a post (or a question and its answer), whatever its columns are called. `source` of these is `table`.

Ids are taken as they are given, as text, so that parts of one table in several files find each other. Reddit's get the prefix of their
kind where it is missing, as comments and submissions share their numbers. The text is taken as it is: a table does not say whether it is
escaped.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from curate.ahead import in_order
from curate.posts import POSTS
from curate.sources.reading.ndjson import ROW
from curate.sources.reading.place import BEGINNING, Head, Place
from curate.sources.source import Batch, Reject, Wanted
from curate.sources.tabular.columns import Columns, match
from curate.sources.tabular.dialect import sniff
from curate.sources.tabular.files import ARROW_FILE, ARROW_STREAM, FEATHER_1, HUB, PARQUET, SAVED, begins_with, objects, open_table
from curate.sources.tabular.table import Part, Table
from curate.sources.tabular.threads import Links, answered, fullname, has_text, links, made_up, without_prefix
from curate.sources.tabular.values import KEYS, removed_by, told_distinguished, told_removal, typed, written_by

SOURCE = "table"

_FRACTION = r"^\d+\.\d+$"
"""What becomes of a whole number where a table was once read as numbers with gaps in them."""

_MADE_OF_OBJECTS = re.compile(rb'\s*\[?\s*\{\s*(?:"|\}|\Z)')


def recognises(head: Head) -> bool:
    """Whether it is a dataset, a file in columns, or text in which rows can be told: a header, or objects of JSON that are no dump's."""
    if head.name.startswith(HUB):
        return True
    if head.entries is not None:
        return any(files <= head.entries for files in SAVED)
    if head.raw.startswith((PARQUET, ARROW_FILE, ARROW_STREAM, FEATHER_1)):
        return True
    if begins_with(head, b"{"):
        return any("lorum" not in record for record in objects(head.text)) or (len(head.text) >= BEGINNING and b"\n" not in head.text)
    if begins_with(head, b"["):
        return _MADE_OF_OBJECTS.match(head.text.removeprefix(b"\xef\xbb\xbf")) is not None
    return not begins_with(head, b"<") and sniff(head.text) is not None


def read(place: Place, wanted: Wanted, columns: Mapping[str, str]) -> Iterator[Batch]:
    """The posts of a table, in bounded memory but for its keys, where those alone say how its posts hang together.

    Raises:
        UserError: it stays open which column is what, a key's column holds no keys, or the file is damaged.
    """
    return _batches(open_table(place), columns)


def batches(frame: Any, columns: Mapping[str, str], name: str = "table") -> Iterator[Batch]:
    """The posts of a table in memory: of Polars, pandas, Arrow or `datasets`.

    Args:
        columns: by our column's name the table's.
        name: for errors, and as `source_file`.

    Raises:
        UserError: as `read` does.
    """
    from curate.sources.tabular.frames import in_memory

    return _batches(in_memory(frame, name), columns)


def _batches(table: Table, asked: Mapping[str, str]) -> Iterator[Batch]:
    columns = match(table.name, table.columns, asked)
    found = links(table, columns)
    return in_order(lambda part: _batch(part, table, columns, found), table.parts(columns.names))


def _batch(part: Part, table: Table, columns: Columns, found: Links | None) -> Batch:
    """A part's posts. Of a table of pairs each row is two records."""
    records = 2 if columns.shape == "pairs" else 1
    frame = typed(part.frame, table.name)
    if found is not None and columns.shape == "order":
        frame = found.join(frame.drop("id", strict=False))
    faults = frame.select(_fault(frame, columns)).to_series()
    good = _placed(frame.filter(faults.is_null()), columns, found)
    broken = part.frame.filter(faults.is_not_null())
    rejects = [Reject(reject.row, reject.reason, reject.line, reject.rows * records) for reject in part.rejects]
    for row, reason, record in zip(broken[ROW], faults.drop_nulls(), broken.drop(ROW).iter_rows(named=True), strict=True):
        line = json.dumps({name: value for name, value in record.items() if value is not None}, ensure_ascii=False, default=str)
        rejects.append(Reject(row, reason, line, records))
    posts = _pairs(good, table.key) if columns.shape == "pairs" else good
    return Batch(part.rows * records, _to_posts(posts, table.name), sorted(rejects, key=lambda reject: reject.row))


def _fault(frame: pl.DataFrame, columns: Columns) -> pl.Expr:
    """Why a row cannot become a post; null where it can."""
    keys = [name for name in KEYS if name in frame.columns]
    reasons = [
        pl.when(pl.col(name).str.contains(_FRACTION)).then(
            pl.format(f"{name} is {{}}: a number with a fraction; write ids as text or whole numbers", name)
        )
        for name in keys
    ]
    missing = {"threads": ("id",), "parents": ("id",), "roots": ("id",), "order": ("thread_id",), "pairs": ()}[columns.shape]
    reasons += [pl.when(pl.col(name).is_null()).then(pl.lit(f"no {name} ({columns.names[name]})")) for name in missing]
    if columns.shape == "threads":
        reasons.append(
            pl.when(pl.col("thread_id").is_null() & answered(False).is_not_null()).then(
                pl.lit(f"answers a post, but is of no thread ({columns.names['thread_id']})")
            )
        )
    needed = ["text", "prompt"] if columns.shape == "pairs" else []
    reasons += [pl.when(pl.col(name).fill_null("") == "").then(pl.lit(f"no {name} ({columns.names[name]})")) for name in needed]
    if not needed:
        reasons.append(pl.when(~has_text(frame)).then(pl.lit(f"no text ({columns.names.get('text') or columns.names['title']})")))
    if columns.shape == "order":
        reasons.append(pl.when(pl.col("id").is_null()).then(pl.lit("no id")))
    return pl.coalesce(*reasons, pl.lit(None, pl.String)).alias("reason")


def _placed(frame: pl.DataFrame, columns: Columns, found: Links | None) -> pl.DataFrame:
    """Rows without fault with their final `id`, `thread_id` and `parent_id`."""
    own, thread, parent = pl.col("id"), pl.col("thread_id"), pl.col("parent_id")
    match columns.shape:
        case "pairs":
            return frame
        case "roots":
            own = fullname(own, pl.lit(False)) if columns.reddit else own
            return frame.with_columns(own, own.alias("thread_id"), pl.lit(None, pl.String).alias("parent_id"))
        case "parents":
            assert found is not None
            own = fullname(own, parent.is_not_null()) if found.prefixed else own
            frame = frame.with_columns(own, answered(found.counts_from_0).alias("parent_id"))
            return found.join(frame.drop("thread_id", strict=False))
        case "threads" | "order" if columns.reddit:
            return _of_reddit(frame)
        case "threads":
            parent = pl.when(thread == "0").then(parent).otherwise(answered(False))
            return frame.with_columns(pl.coalesce(thread, own).alias("thread_id"), pl.when(parent != own).then(parent).alias("parent_id"))
        case _:
            return frame


def _of_reddit(frame: pl.DataFrame) -> pl.DataFrame:
    """With the prefixes that Reddit's ids have; a comment without a parent answers its submission."""
    own, thread, parent = (without_prefix(pl.col(name)) for name in KEYS)
    thread = "t3_" + pl.coalesce(thread, own)
    comment = ~pl.col("id").str.starts_with("t3_") & (pl.col("id").str.starts_with("t1_") | ("t3_" + own != thread))
    answered = pl.when(pl.col("parent_id").is_null()).then(thread).otherwise(fullname(pl.col("parent_id"), "t3_" + parent != thread))
    return frame.with_columns(
        fullname(pl.col("id"), comment).alias("id"), thread.alias("thread_id"), pl.when(comment).then(answered).alias("parent_id")
    )


def _pairs(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Two posts for each row: the prompt, and the text that answers it. What else a row says is said of the answer."""
    rows = rows.with_columns((rows["id"] if "id" in rows.columns else made_up(rows, key)).alias("pair"))
    common = [name for name in ("community", "created_at", "retrieved_at", "nsfw", "quarantined") if name in rows.columns]
    root = pl.col("pair") + "_1"
    prompts = rows.select(
        root.alias("id"), root.alias("thread_id"), pl.lit(None, pl.String).alias("parent_id"), pl.col("prompt").alias("text"), *common, ROW
    )
    answers = rows.drop("prompt", "title", strict=False).with_columns(
        (pl.col("pair") + "_2").alias("id"), root.alias("thread_id"), root.alias("parent_id")
    )
    return pl.concat([prompts, answers.drop("pair")], how="diagonal").sort(ROW, "id")


def _to_posts(rows: pl.DataFrame, file: str) -> pl.DataFrame:
    """Rows with their final keys in the schema of posts."""
    columns = {
        "kind": pl.when(pl.col("parent_id").is_null()).then(pl.lit("submission")).otherwise(pl.lit("comment")),
        "source": pl.lit(SOURCE),
        "source_file": pl.lit(file),
        "source_row": pl.col(ROW),
    }
    rows = rows.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in POSTS.items() if name not in rows.columns)
    columns |= {
        "author": written_by(),
        "text": pl.col("text").fill_null(""),
        "distinguished": told_distinguished(),
        "removal": pl.coalesce(told_removal(), removed_by()),
    }
    return rows.select(columns.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in POSTS.items())
