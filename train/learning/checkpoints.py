"""Checkpoints that are whole or not used: a training that was killed goes on from the last one."""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

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


def claim(folder: Path, made_from: str) -> None:
    """Makes the folder for a training's checkpoints; those of a training with other samples or settings are removed first."""
    owner = folder / _OWNER
    if folder.exists() and not (owner.is_file() and owner.read_text(encoding="utf-8") == made_from):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(owner, made_from)


def mark_complete(checkpoint: Path) -> None:
    """Notes the sizes of a checkpoint's files, as the last act of saving it."""
    sizes = {str(file.relative_to(checkpoint)): file.stat().st_size for file in _files(checkpoint)}
    write_whole(checkpoint / _COMPLETE, json.dumps(sizes))


def last_complete(folder: Path) -> Path | None:
    """The last checkpoint whose files are all there in full; later ones, killed while being saved, are removed."""
    checkpoints = [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    for checkpoint in sorted(checkpoints, key=lambda path: int(path.name.split("-")[1]), reverse=True):
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
