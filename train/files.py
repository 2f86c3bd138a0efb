"""Writes files that are whole or not there."""

from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Writes a text so that the file is there whole or not at all."""
    partial = file.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)
