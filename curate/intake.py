"""Takes the records of one input into a store, and those that are no post into its rejects."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curate import store
from curate.drops import REPEATED
from curate.engine import Progress
from curate.inputs import Input
from curate.sources.source import Batch, Reject, Wanted
from formats.errors import UserError

REJECTS = "rejects.jsonl"

COUNTS = ("lines", "posts", "comments", "rejects", "not_asked_for", "replaced", "forgotten")
"""What is counted of every input."""

_BASE = "rejects-base.jsonl"
_EXCERPT = 200
_HOPELESS = 1_000
"""Bad records at the start of a file after which it is given up: one very long line may fill the first chunk."""


def take_in(entry: Input, batches: Iterable[Batch], folder: Path, number: int, buckets: int, progress: Progress) -> dict[str, int]:
    """Reads one input into the unfinished folder of a store; its counts, by `COUNTS`.

    Args:
        number: of the input among all of the store: its parts and rejects are named by it, so that another attempt replaces them.

    Raises:
        UserError: it is truncated, empty, or none of its first records is a post.
    """
    counts = dict.fromkeys(COUNTS, 0)
    first: Reject | None = None
    keeps = entry.wanted.keeps() if entry.wanted != Wanted() else None
    with (
        store.PostWriter(folder, buckets, number) as writer,
        (folder / f"rejects-{number:04d}.jsonl").open("w", encoding="utf-8", errors="backslashreplace") as rejects,
    ):
        for batch in batches:
            posts = batch.posts if keeps is None else batch.posts.filter(keeps)
            writer.add(posts)
            rejects.writelines(_reject_line(entry.name, reject) for reject in batch.rejects)
            counts["lines"] += batch.lines
            counts["posts"] += posts.height
            counts["comments"] += int((posts["kind"] == "comment").sum())
            counts["rejects"] += sum(reject.rows for reject in batch.rejects)
            counts["not_asked_for"] += batch.passed_over + batch.posts.height - posts.height
            progress(f"import {Path(entry.name).name}", counts["lines"], 0)
            first = first or next(iter(batch.rejects), None)
            if counts["lines"] == counts["rejects"] >= _HOPELESS:
                break
    if first and counts["lines"] == counts["rejects"]:
        raise UserError(
            f"{entry.name}: read as {entry.source}, and none of its first {counts['lines']} records is a post "
            f"(row {first.row}: {first.reason}); if it is of another kind, name that with --source"
        )
    if not counts["lines"] and entry.source != "journal":
        raise UserError(f"{entry.name}: is empty: it holds no line; fetch it again or leave it out")
    return counts


def take_over(before: Path, folder: Path) -> None:
    """Takes over the rejects of a store that is added to."""
    shutil.copyfile(before / REJECTS, folder / _BASE)


def join_rejects(folder: Path) -> None:
    """Puts the rejects of all files, then the repeats, into one file that is there whole or not at all."""
    parts = [folder / _BASE, *sorted(folder.glob("rejects-[0-9]*.jsonl")), folder / REPEATED]
    told = folder / REJECTS
    if not told.exists():
        unfinished = told.with_suffix(".tmp")
        with unfinished.open("wb") as rejects:
            for part in filter(Path.exists, parts):
                with part.open("rb") as lines:
                    shutil.copyfileobj(lines, rejects)
        unfinished.replace(told)
    for part in parts:
        part.unlink(missing_ok=True)


def _reject_line(file: str, reject: Reject) -> str:
    entry: dict[str, Any] = {"file": file, "row": reject.row, "reason": reject.reason, "line": reject.line[:_EXCERPT]}
    if reject.rows > 1:
        entry["rows"] = reject.rows
    return json.dumps(entry, ensure_ascii=False) + "\n"
