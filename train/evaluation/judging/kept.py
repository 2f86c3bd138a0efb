"""Keeps what a judge said, so that a judging that was killed goes on where it was and nothing is paid for twice."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Self

from train.adapters.folder import beside


def key_of(*parts: Any) -> str:
    """A key under which something is kept: the same for the same parts (JSON values), another for others."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True, sort_keys=True).encode()).hexdigest()


def kept_beside(adapter: Path) -> Path:
    """The hidden file beside an adapter in which what was said of it is kept."""
    return beside(adapter.resolve(), "judging.jsonl")


class Kept:
    """Texts by their keys, in a file of JSON lines to which whole lines are added; a context manager.

    A last line that was cut off, and any other that cannot be read, is passed over.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, str] = {}
        self._handle: int | None = None

    def __enter__(self) -> Self:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        before = self._file.read_bytes() if self._file.exists() else b""
        for line in before.splitlines():
            try:
                value = json.loads(line)
                self._known[str(value["key"])] = str(value["text"])
            except (ValueError, KeyError, TypeError):
                continue
        self._handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if before and not before.endswith(b"\n"):
            os.write(self._handle, b"\n")
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def get(self, key: str) -> str | None:
        """The text under a key; None where there is none."""
        return self._known.get(key)

    def put(self, key: str, text: str) -> None:
        """Keeps a text; the line is in the file before this returns."""
        if self._handle is None:
            raise ValueError("not open")
        line = json.dumps({"key": key, "text": text}, ensure_ascii=True).encode() + b"\n"
        while line:
            line = line[os.write(self._handle, line) :]
        self._known[key] = text
