"""Copies of posts beside the store: lines of the journal, excerpts of rejected lines; counted, and cleared of what is forgotten."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from curate.forgetting.forgotten import Forgotten, hash_author
from curate.forgetting.lists import forms
from curate.intake import REJECTS
from curate.sources.journal import HEADER
from curate.sources.reading.ndjson import ROW, Chunk, chunks, parse_chunk
from curate.sources.reading.place import Place

_ID = re.compile(r'"(?:id|name)"\s*:\s*"([^"]*)"')
_AUTHOR = re.compile(r'"author"\s*:\s*"([^"]*)"')


def forgotten_lines(segment: Path, gone: Forgotten) -> Iterator[pl.DataFrame]:
    """The lines of a journal's segment that are forgotten posts: `id`, `author` and `source_row`, chunk by chunk."""
    return (rows for _, rows in _chunks(segment, gone))


def clear_segment(segment: Path, gone: Forgotten) -> None:
    """Puts a header of the same length in the place of every line that is a forgotten post.

    The segment keeps its size and its time, by which imports know it and a scrape goes on with it: neither reads it all again. A last
    line without an end is what a killed scrape wrote and did not save; it goes.
    """
    before = segment.stat()
    unfinished = segment.with_suffix(".tmp")
    cleared = 0
    with unfinished.open("wb") as file:
        for chunk, rows in _chunks(segment, gone):
            lines = chunk.data.split(b"\n")
            for row in rows[ROW]:
                lines[row - chunk.first_row] = HEADER.ljust(len(lines[row - chunk.first_row]))
            cleared += rows.height + bool(lines[-1])
            file.write(b"\n".join([*lines[:-1], b""]))
    if cleared:
        os.utime(unfinished, ns=(before.st_atime_ns, before.st_mtime_ns))
        unfinished.replace(segment)
    else:
        unfinished.unlink()


def count_excerpts(posts: Path, gone: Forgotten) -> tuple[int, int]:
    """Excerpts of a store's rejected lines: those of forgotten posts, and those that do not tell whose they are."""
    found = [_is_of(entry["line"], gone) for entry in _rejects(posts) if entry["line"]]
    return found.count(True), found.count(None)


def clear_excerpts(posts: Path, gone: Forgotten) -> None:
    """Empties the excerpts of rejected lines that are of forgotten posts or do not tell whose they are; file, row and reason stay."""
    if not sum(count_excerpts(posts, gone)):
        return
    unfinished = posts / f".{REJECTS}.tmp"
    with unfinished.open("w", encoding="utf-8") as file:
        for entry in _rejects(posts):
            line = entry["line"] if _is_of(entry["line"], gone) is False else ""
            file.write(json.dumps({**entry, "line": line}, ensure_ascii=False) + "\n")
    unfinished.replace(posts / REJECTS)


def _chunks(segment: Path, gone: Forgotten) -> Iterator[tuple[Chunk, pl.DataFrame]]:
    for chunk in chunks(Place(str(segment))):
        records = parse_chunk(chunk, ("id", "author")).records
        yield chunk, records.filter(gone.holds(records))


def _rejects(posts: Path) -> Iterator[dict[str, Any]]:
    with (posts / REJECTS).open(encoding="utf-8", newline="\n") as file:
        yield from map(json.loads, file)


def _is_of(excerpt: str, gone: Forgotten) -> bool | None:
    """Whether an excerpt is of a forgotten post; None where it does not tell, as one that was cut before its author."""
    names, authors = _ID.findall(excerpt), _AUTHOR.findall(excerpt)
    if any(form in gone.ids for name in names for form in forms(name)) or any(hash_author(name) in gone.authors for name in authors):
        return True
    return False if names and (authors or not gone.authors) else None
