"""Imports files into a store of posts, and accounts for every record."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curate import store
from curate.drops import drop_superfluous
from curate.engine import Progress, locked, run_locked, silent
from curate.files import link_tree, read_json, write_json
from curate.forgetting.forgotten import Forgotten, keep_forgotten
from curate.inputs import Input, resolve
from curate.intake import COUNTS, join_rejects, take_in, take_over
from curate.journal import IMPORTED
from curate.manifest import fingerprint, made_by, report_of, taken_out
from curate.sources.catalogue import file_source
from curate.sources.reading.place import STDIN
from curate.sources.source import Batch, Wanted
from curate.spreading import end_spread, spread
from formats.errors import UserError

_BASE = "what is there"


@dataclass(frozen=True)
class Gathered:
    """What became of the records of all files: `lines == posts + rejects + replaced + forgotten + not_asked_for`.

    Args:
        replaced: older records of posts of which a newer one, by its `retrieved_at`, is there.
        forgotten: posts that `lorum forget` removed, or that came again after that.
        passed_over: files of folders that no source recognised.
    """

    lines: int
    posts: int
    comments: int
    submissions: int
    rejects: int
    not_asked_for: int
    replaced: int = 0
    forgotten: int = 0
    buckets: int = 1
    files: int = 1
    passed_over: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        gone = self.rejects + self.replaced + self.forgotten + self.not_asked_for
        if self.lines != self.posts + gone or self.posts != self.comments + self.submissions:
            raise ValueError(f"the lines do not add up: {self}")


def import_files(
    files: Sequence[str | Path],
    out: Path,
    wanted: Wanted | None = None,
    progress: Progress = silent,
    *,
    columns: Mapping[str, str] | None = None,
    source: str | None = None,
    add: bool = False,
) -> Gathered:
    """Reads files of any source (told by content) into the folder `out`.

    Records that are no post go to `out/rejects.jsonl` with file, row and reason; so do posts whose id came before, unless the later record
    was retrieved later: then that one stays. Continues a killed import with the first file that was not done; files that are there already
    are not read again.

    Args:
        files: paths, globs, folders, URLs, `hub:USER/NAME`, or `-` for standard input.
        columns: for tables, by our column's name theirs.
        source: one of `curate.sources.catalogue.FILES`, to read all files by, whatever they look like.
        add: to what is in `out` already; else `out` holds these files' posts alone.

    Raises:
        UserError: a file is missing, truncated, empty or of no known kind; or nothing was asked for that the files hold.
    """
    named, passed_over = resolve(files, wanted or Wanted(), columns or {}, source)
    return replace(_import(named, out, progress, add, {}), passed_over=tuple(passed_over))


def import_table(
    frame: Any, out: Path, *, columns: Mapping[str, str] | None = None, add: bool = False, progress: Progress = silent
) -> Gathered:
    """Reads a table in memory into the folder `out`: of Polars, pandas, Arrow or `datasets`.

    Args:
        columns: by our column's name the table's.

    Raises:
        UserError: a column that is needed is missing.
    """
    from curate.sources import tables

    version = fingerprint("table", time.time_ns(), columns)
    entry = Input(
        f"table-{version}",
        f"table-{version}",
        "table",
        0,
        version,
        len(frame) * store.BYTES_PER_ROW if hasattr(frame, "__len__") else 0,
        Wanted(),
        columns or {},
    )
    return _import([entry], out, progress, add, {entry.name: tables.batches(frame, columns or {}, entry.name)})


def _import(named: Sequence[Input], out: Path, progress: Progress, add: bool, frames: Mapping[str, Iterable[Batch]]) -> Gathered:
    with locked(out, "posts") as held:
        return Gathered(**_import_into(held, named, progress, add, frames))


def _import_into(out: Path, named: Sequence[Input], progress: Progress, add: bool, frames: Mapping[str, Iterable[Batch]]) -> dict[str, Any]:
    before = [Input.from_dict(entry["input"]) for entry in read_json(out / IMPORTED).get("files", [])]
    fresh = {entry.key: entry for entry in named}
    known = [next((old for old in before if old.is_same_as(entry)), entry) for entry in named]
    wanted_files = ([entry for entry in before if entry.key not in fresh] if add else []) + known
    if add and all(entry in before for entry in known):
        wanted_files = before
    intact = (made_by(out) or "").startswith(_made_from(before))  # what was forgotten since then is behind it
    kept = before if intact and wanted_files[: len(before)] == before else []
    if not kept:
        wanted_files = [fresh.get(entry.key) or _as_it_is_now(entry, out) for entry in wanted_files]
    new = wanted_files[len(kept) :]
    guessed = store.buckets_for(sum(entry.json_bytes for entry in new))
    buckets = int(report_of(out, "posts")["buckets"]) if kept else guessed

    def work(folder: Path, number: int, name: str) -> dict[str, Any]:
        if kept and number == 0:
            return _take_over(out, folder)
        entry = new[number - bool(kept)]
        batches = frames.get(name) or file_source(entry.source).read(entry.place, entry.wanted, entry.columns)
        return take_in(entry, batches, folder, len(kept) + number - bool(kept), buckets, progress)

    def finish(folder: Path, counts: list[dict[str, Any]]) -> dict[str, Any]:
        imported = (read_json(out / IMPORTED)["files"] if kept else []) + [
            {"input": entry.to_dict(), "counts": count} for entry, count in zip(new, counts[bool(kept) :], strict=True)
        ]
        _require_asked_for([entry for entry in imported if Input.from_dict(entry["input"]).key in fresh])
        report = _finish(folder, counts, buckets, len(wanted_files), keep_forgotten(out, folder))
        write_json({"files": imported}, folder / IMPORTED)
        return report

    items = ([_BASE] if kept else []) + [entry.name for entry in new]
    layout = fingerprint(made_by(out) if kept else None, buckets)
    made_from = _made_from(wanted_files) + taken_out(out)  # what was forgotten stays so
    report: dict[str, Any] = run_locked("posts", out, made_from, items, work, finish, layout)
    return report


def _made_from(files: Sequence[Input]) -> str:
    """What a store of these files depends on: not on how they were named, nor on guesses."""
    return fingerprint("posts", [{**entry.to_dict(), "name": None, "json_bytes": None} for entry in files])


def _as_it_is_now(entry: Input, out: Path) -> Input:
    """An input that was imported before and must be read again, as all must be when a file changed."""
    try:
        size, version = entry.place.stat()
    except UserError:
        version = None
    if version is None or entry.name == STDIN:
        raise UserError(
            f"{out}: was made from {entry.name} too. Other files changed, so that all must be read again, and this one is not there: "
            "bring it back, or name another folder with --out"
        ) from None
    return replace(entry, size=size, version=version)


def _require_asked_for(imported: Sequence[Mapping[str, Any]]) -> None:
    """Files that hold nothing of what was asked for were named, or asked, by mistake."""
    lines, posts = (sum(entry["counts"][name] for entry in imported) for name in ("lines", "posts"))
    if lines and not posts:
        asked = ", ".join(sorted({name for entry in imported for name in entry["input"]["wanted"]["communities"]})) or "the days asked for"
        names = ", ".join(entry["input"]["name"] for entry in imported)
        raise UserError(f"{names}: {lines} lines, and none of them is of {asked}; check the name and the days")


def _take_over(out: Path, folder: Path) -> dict[str, Any]:
    """What is there, as it is, as the first of the things imported."""
    link_tree(out, folder, lambda name: name.startswith("bucket="))
    take_over(out, folder)
    report = report_of(out, "posts")
    return {name: report[name] for name in COUNTS}


def _finish(folder: Path, counts: list[dict[str, Any]], buckets: int, files: int, forgotten: Forgotten) -> dict[str, Any]:
    total = {name: sum(count[name] for count in counts) for name in COUNTS}
    buckets = end_spread(folder) or buckets  # it was killed while it spread
    dropped = drop_superfluous(folder, forgotten)
    buckets = spread(folder, buckets)
    join_rejects(folder)
    posts = total["posts"] - dropped.repeated - dropped.replaced - dropped.forgotten
    comments = total["comments"] - dropped.comments
    return {
        "lines": total["lines"],
        "posts": posts,
        "comments": comments,
        "submissions": posts - comments,
        "rejects": total["rejects"] + dropped.repeated,
        "not_asked_for": total["not_asked_for"],
        "replaced": total["replaced"] + dropped.replaced,
        "forgotten": total["forgotten"] + dropped.forgotten,
        "buckets": buckets,
        "files": files,
    }
