"""Looks through the files that something left."""

import json
from pathlib import Path

import polars as pl


def files_with(word: str, folder: Path) -> list[str]:
    """The files under a folder in which a word stands, in Parquet too."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.read_bytes()
            if path.suffix == ".parquet":
                text += json.dumps(pl.read_parquet(path).to_dicts(), default=str).encode()
            if word.encode() in text:
                found.append(str(path.relative_to(folder)))
    return found
