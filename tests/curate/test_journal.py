import datetime
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.posts import POSTS
from curate.sources.journal import HEADER, read, recognises
from curate.sources.reading.place import Head, Place
from curate.sources.source import Batch, Reject, Wanted
from formats.errors import UserError

Record = dict[str, Any]

ROOT: Record = {"id": "hn_1", "thread_id": "hn_1", "kind": "submission", "source": "hackernews", "title": "Ask: kettles?", "text": ""}
REPLY: Record = {
    "id": "hn_2", "thread_id": "hn_1", "parent_id": "hn_1", "kind": "comment", "source": "hackernews", "community": "hackernews",
    "permalink": "https://kettle.example/2", "author": "mabel", "author_id": "7", "is_submitter": False, "created_at": 1_700_000_000,
    "edited_at": 1_700_000_060, "retrieved_at": 1_700_000_120, "title": None, "text": "Two lines\u2028of one kettle: 007.", "url": None,
    "flair": "007", "score": -3, "upvote_ratio": 0.5, "num_replies": 2, "nsfw": False, "quarantined": True, "stickied": True,
    "promoted": False,
    "distinguished": "moderator", "removal": "author",
}  # fmt: skip


def journal(path: Path, *records: Record | bytes, header: bytes = HEADER + b"\n") -> Place:
    lines = [record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records]
    path.write_bytes(header + b"".join(lines))
    return Place(str(path))


def batch(place: Place) -> Batch:
    """All that was read, as one."""
    found = list(read(place, Wanted(), {}))
    assert all(one.posts.schema == pl.Schema(POSTS) for one in found)
    rejects = [reject for one in found for reject in one.rejects]
    return Batch(sum(one.lines for one in found), pl.concat(one.posts for one in found), rejects)


def utc(seconds: int) -> datetime.datetime:
    return datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC) + datetime.timedelta(seconds=seconds)


def test_rows_are_posts_with_every_column_and_their_line(tmp_path: Path) -> None:
    place = journal(tmp_path / "hn.journal", ROOT, REPLY)
    times = {"created_at": utc(0), "edited_at": utc(60), "retrieved_at": utc(120)}
    read_back = batch(place)
    assert read_back.posts.to_dicts() == [
        dict.fromkeys(POSTS) | ROOT | {"removal": "none", "source_file": place.name, "source_row": 2},
        REPLY | times | {"source_file": place.name, "source_row": 3},
    ]
    assert (read_back.lines, read_back.rejects, read_back.passed_over) == (2, [], 0)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("id", None, "no id"),
        ("id", "", "no id"),
        ("thread_id", None, "no thread_id"),
        ("source", None, "no source"),
        ("kind", None, "the kind is missing: expected comment or submission"),
        ("kind", "poll", "the kind is poll: expected comment or submission"),
        ("removal", "gone", "the removal is gone: expected one of none, author, moderator, admin, legal, unknown"),
        ("created_at", "yesterday", "created_at is yesterday: expected whole seconds since 1970"),
        ("created_at", 1.5, "created_at is 1.5: expected whole seconds since 1970"),
        ("edited_at", 10**15, "edited_at is 1000000000000000: expected whole seconds since 1970"),
        ("score", 2**31, "score is 2147483648: expected a whole number"),
        ("upvote_ratio", "most", "upvote_ratio is most: expected a number"),
        ("nsfw", 1, "nsfw is 1: expected true or false"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_a_reason(tmp_path: Path, field: str, value: object, reason: str) -> None:
    broken = REPLY | {field: value}
    found = batch(journal(tmp_path / "hn.journal", broken, REPLY))
    assert [(reject.row, reject.reason) for reject in found.rejects] == [(2, reason)]
    kept = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in broken.items() if value is not None}
    assert json.loads(found.rejects[0].line) == kept
    assert found.posts["source_row"].to_list() == [3]


def test_lines_that_are_no_json_are_rejected_with_their_row(tmp_path: Path) -> None:
    found = batch(journal(tmp_path / "hn.journal", ROOT, b"\n", b"{'id': 1}\n", REPLY, b'{"id": "hn_3", "thr'))
    assert [(reject.row, reject.reason) for reject in found.rejects] == [
        (3, "blank line"),
        (4, "not JSON: Expecting property name enclosed in double quotes"),
        (6, "not JSON: Unterminated string"),
    ]
    assert found.rejects[1] == Reject(4, found.rejects[1].reason, "{'id': 1}")
    assert found.posts["id"].to_list() == ["hn_1", "hn_2"]
    assert found.lines == 5


def test_journals_that_were_joined_are_read_past_the_headers(tmp_path: Path) -> None:
    found = batch(journal(tmp_path / "both.journal", ROOT, HEADER + b"\n", REPLY))
    assert found.lines == 2
    assert found.posts["source_row"].to_list() == [2, 4]


def test_a_journal_without_posts_has_none(tmp_path: Path) -> None:
    assert batch(journal(tmp_path / "none.journal")).lines == 0


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    place = journal(tmp_path / "new.journal", ROOT, header=b'{"lorum": "journal", "version": 2}\n')
    with pytest.raises(UserError) as told:
        list(read(place, Wanted(), {}))
    assert str(told.value) == (f"{place.name}, row 1: a journal of version 2; this Lorum reads version 1: install a newer one")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (HEADER + b'\n{"id": "hn_1"}\n', True),
        (HEADER, True),
        (b'{"lorum": "journal", "version": 9}\n', True),
        (b'{"id": "hn_1", "thread_id": "hn_1"}\n', False),
        (b'["lorum"]\n', False),
        (b"lorum,journal\n", False),
        (b"[" * 150, False),
        (b"\xff\xfe\n", False),
        (b"", False),
    ],
)
def test_it_is_told_by_its_first_line(text: bytes, is_one: bool) -> None:
    assert recognises(Head("x", text, text)) is is_one
    assert recognises(Head("folder", b"", b"", frozenset({"x.journal"}))) is False
