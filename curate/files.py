"""Writes files that are there whole or not at all, whatever kills the process."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl


def write_parquet(table: pl.DataFrame, path: Path) -> None:
    """Writes a table as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    table.write_parquet(unfinished, compression="zstd", compression_level=1, statistics=False)
    unfinished.replace(path)


def write_text(text: str, path: Path) -> None:
    """Writes a text as UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def write_json(value: object, path: Path) -> None:
    """Writes a value as JSON, with dates and paths as strings."""
    write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n", path)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is no such file or no object in it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def link_tree(source: Path, target: Path, chosen: Callable[[str], bool]) -> None:
    """Puts the chosen entries of a folder into another without copying them: files there are replaced, never changed in place."""
    for entry in source.iterdir():
        if chosen(entry.name):
            shutil.rmtree(target / entry.name, ignore_errors=True)
            shutil.copytree(entry, target / entry.name, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # not every file system has links
        shutil.copyfile(source, target)
