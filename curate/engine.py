"""Runs a stage item by item (files, buckets) into a folder that is there whole or not at all, and continues where it was stopped."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from curate.files import read_json, write_json
from formats.errors import UserError

MANIFEST = ".manifest.json"

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (0: unknown)."""


def silent(what: str, done: int, total: int) -> None:
    """A `Progress` that shows nothing."""


def fingerprint(*parts: object) -> str:
    """A short hash of everything that a stage's result depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def made_by(folder: Path) -> str | None:
    """The fingerprint of a finished stage's folder; None where the folder is not there or not a stage's."""
    return _manifest(folder).get("fingerprint")


def report_of(folder: Path) -> Any:
    """What the stage that made the folder reported.

    Raises:
        UserError: the folder is not there or was not made by a stage.
    """
    manifest = _manifest(folder)
    if not manifest:
        raise UserError(f"{folder}: not a folder that lorum made; give the one that the command before wrote")
    return manifest["report"]


def run_stage(
    out: Path,
    made_from: str,
    items: Sequence[str],
    work: Callable[[Path, int, str], Any],
    finish: Callable[[Path, list[Any]], Any],
) -> Any:
    """Makes the folder `out` from its items, or returns the report of the one that is there.

    The work goes into `out` + `.partial` until all of it is done, then the folder is swapped in: what was at `out` stays whole
    until then. A killed run leaves the partial folder; the next one with the same `made_from` goes on with the items that are left.

    Args:
        made_from: the fingerprint of everything that the result depends on.
        work: from the partial folder, an item's number and its name to a result that JSON can hold; runs again if it was killed.
        finish: from the partial folder and all results, in the order of the items, to the stage's report (JSON).

    Raises:
        UserError: `out` holds something that no stage made.
    """
    _recover(out)
    if made_by(out) == made_from:
        return report_of(out)
    if out.exists() and made_by(out) is None and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: is there already and was not made by lorum; name another folder or move it away")
    partial = _beside(out, ".partial")
    manifest = _manifest(partial)
    if manifest.get("fingerprint") != made_from:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        manifest = {"fingerprint": made_from, "done": {}}
    for number, item in enumerate(items):
        if str(number) not in manifest["done"]:
            manifest["done"][str(number)] = work(partial, number, item)
            write_json(manifest, partial / MANIFEST)
    report = finish(partial, [manifest["done"][str(number)] for number in range(len(items))])
    write_json({"fingerprint": made_from, "report": report}, partial / MANIFEST)
    _swap(partial, out)
    return report


def _recover(out: Path) -> None:
    """Ends a swap that was killed between its two renames."""
    if not out.exists() and "report" in _manifest(_beside(out, ".partial")):
        _swap(_beside(out, ".partial"), out)
    shutil.rmtree(_beside(out, ".old"), ignore_errors=True)


def _swap(partial: Path, out: Path) -> None:
    old = _beside(out, ".old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(out.name + suffix)


def _manifest(folder: Path) -> dict[str, Any]:
    return read_json(folder / MANIFEST)
