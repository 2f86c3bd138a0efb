"""Runs a stage item by item (files, buckets) into a folder that is there whole or not at all, and continues where it was stopped."""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curate import __version__
from curate.files import read_json, write_json
from formats.errors import UserError

MANIFEST = ".manifest.json"

HOLDS = {
    "posts": "posts, as `lorum import` writes",
    "judged": "judged posts, as `lorum filter` writes",
    "samples": "samples, as `lorum format` writes",
}
"""The stages, and what is in the folders they make."""

_TAKEN_OUT = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}")
"""A fingerprint with what tells that something was taken out since."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (0: unknown)."""


def silent(what: str, done: int, total: int) -> None:
    """A `Progress` that shows nothing."""


def is_ours(folder: Path) -> bool:
    """Whether a stage or a run made the folder."""
    return bool(_manifest(folder)) or "lorum" in read_json(folder / "run.json")


def fingerprint(*parts: object) -> str:
    """A short hash of everything that a stage's result depends on, Lorum's version included.

    What was taken out of a folder that it depends on stands behind the hash, and not in it, so that it can be exchanged there.
    """
    split = [part.partition("-") if isinstance(part, str) and _TAKEN_OUT.fullmatch(part) else (part, "", "") for part in parts]
    whole = json.dumps([__version__, *(part for part, _, _ in split)], sort_keys=True, default=str)
    return hashlib.sha256(whole.encode()).hexdigest()[:16] + "".join(mark + behind for _, mark, behind in split)


def made_by(folder: Path) -> str | None:
    """The fingerprint of what a finished stage's folder holds; None where the folder is not there or not a stage's.

    Where something was taken out of it, that is another than the fingerprint that it was made with.
    """
    manifest = _manifest(folder)
    return _hash_of(manifest) + manifest.get("taken_out", "") if "report" in manifest else None


def taken_out(folder: Path) -> str:
    """What tells that something was taken out of a folder, or of what it was made from; empty where nothing was."""
    out: str = _manifest(folder).get("taken_out", "")
    return out


def stage_of(folder: Path) -> str | None:
    """The stage that made a finished folder; None where none did."""
    manifest = _manifest(folder)
    stage: str | None = manifest.get("stage") if "report" in manifest else None
    return stage


def report_of(folder: Path, stage: str) -> Any:
    """What the stage that made the folder reported.

    Raises:
        UserError: the folder is not there or was not made by this stage.
    """
    manifest = _manifest(folder)
    if "report" not in manifest or manifest.get("stage", stage) != stage:
        held = f"holds {HOLDS[manifest['stage']]}" if manifest.get("stage") in HOLDS else "is no folder that lorum made"
        raise UserError(f"{folder}: {held}; give a folder of {HOLDS[stage]}")
    return manifest["report"]


def run_stage(
    stage: str,
    out: Path,
    made_from: str,
    items: Sequence[str],
    work: Callable[[Path, int, str], Any],
    finish: Callable[[Path, list[Any]], Any],
    layout: str = "",
) -> Any:
    """Makes the folder `out` from its items, or returns the report of the one that is there.

    The work goes into a hidden folder beside `out` until all of it is done, then that is swapped in: what was at `out` stays whole
    until then. A killed run leaves the hidden folder; the next one with the same `made_from` goes on with the items that are left.

    Args:
        stage: one of `HOLDS`.
        made_from: the fingerprint of everything that the result depends on.
        work: from the unfinished folder, an item's number and its name to a result that JSON can hold; runs again if it was killed.
        finish: from the unfinished folder and all results, in the order of the items, to the stage's report (JSON); runs again if it
            was killed, on whatever it left.
        layout: what the unfinished folder depends on beyond the result; work of another layout is not gone on with.

    Raises:
        UserError: `out` holds something that this stage did not make; or the work raised it, and what was unfinished is removed.
    """
    with locked(out, stage) as held:
        return run_locked(stage, held, made_from, items, work, finish, layout)


@contextmanager
def locked(out: Path, stage: str) -> Iterator[Path]:
    """Holds a stage's folder alone, where there is one or is to be one; gives its path without links.

    Raises:
        UserError: the folder holds something that this stage did not make, or another process works there.
    """
    out = out.resolve()  # so that a link to another disk stays one
    check_ours(out, stage)
    out.parent.mkdir(parents=True, exist_ok=True)
    with alone(_hidden(out, "lock"), out):
        if not out.exists() and "report" in _manifest(_hidden(out, "partial")):
            _hidden(out, "partial").rename(out)  # it was killed within the swap
        yield out


def run_locked(
    stage: str,
    out: Path,
    made_from: str,
    items: Sequence[str],
    work: Callable[[Path, int, str], Any],
    finish: Callable[[Path, list[Any]], Any],
    layout: str = "",
) -> Any:
    """`run_stage`, in a folder that the caller holds by `locked`."""
    partial = _hidden(out, "partial")
    manifest = _manifest(partial)
    if "report" in manifest and manifest["fingerprint"] == made_from:
        _swap(partial, out)  # it was killed before the swap
    if made_by(out) and _manifest(out)["fingerprint"] == made_from:
        shutil.rmtree(_hidden(out, "old"), ignore_errors=True)  # it was killed after the swap
        return _manifest(out)["report"]
    manifest = _manifest(partial)
    if (manifest.get("fingerprint"), manifest.get("layout")) != (made_from, layout):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        manifest = {"stage": stage, "fingerprint": made_from, "layout": layout, "done": {}}
    try:
        for number, item in enumerate(items):
            if str(number) not in manifest["done"]:
                manifest["done"][str(number)] = work(partial, number, item)
                write_json(manifest, partial / MANIFEST)
        report = finish(partial, [manifest["done"][str(number)] for number in range(len(items))])
    except UserError:
        shutil.rmtree(partial, ignore_errors=True)  # the same work would fail again
        raise
    made = {"stage": stage, "fingerprint": made_from, "taken_out": made_from.removeprefix(_hash_of({"fingerprint": made_from}))}
    write_json({**made, "report": report}, partial / MANIFEST)
    _swap(partial, out)
    return report


def change_report(folder: Path, report: Any, left: str = "") -> None:
    """Writes anew what the stage of a finished folder reports, after something was taken out of the folder.

    Args:
        left: tells what is left from what was there: with it, all that was made from the folder counts as made from something else.
            The stage itself does not: its work is not done again.
    """
    manifest = {**_manifest(folder), "report": report}
    mark = {"taken_out": f"-{hashlib.sha256(left.encode()).hexdigest()[:8]}"} if left else {}
    write_json({**manifest, **mark}, folder / MANIFEST)


def count_as_made_from(folder: Path, source: Path) -> None:
    """Makes the folder one of what its source holds now, once the same was taken out of both. A folder of posts is its own source."""
    manifest = _manifest(folder)
    write_json({**manifest, "fingerprint": _hash_of(manifest) + taken_out(source)}, folder / MANIFEST)


@contextmanager
def settled(out: Path) -> Iterator[None]:
    """Holds a stage's folder alone, once what a kill left beside it is ended: finished work is swapped in, unfinished work is removed.

    Raises:
        UserError: a run works there.
    """
    out = out.resolve()
    with alone(_hidden(out, "lock"), out):
        if not out.exists() and "report" in _manifest(_hidden(out, "partial")):
            _hidden(out, "partial").rename(out)
        for suffix in ("partial", "old"):
            shutil.rmtree(_hidden(out, suffix), ignore_errors=True)
        yield


@contextmanager
def alone(lock: Path, folder: Path) -> Iterator[None]:
    """Holds a lock on a folder, which the system gives back whenever the process ends, however it ends.

    Raises:
        UserError: another process holds it.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = lock.exists() and os.fstat(file.fileno()).st_ino == lock.stat().st_ino  # not one that was removed meanwhile
        except BlockingIOError:
            held = False
        if not held:
            raise UserError(f"{folder}: another lorum run works there; wait for it or name another folder with --out")
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def check_ours(out: Path, stage: str) -> None:
    """Refuses a folder that this stage did not make.

    Raises:
        UserError: `out` holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    manifest = _manifest(out)
    if not manifest:
        raise UserError(f"{out}: is there already and was not made by lorum; name another folder or move it away")
    if manifest.get("stage", stage) != stage:
        raise UserError(f"{out}: holds {HOLDS[manifest['stage']]}, which would be lost; name another folder")


def _swap(partial: Path, out: Path) -> None:
    old = _hidden(out, "old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _hidden(out: Path, suffix: str) -> Path:
    """A folder beside `out` by a name that no user gives: what is found there is ours to delete."""
    return out.with_name(f".{out.name}.{suffix}")


def _hash_of(manifest: Mapping[str, Any]) -> str:
    """The fingerprint without what stands behind it."""
    made_from: str = manifest["fingerprint"]
    return made_from.partition("-")[0] if _TAKEN_OUT.fullmatch(made_from) else made_from


def _manifest(folder: Path) -> dict[str, Any]:
    return read_json(folder / MANIFEST)
