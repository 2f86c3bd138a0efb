"""Builders of small invented dumps, and a way to stop a run between any two of its file operations."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from curate import store
from curate.gather import import_files

hypothesis.settings.register_profile("lorum", deadline=None)
hypothesis.settings.load_profile("lorum")
os.environ["HF_HUB_OFFLINE"] = "1"

Record = dict[str, Any]
NOON = 1_700_000_000
SMALL_RECORD = 200
"""Bytes of JSON; the records made here have some more."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORUM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def comment() -> Callable[..., Record]:
    """A comment's record; without `parent` it answers the submission."""

    def make(name: str, parent: str | None = None, thread: str = "s1", **fields: Any) -> Record:
        return {
            "id": name,
            "author": f"author_{name}",
            "body": f"A kettle answers kettle {name}.",
            "created_utc": NOON,
            "edited": False,
            "link_id": f"t3_{thread}",
            "parent_id": f"t1_{parent}" if parent else f"t3_{thread}",
            "score": 5,
            "stickied": False,
            "subreddit": "KettleCourt",
            **fields,
        }

    return make


@pytest.fixture(scope="session")
def submission() -> Callable[..., Record]:
    def make(name: str = "s1", **fields: Any) -> Record:
        return {
            "id": name,
            "author": f"author_{name}",
            "created_utc": NOON,
            "num_comments": 3,
            "over_18": False,
            "score": 9,
            "selftext": f"The kettle of {name} stands accused.",
            "stickied": False,
            "subreddit": "KettleCourt",
            "title": f"Case {name}",
            "upvote_ratio": 0.97,
            **fields,
        }

    return make


@pytest.fixture(scope="session")
def lines() -> Callable[..., bytes]:
    """Records as NDJSON; what is bytes already is taken as a line as it is."""

    def make(*records: Record | bytes) -> bytes:
        return b"".join(
            (record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()) + b"\n" for record in records
        )

    return make


@pytest.fixture
def dump(tmp_path: Path, lines: Callable[..., bytes]) -> Callable[..., Path]:
    """Writes a plain dump and gives its path."""

    def write(*records: Record | bytes, name: str = "dump.ndjson") -> Path:
        path = tmp_path / name
        path.write_bytes(lines(*records))
        return path

    return write


@pytest.fixture
def posts(tmp_path: Path, dump: Callable[..., Path]) -> Callable[..., Path]:
    """A store of these records."""

    def make(*records: Record, name: str = "posts") -> Path:
        import_files([dump(*records, name=f"{name}.ndjson")], tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def rows_per_bucket(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how many of the small records made here a bucket is meant for."""

    def put(rows: float) -> None:
        monkeypatch.setattr(store, "BYTES_PER_ROW", SMALL_RECORD)
        monkeypatch.setattr(store, "ROWS_PER_BUCKET", rows)

    return put


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Every file under a folder, hidden ones included, with its bytes."""

    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    return read


class Stopped(BaseException):
    """In the place of SIGKILL: nothing in the code may catch it."""


@dataclass
class _Stop:
    left: int = -1
    under: str = ""
    happened: bool = False
    dead: bool = False


_stop = _Stop()
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree"}


def _watch(event: str, args: tuple[Any, ...]) -> None:
    thread = threading.current_thread()
    if (_stop.left < 0 and not _stop.dead) or not (thread is threading.main_thread() or thread.name.startswith("write")):
        return  # a store's writer has a thread of its own, which hands what stopped it to the main one
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if not (writes or event in _CHANGES) or not str(args[0]).startswith(_stop.under):
        return
    if _stop.dead or _stop.left == 0:
        _stop.left, _stop.happened, _stop.dead = -1, True, True
        raise Stopped(event)
    _stop.left -= 1


sys.addaudithook(_watch)


@pytest.fixture(scope="session")
def stopped_before() -> Callable[..., Any]:
    """Stops what runs inside before its n-th change (rename, removal, new folder, opened file) under a folder, counted from 0.

    As after a kill, nothing is changed there any more, by whatever `finally` runs then.
    """

    @contextmanager
    def stop(number: int, under: Path) -> Iterator[_Stop]:
        _stop.left, _stop.under, _stop.happened = number, str(under), False
        try:
            yield _stop
        except Stopped:
            pass
        finally:
            _stop.left, _stop.dead = -1, False

    return stop
