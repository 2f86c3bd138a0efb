"""What `lorum scrape` fetched: NDJSON whose first line is a header, and each other line a post by the names of the posts schema."""

import json
from collections.abc import Iterator, Mapping

import polars as pl

from curate.posts import POSTS, REMOVALS, TIME
from curate.sources.reading.ndjson import ROW, chunks, parse_chunk, refused
from curate.sources.reading.place import Head, Place
from curate.sources.source import Batch, Wanted
from formats.errors import UserError

VERSION = 1
HEADER = json.dumps({"lorum": "journal", "version": VERSION}).encode()
"""The first line of a journal, without its end."""

_LINEAGE = ("source_file", "source_row")
_FIELDS = (*(name for name in POSTS if name not in _LINEAGE), "lorum", "version")
_LATEST_S = 253_402_300_799
"""The end of the year 9999: the last second that a time can hold."""


def recognises(head: Head) -> bool:
    """Whether the first line is a journal's header, of whatever version."""
    try:
        header = json.loads(head.text.split(b"\n", 1)[0][:200])
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and header.get("lorum") == "journal"


def read(place: Place, wanted: Wanted, columns: Mapping[str, str]) -> Iterator[Batch]:
    """The posts of a journal, chunk by chunk; its headers (more than one where journals were joined) are no records.

    Raises:
        UserError: a later version of Lorum wrote it, or the file is truncated or damaged.
    """
    for chunk in chunks(place):
        parsed = parse_chunk(chunk, _FIELDS)
        header = pl.col("lorum").eq_missing(pl.lit("journal"))
        for number, version in parsed.records.filter(header).select(ROW, "version").iter_rows():
            if version != str(VERSION):
                raise UserError(
                    f"{place.name}, row {number}: a journal of version {version}; this Lorum reads version {VERSION}: install a newer one"
                )
        records = parsed.records.filter(~header)
        faults = records.select(_fault().alias("reason")).to_series()
        headers = parsed.records.height - records.height
        rejects = sorted([*parsed.rejects, *refused(records, faults)], key=lambda reject: reject.row)
        yield Batch(parsed.lines - headers, _to_posts(records.filter(faults.is_null()), place.name), rejects)


def _fault() -> pl.Expr:
    """Why a record cannot become a post; null where it can."""
    required = [pl.when(pl.col(name).fill_null("") == "").then(pl.lit(f"no {name}")) for name in ("id", "thread_id", "source")]
    kinds = pl.when(~pl.col("kind").is_in(["comment", "submission"]).fill_null(False)).then(
        pl.format("the kind is {}: expected comment or submission", pl.col("kind").fill_null("missing"))
    )
    removals = pl.when(~pl.col("removal").is_in(REMOVALS)).then(
        pl.format(f"the removal is {{}}: expected one of {', '.join(REMOVALS)}", "removal")
    )
    values = [
        pl.when(pl.col(name).is_not_null() & _value(name).is_null()).then(pl.format(f"{name} is {{}}: expected {expected}", name))
        for name, dtype in POSTS.items()
        if name not in _LINEAGE and (expected := _expected(dtype))
    ]
    return pl.coalesce(*required, kinds, removals, *values, pl.lit(None, pl.String))


def _expected(dtype: pl.DataType | type[pl.DataType]) -> str | None:
    """What a value of that type is in JSON, in words; None for text, which any value is."""
    if dtype == TIME:
        return "whole seconds since 1970"
    if dtype == pl.Boolean:
        return "true or false"
    if dtype == pl.Float32:
        return "a number"
    return "a whole number" if dtype == pl.Int32 else None


def _value(name: str) -> pl.Expr:
    """A column of the records as its type in the posts schema; null where the value is none of that type."""
    value, dtype = pl.col(name), POSTS[name]
    if dtype == TIME:
        seconds = value.cast(pl.Int64, strict=False)
        return (pl.when(seconds.is_between(-62_135_596_800, _LATEST_S)).then(seconds) * 1000).cast(TIME)
    if dtype == pl.Boolean:
        return pl.when(value.is_in(["true", "false"])).then(value == "true")
    return value.cast(dtype, strict=False)


def _to_posts(records: pl.DataFrame, file: str) -> pl.DataFrame:
    lineage = {"source_file": pl.lit(file), "source_row": pl.col(ROW)}
    chosen = {name: lineage.get(name, _value(name)) for name in POSTS} | {"removal": pl.col("removal").fill_null("none")}
    return records.select(chosen[name].cast(dtype).alias(name) for name, dtype in POSTS.items())
