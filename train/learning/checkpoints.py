"""Checkpoints that are whole or not used: a training that was killed goes on from the last one."""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.files import write_whole

_COMPLETE = "complete.json"
_OWNER = "training.json"


def fingerprint(samples: Path, splits: Sequence[str], *settings: str) -> str:
    """A hash of the samples and settings that a training's course depends on."""
    digest = hashlib.sha256("\0".join(settings).encode())
    for name in (*(f"{split}.parquet" for split in splits), "template.toml"):
        file = samples / name
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()


def claim(folder: Path, made_from: str, settings: Mapping[str, Any] | None = None) -> str | None:
    """Makes the folder for a training's checkpoints; those of a training with other samples or settings are removed first.

    Returns:
        A line on the checkpoints that were given up, and what had been set otherwise; None where there were none.
    """
    owner, now = folder / _OWNER, dict(settings or {})
    line = None
    if folder.exists() and (before := _owner(owner)).get("course") != made_from:
        checkpoint = last_complete(folder)
        if checkpoint:
            line = f"the checkpoint of step {step_of(checkpoint):,} is given up: {_otherwise(before.get('settings', {}), now)}"
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(owner, json.dumps({"course": made_from, "settings": now}, indent=2) + "\n")
    return line


def step_of(checkpoint: Path | None) -> int:
    """The step after which a checkpoint was saved; 0 without one."""
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def _owner(file: Path) -> dict[str, Any]:
    try:
        owner = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _otherwise(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    changed = [
        f"{name} was {json.dumps(before[name])}, is {json.dumps(now[name])}" for name in now if before.get(name, now[name]) != now[name]
    ]
    return "; ".join(changed) or "its samples or its base were others"


def mark_complete(checkpoint: Path) -> None:
    """Notes the sizes of a checkpoint's files, as the last act of saving it."""
    sizes = {str(file.relative_to(checkpoint)): file.stat().st_size for file in _files(checkpoint)}
    write_whole(checkpoint / _COMPLETE, json.dumps(sizes))


def last_complete(folder: Path) -> Path | None:
    """The last checkpoint whose files are all there in full; later ones, killed while being saved, are removed."""
    checkpoints = [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    for checkpoint in sorted(checkpoints, key=step_of, reverse=True):
        if _is_complete(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def _is_complete(checkpoint: Path) -> bool:
    try:
        sizes = json.loads((checkpoint / _COMPLETE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return all((checkpoint / name).is_file() and (checkpoint / name).stat().st_size == size for name, size in sizes.items())


def _files(checkpoint: Path) -> list[Path]:
    return [file for file in sorted(checkpoint.rglob("*")) if file.is_file() and file.name != _COMPLETE]
