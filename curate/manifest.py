"""What a finished stage's folder says of itself: its stage, its report, and the fingerprint of all that it depends on."""

import hashlib
import json
import re
from collections.abc import Mapping
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


def is_ours(folder: Path) -> bool:
    """Whether a stage or a run made the folder."""
    return bool(read_manifest(folder)) or "lorum" in read_json(folder / "run.json")


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
    manifest = read_manifest(folder)
    return hash_of(manifest) + manifest.get("taken_out", "") if "report" in manifest else None


def taken_out(folder: Path) -> str:
    """What tells that something was taken out of a folder, or of what it was made from; empty where nothing was."""
    out: str = read_manifest(folder).get("taken_out", "")
    return out


def stage_of(folder: Path) -> str | None:
    """The stage that made a finished folder; None where none did."""
    manifest = read_manifest(folder)
    stage: str | None = manifest.get("stage") if "report" in manifest else None
    return stage


def report_of(folder: Path, stage: str) -> Any:
    """What the stage that made the folder reported.

    Raises:
        UserError: the folder is not there or was not made by this stage.
    """
    manifest = read_manifest(folder)
    if "report" not in manifest or manifest.get("stage", stage) != stage:
        held = f"holds {HOLDS[manifest['stage']]}" if manifest.get("stage") in HOLDS else "is no folder that lorum made"
        raise UserError(f"{folder}: {held}; give a folder of {HOLDS[stage]}")
    return manifest["report"]


def change_report(folder: Path, report: Any, left: str = "") -> None:
    """Writes anew what the stage of a finished folder reports, after something was taken out of the folder.

    Args:
        left: tells what is left from what was there: with it, all that was made from the folder counts as made from something else.
            The stage itself does not: its work is not done again.
    """
    manifest = {**read_manifest(folder), "report": report}
    mark = {"taken_out": f"-{hashlib.sha256(left.encode()).hexdigest()[:8]}"} if left else {}
    write_json({**manifest, **mark}, folder / MANIFEST)


def count_as_made_from(folder: Path, source: Path) -> None:
    """Makes the folder one of what its source holds now, once the same was taken out of both. A folder of posts is its own source."""
    manifest = read_manifest(folder)
    write_json({**manifest, "fingerprint": hash_of(manifest) + taken_out(source)}, folder / MANIFEST)


def check_ours(out: Path, stage: str) -> None:
    """Refuses a folder that this stage did not make.

    Raises:
        UserError: `out` holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    manifest = read_manifest(out)
    if not manifest:
        raise UserError(f"{out}: is there already and was not made by lorum; name another folder or move it away")
    if manifest.get("stage", stage) != stage:
        raise UserError(f"{out}: holds {HOLDS[manifest['stage']]}, which would be lost; name another folder")


def hash_of(manifest: Mapping[str, Any]) -> str:
    """The fingerprint without what stands behind it."""
    made_from: str = manifest["fingerprint"]
    return made_from.partition("-")[0] if _TAKEN_OUT.fullmatch(made_from) else made_from


def read_manifest(folder: Path) -> dict[str, Any]:
    """All that a folder says of itself, finished or not; empty where it is no stage's."""
    return read_json(folder / MANIFEST)
