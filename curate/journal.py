"""What was fetched over the network for a folder of posts: append-only files, and how far each scrape got, saved together.

A journal is a hidden folder beside the posts. A run of `lorum scrape` appends to a segment of its own, which never changes once it is
closed, so that an import of the journal reads new segments only. After a kill, the open segment is cut back to what the last saved state
knows of: no post is lost, none is there twice.
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, Self

from curate.files import read_json, write_json
from curate.sources.journal import HEADER
from curate.sources.source import Failure

IMPORTED = "files.json"
"""In a folder of posts: what was imported into it, file by file."""

_SEGMENT = "segment-{:05d}.ndjson"
_NUMBER = re.compile(r"segment-(\d+)\.ndjson")
_EMPTY = len(HEADER) + 1
"""Bytes of a segment that holds no post."""


def journal_folder(posts: Path) -> Path:
    """Where the journal of a folder of posts lies."""
    posts = posts.resolve()
    return posts.with_name(f".{posts.name}.scraped")


def segments(posts: Path) -> list[Path]:
    """The segments of a folder's journal, oldest first."""
    return sorted(journal_folder(posts).glob("segment-*.ndjson"))


def request_key(source: str, request: Any) -> str:
    """What identifies a scrape, so that the same one goes on: its source and request, however many threads it may fetch."""
    asked = {name: value for name, value in asdict(request).items() if name != "limit"}
    return f"{source}-{hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:12]}"


@dataclass
class ScrapeState:
    """How far one scrape got.

    Args:
        state: what the source remembers.
        finished: whether its last run came to its end.
        segment: the segment that its last run wrote.
        segments: all that its runs wrote.
        committed: the bytes of that segment that belong to saved pages.
        open: whether that run may still append to it.
    """

    source: str
    request: dict[str, Any]
    state: dict[str, Any] = field(default_factory=dict)
    finished: bool = False
    segment: str = ""
    committed: int = 0
    open: bool = False
    failures: list[dict[str, str]] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, posts: Path, source: str, request: Any) -> Self:
        """The saved state of a scrape, or a new one."""
        saved = read_json(journal_folder(posts) / f"{request_key(source, request)}.json")
        known = {entry.name for entry in fields(cls)}
        return cls(**({name: value for name, value in saved.items() if name in known} or {"source": source, "request": asdict(request)}))


class JournalWriter:
    """Appends the pages of one scrape to the journal; one writer at a time. Nothing is written before the first page."""

    def __init__(self, posts: Path, source: str, request: Any) -> None:
        self._posts = posts
        self._folder = journal_folder(posts)
        self._path = self._folder / f"{request_key(source, request)}.json"
        self._file: BinaryIO | None = None
        self.scrape = ScrapeState.read(posts, source, request)
        if self.scrape.open and _size(self._folder / self.scrape.segment) < self.scrape.committed:
            self.scrape = ScrapeState(source, {})  # what was fetched is lost, and is to be fetched again
        self.scrape.request = asdict(request)
        if not self.scrape.open:
            self.scrape.failures = []
        self._before = deepcopy(self.scrape.state)

    def _begin(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._close_others()
        if not self.scrape.open:
            # A number is used once, though its segment may be gone: it may have been imported.
            imported = [Path(entry["input"]["name"]).name for entry in read_json(self._posts / IMPORTED).get("files", [])]
            used = (_NUMBER.fullmatch(name) for name in [*imported, *(path.name for path in segments(self._posts))])
            number = 1 + max((int(match[1]) for match in used if match), default=0)
            self.scrape.segment, self.scrape.committed, self.scrape.open = _SEGMENT.format(number), 0, True
            self.scrape.segments = [*self.scrape.segments, self.scrape.segment]
            write_json(
                {**asdict(self.scrape), "state": self._before}, self._path
            )  # before there is a segment: none is there that no scrape knows of
        if self.scrape.committed <= _EMPTY:
            self.scrape.committed = 0
        file = (self._folder / self.scrape.segment).open("ab")
        file.truncate(self.scrape.committed)
        if not self.scrape.committed:
            file.write(HEADER + b"\n")
            self._save(file, self._before)  # the source has gone on to its first page, which is not saved yet
        return file

    def append(self, posts: Sequence[dict[str, Any]], failures: Sequence[Failure]) -> None:
        """Saves a page, and the source's state after it."""
        self._file = self._file or self._begin()
        for post in posts:
            self._file.write(json.dumps(post, ensure_ascii=True, default=str).encode() + b"\n")
        self.scrape.failures += [asdict(failure) for failure in failures]
        self._save(self._file)

    def close(self, finished: bool) -> None:
        """Ends the run; the segment is not appended to any more. What the source remembers after its last page counts if it finished."""
        if self._file is None and not finished:
            return
        self._file = self._file or self._begin()
        if finished:
            self._save(self._file)
        with suppress(OSError):  # a full disk, of which the page that was not saved told already
            self._file.close()
        saved = read_json(self._path)
        _cut_back(self._folder / self.scrape.segment, saved["committed"])
        write_json({**saved, "open": False, "finished": finished}, self._path)

    def _save(self, file: BinaryIO, state: dict[str, Any] | None = None) -> None:
        file.flush()
        os.fsync(file.fileno())
        self.scrape.committed = file.tell()
        saved = asdict(self.scrape)
        write_json(saved if state is None else {**saved, "state": state}, self._path)

    def _close_others(self) -> None:
        """Ends the runs of other scrapes that were killed: their segments are cut back to what was saved."""
        for path in self._folder.glob("*.json"):
            other = read_json(path)
            if path != self._path and other.get("open"):
                _cut_back(self._folder / other["segment"], other["committed"])
                write_json({**other, "open": False}, path)


def _size(segment: Path) -> int:
    return segment.stat().st_size if segment.exists() else 0


def _cut_back(segment: Path, committed: int) -> None:
    """Leaves of a segment what belongs to saved pages; one without a post is removed."""
    if committed <= _EMPTY:
        segment.unlink(missing_ok=True)
    else:
        os.truncate(segment, committed)
