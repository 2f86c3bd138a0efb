"""Imports dump files into a store of posts, and accounts for every line."""

import datetime
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate import store
from curate.engine import Progress, fingerprint, run_stage, silent
from curate.sources import reddit_dump
from curate.sources.compressed import read_lines
from curate.sources.ndjson import ROW, Reject, parse_chunk
from formats.errors import UserError

REJECTS = "rejects.jsonl"
_EXCERPT = 200


@dataclass(frozen=True)
class Wanted:
    """Which posts of a dump are asked for: communities (in any case), and days, `since` included and `until` not. Empty means all."""

    subreddits: tuple[str, ...] = ()
    since: datetime.date | None = None
    until: datetime.date | None = None

    def bytes_pattern(self) -> re.Pattern[bytes] | None:
        """What the raw bytes of a wanted line contain, if communities are asked for."""
        names = b"|".join(re.escape(name.encode()) for name in self.subreddits)
        return re.compile(b'"(?:' + names + b')"', re.IGNORECASE) if names else None

    def keeps(self) -> pl.Expr:
        """True for posts that were asked for; a post without a date passes."""
        kept = pl.lit(True)
        if self.subreddits:
            kept &= pl.col("community").str.to_lowercase().is_in([name.lower() for name in self.subreddits])
        if self.since:
            kept &= (pl.col("created_at").dt.date() >= self.since).fill_null(True)
        if self.until:
            kept &= (pl.col("created_at").dt.date() < self.until).fill_null(True)
        return kept


@dataclass(frozen=True)
class Gathered:
    """What became of the lines read: `lines == posts + rejects + not_asked_for`."""

    lines: int
    posts: int
    comments: int
    submissions: int
    rejects: int
    not_asked_for: int
    buckets: int

    def __post_init__(self) -> None:
        if self.lines != self.posts + self.rejects + self.not_asked_for or self.posts != self.comments + self.submissions:
            raise ValueError(f"the lines do not add up: {self}")


def import_files(files: Sequence[Path], out: Path, wanted: Wanted | None = None, progress: Progress = silent) -> Gathered:
    """Reads Reddit dumps (.zst, .gz, .bz2, .xz or plain NDJSON, told apart by content) into the folder `out`.

    Lines that are no post go to `out/rejects.jsonl` with file, row and reason; so do posts whose id came before. Continues a killed
    import with the first file that was not done.

    Raises:
        UserError: a file is missing, truncated, empty or no dump; or nothing was asked for that the files hold.
    """
    wanted = wanted or Wanted()
    if not files:
        raise UserError("no dump files given; name at least one")
    sizes = [_stat(path) for path in files]
    buckets = store.buckets_for(sum(size for size, _ in sizes))

    def work(folder: Path, number: int, name: str) -> dict[str, int]:
        return _import_file(Path(name), folder, number, buckets, wanted, progress)

    def finish(folder: Path, counts: list[dict[str, int]]) -> dict[str, int]:
        return _finish(folder, counts, buckets, files, wanted)

    made_from = fingerprint("posts", [(str(path), stat) for path, stat in zip(files, sizes, strict=True)], asdict(wanted), buckets)
    return Gathered(**run_stage("posts", out, made_from, [str(path) for path in files], work, finish))


def _stat(path: Path) -> tuple[int, int]:
    if not path.exists():
        raise UserError(f"{path}: no such file; give the path of a dump (.zst, .gz, .bz2, .xz or plain NDJSON)")
    return path.stat().st_size, path.stat().st_mtime_ns


def _import_file(path: Path, folder: Path, number: int, buckets: int, wanted: Wanted, progress: Progress) -> dict[str, int]:
    writer = store.PostWriter(folder, buckets, number)
    pattern = wanted.bytes_pattern()
    counts = {"lines": 0, "posts": 0, "comments": 0, "rejects": 0, "not_asked_for": 0}
    with (folder / f"rejects-{number:04d}.jsonl").open("w", encoding="utf-8") as rejects:
        for chunk in read_lines(path):
            parsed = parse_chunk(chunk, reddit_dump.FIELDS, counts["lines"] + 1, pattern)
            faults = reddit_dump.fault(parsed.records)
            refused = [
                Reject(row, reason, json.dumps({name: value for name, value in record.items() if value is not None and name != ROW}))
                for row, reason, record in zip(
                    parsed.records.filter(faults.is_not_null())[ROW],
                    faults.drop_nulls(),
                    parsed.records.filter(faults.is_not_null()).iter_rows(named=True),
                    strict=True,
                )
            ]
            everything = reddit_dump.to_posts(parsed.records.filter(faults.is_null()), str(path))
            posts = everything.filter(wanted.keeps())
            writer.add(posts)
            for reject in sorted([*parsed.rejects, *refused], key=lambda reject: reject.row):
                rejects.write(_reject_line(str(path), reject))
            counts["lines"] += parsed.lines
            counts["posts"] += posts.height
            counts["comments"] += int((posts["kind"] == "comment").sum())
            counts["rejects"] += len(parsed.rejects) + len(refused)
            counts["not_asked_for"] += parsed.passed_over + everything.height - posts.height
            progress(f"import {path.name}", counts["lines"], 0)
            if counts["lines"] == counts["rejects"]:
                first = (parsed.rejects + refused)[0]
                raise UserError(
                    f"{path}: no dump: none of its first {counts['lines']} lines is a comment or submission of Reddit "
                    f"(row {first.row}: {first.reason}); expected one JSON object a line"
                )
    if not counts["lines"]:
        raise UserError(f"{path}: is empty: it holds no line; fetch the dump again or leave it out")
    writer.flush()
    return counts


def _finish(folder: Path, counts: list[dict[str, int]], buckets: int, files: Sequence[Path], wanted: Wanted) -> dict[str, int]:
    total = {key: sum(count[key] for count in counts) for key in counts[0]}
    if not total["posts"]:
        asked = ", ".join(wanted.subreddits) or "the days asked for"
        raise UserError(
            f"{', '.join(map(str, files))}: {total['lines']} lines, and none of them is of {asked}; check the name and the days"
        )
    found = {bucket: store.repeats(folder, bucket) for bucket in store.bucket_numbers(folder)}
    told = folder / REJECTS
    if not told.exists():  # else a killed run told of all of them, and dropped some
        _tell(folder, len(files), found, told)
    for bucket, rows in found.items():
        if rows.height:
            store.drop(folder, bucket, rows["at"])
    with told.open("rb") as lines:
        repeats = sum(1 for _ in lines) - total["rejects"]
    for part in folder.glob("rejects-*.jsonl"):
        part.unlink()
    kinds = [store.read_bucket(folder, bucket)["kind"] for bucket in store.bucket_numbers(folder)] if repeats else []
    comments = sum(int((kind == "comment").sum()) for kind in kinds) if repeats else total["comments"]
    posts = total["posts"] - repeats
    return {
        "lines": total["lines"],
        "posts": posts,
        "comments": comments,
        "submissions": posts - comments,
        "rejects": total["rejects"] + repeats,
        "not_asked_for": total["not_asked_for"],
        "buckets": buckets,
    }


def _tell(folder: Path, files: int, repeats: Mapping[int, pl.DataFrame], told: Path) -> None:
    """Writes the rejects of all files, then the repeats, into one file that is there whole or not at all."""
    unfinished = told.with_suffix(".tmp")
    with unfinished.open("w", encoding="utf-8") as rejects:
        for number in range(files):
            with (folder / f"rejects-{number:04d}.jsonl").open(encoding="utf-8", newline="\n") as part:
                shutil.copyfileobj(part, rejects)
        for rows in repeats.values():
            for file, row, post_id in rows.select("source_file", "source_row", "id").iter_rows():
                rejects.write(_reject_line(file, Reject(row, f"the id {post_id} came before", "")))
    unfinished.replace(told)


def _reject_line(file: str, reject: Reject) -> str:
    entry: dict[str, Any] = {"file": file, "row": reject.row, "reason": reject.reason, "line": reject.line[:_EXCERPT]}
    return json.dumps(entry, ensure_ascii=False) + "\n"
