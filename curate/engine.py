"""Runs a stage item by item (files, buckets) into a folder that is there whole or not at all, and continues where it was stopped."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curate.files import write_json
from curate.manifest import MANIFEST, check_ours, hash_of, made_by, read_manifest
from formats.errors import UserError

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (0: unknown)."""


def silent(what: str, done: int, total: int) -> None:
    """A `Progress` that shows nothing."""


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
        if not out.exists() and "report" in read_manifest(_hidden(out, "partial")):
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
    manifest = read_manifest(partial)
    if "report" in manifest and manifest["fingerprint"] == made_from:
        _swap(partial, out)  # it was killed before the swap
    if made_by(out) and read_manifest(out)["fingerprint"] == made_from:
        shutil.rmtree(_hidden(out, "old"), ignore_errors=True)  # it was killed after the swap
        return read_manifest(out)["report"]
    manifest = read_manifest(partial)
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
    made = {"stage": stage, "fingerprint": made_from, "taken_out": made_from.removeprefix(hash_of({"fingerprint": made_from}))}
    write_json({**made, "report": report}, partial / MANIFEST)
    _swap(partial, out)
    return report


@contextmanager
def settled(out: Path) -> Iterator[None]:
    """Holds a stage's folder alone, once what a kill left beside it is ended: finished work is swapped in, unfinished work is removed.

    Raises:
        UserError: a run works there.
    """
    out = out.resolve()
    with alone(_hidden(out, "lock"), out):
        if not out.exists() and "report" in read_manifest(_hidden(out, "partial")):
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
