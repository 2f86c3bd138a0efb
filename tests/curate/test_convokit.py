import datetime
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.posts import POSTS
from curate.sources import convokit
from curate.sources.convokit import read, recognises
from curate.sources.reading.place import Place
from curate.sources.source import Reject, Wanted
from formats.errors import UserError

Row = dict[str, Any]
NOON = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)

ROOT: Row = {
    "id": "abc12", "speaker": "Mabel", "conversation_id": "abc12", "reply_to": None, "timestamp": 1_700_000_000,
    "text": "The kettle stands accused.", "vectors": [],
    "meta": {
        "score": 9, "top_level_comment": None, "retrieved_on": 1_700_000_120, "gilded": 0, "gildings": None, "stickied": True,
        "subreddit": "KettleCourt", "permalink": "/r/KettleCourt/comments/abc12/case_1/", "author_flair_text": "Clerk",
    },
}  # fmt: skip
REPLY: Row = {
    "id": "def34", "speaker": "Odo", "conversation_id": "abc12", "reply-to": "abc12", "timestamp": "1700000060",
    "text": 'A "quote" \\ and\nanother line', "meta": {"score": -2, "top_level_comment": "def34", "author_flair_text": 'Bailiff "\\"'},
}  # fmt: skip
OLD: Row = {
    "id": "def35", "user": "[deleted]", "root": "abc12", "reply_to": "def34", "timestamp": None, "text": "[removed]", "meta": None,
}  # fmt: skip
CONVERSATIONS = {
    "abc12": {"meta": {"title": "Case 1: the whistle", "subreddit": "KettleCourt", "num_comments": 2, "domain": "self"}, "vectors": []},
    "zzz99": {"title": "Case 2", "num_comments": "3"},
    "none": {"meta": {}},
}
REDDIT: Row = {**dict.fromkeys(POSTS), "source": "convokit", "community": "KettleCourt", "thread_id": "t3_abc12", "removal": "none"}
EXPECTED: list[Row] = [
    REDDIT | {
        "id": "t3_abc12", "kind": "submission", "permalink": "/r/KettleCourt/comments/abc12/case_1/", "author": "Mabel",
        "created_at": NOON, "retrieved_at": NOON + datetime.timedelta(seconds=120), "title": "Case 1: the whistle",
        "text": "The kettle stands accused.", "score": 9, "num_replies": 2, "stickied": True, "source_row": 1,
    },
    REDDIT | {
        "id": "t1_def34", "kind": "comment", "parent_id": "t3_abc12", "author": "Odo", "created_at": NOON + datetime.timedelta(seconds=60),
        "text": 'A "quote" \\ and\nanother line', "flair": 'Bailiff "\\"', "score": -2, "source_row": 2,
    },
    REDDIT | {
        "id": "t1_def35", "kind": "comment", "parent_id": "t1_def34", "text": "[removed]", "removal": "moderator", "source_row": 3,
    },
]  # fmt: skip


def lines(*utterances: Row | str) -> str:
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in utterances)


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Path]:
    """Writes a corpus as a folder."""

    def write(*utterances: Row | str, conversations: Any = None, name: str = "subreddit-KettleCourt") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "utterances.jsonl").write_text(lines(*utterances))
        if conversations is not None:
            (folder / "conversations.json").write_text(json.dumps(conversations))
        (folder / "corpus.json").write_text("{}")
        return folder

    return write


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".corpus.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"__MACOSX/{folder.name}/utterances.jsonl", "no corpus")
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{folder.name}/{file.name}")
    return path


def gathered(path: Path) -> tuple[list[Row], list[Reject], int]:
    place = Place(str(path))
    assert recognises(place.head())
    found = list(read(place, Wanted(), {}))
    assert all(batch.posts.schema == pl.Schema(POSTS) for batch in found)
    posts = [post for batch in found for post in batch.posts.to_dicts()]
    assert {post["source_file"] for post in posts} <= {str(path)}
    return posts, [reject for batch in found for reject in batch.rejects], sum(batch.lines for batch in found)


@pytest.mark.parametrize("lies", ["in a folder", "in an archive", "as the utterances alone", "as an array"])
def test_a_corpus_of_reddit_becomes_posts_with_every_column(corpus: Callable[..., Path], lies: str) -> None:
    path = corpus(ROOT, REPLY, OLD, conversations=CONVERSATIONS)
    if lies == "in an archive":
        path = zipped(path)
    elif lies == "as the utterances alone":
        path = path / "utterances.jsonl"
    elif lies == "as an array":
        (path / "utterances.jsonl").unlink()
        (path / "utterances.json").write_text(json.dumps([ROOT, REPLY, OLD]))
    posts, rejects, read_lines = gathered(path)
    assert posts == [post | {"source_file": str(path)} for post in EXPECTED]
    assert (rejects, read_lines) == ([], 3)


def test_a_corpus_without_conversations_has_no_titles(corpus: Callable[..., Path]) -> None:
    posts, _, _ = gathered(corpus(ROOT, REPLY | {"meta": {}}))
    assert [(post["id"], post["title"], post["num_replies"], post["community"]) for post in posts] == [
        ("t3_abc12", None, None, "KettleCourt"), ("t1_def34", None, None, "KettleCourt"),
    ]  # fmt: skip


def test_ids_that_have_reddits_prefix_keep_it(corpus: Callable[..., Path]) -> None:
    root = ROOT | {"id": "t3_abc12", "conversation_id": "t3_abc12"}
    reply = REPLY | {"id": "t1_def34", "conversation_id": "t3_abc12", "reply-to": "t3_abc12"}
    orphan = REPLY | {"id": "def36", "reply-to": None}
    posts, _, _ = gathered(corpus(root, reply, orphan))
    assert [(post["id"], post["thread_id"], post["parent_id"], post["kind"]) for post in posts] == [
        ("t3_abc12", "t3_abc12", None, "submission"), ("t1_def34", "t3_abc12", "t3_abc12", "comment"),
        ("t1_def36", "t3_abc12", "t3_abc12", "comment"),
    ]  # fmt: skip


def test_ids_of_other_corpora_name_the_corpus(corpus: Callable[..., Path]) -> None:
    utterances: list[Row] = [
        {"id": "L1", "speaker": "u0", "conversation_id": "L1", "reply_to": None, "timestamp": None, "text": "Tea?", "meta": {"score": 1}},
        {"id": "L2", "user": "u1", "root": "L1", "reply-to": "L1", "timestamp": "1700000000.0", "text": "", "meta": {"parsed": [{"a": 1}]}},
        {"id": "L3", "speaker": "u1", "conversation_id": None, "reply-to": None, "text": "Alone."},
    ]
    path = zipped(corpus(*utterances, name="tea-corpus"))
    other: Row = {**dict.fromkeys(POSTS), "source": "convokit", "community": "tea-corpus", "removal": "none", "source_file": str(path)}
    root, reply = "ck_tea-corpus_L1", "ck_tea-corpus_L2"
    assert gathered(path)[0] == [
        other | {"id": root, "thread_id": root, "kind": "submission", "author": "u0", "text": "Tea?", "score": 1, "source_row": 1},
        other | {
            "id": reply, "thread_id": root, "parent_id": root, "kind": "comment", "author": "u1", "created_at": NOON, "text": "",
            "source_row": 2,
        },
        other | {
            "id": "ck_tea-corpus_L3", "thread_id": "ck_tea-corpus_L3", "kind": "submission", "author": "u1", "text": "Alone.",
            "source_row": 3,
        },
    ]  # fmt: skip


def test_bad_lines_are_rejects_with_their_row(corpus: Callable[..., Path]) -> None:
    nowhere = {"id": "x1", "speaker": "Odo", "reply_to": "x0", "text": "lost"}
    odd = REPLY | {"id": "odd12", "meta": ["no object"]}
    path = corpus(ROOT, "", "{broken", nowhere, {"speaker": "Odo", "text": "no id"}, {"id": "x2", "text": None}, odd, REPLY)
    for lies in (path, zipped(path)):
        posts, rejects, read_lines = gathered(lies)
        assert [(post["id"], post["score"], post["source_row"]) for post in posts] == [
            ("t3_abc12", 9, 1), ("t1_odd12", None, 7), ("t1_def34", -2, 8),
        ]  # fmt: skip
        assert [(reject.row, reject.reason) for reject in rejects] == [
            (2, "blank line"),
            (3, "not JSON: Expecting property name enclosed in double quotes"),
            (4, "answers an utterance, but is of no conversation (conversation_id)"),
            (5, "no id"),
            (6, "no text"),
        ]
        assert json.loads(rejects[2].line) == {"id": "x1", "speaker": "Odo", "reply_to": "x0", "text": "lost"}
        assert read_lines == 8


def test_an_archive_without_utterances_or_with_a_password_is_refused(corpus: Callable[..., Path], tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "no corpus")
    assert not recognises(Place(str(other)).head())
    with pytest.raises(UserError, match=r"other.zip: holds no utterances.jsonl, in which a corpus of ConvoKit has its utterances$"):
        list(read(Place(str(other)), Wanted(), {}))
    path = zipped(corpus(ROOT))
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8 : at + 10] = struct.pack("<H", 1)  # the flag of encryption in the central directory
        at = data.find(b"PK\x01\x02", at + 1)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"is encrypted; unpack it and give the folder$"):
        list(read(Place(str(path)), Wanted(), {}))


def test_a_damaged_archive_is_said_in_one_line(corpus: Callable[..., Path]) -> None:
    path = zipped(corpus(*([ROOT] * 50), name="tea"))
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("tea/utterances.jsonl")
    data = bytearray(path.read_bytes())
    start = member.header_offset + 30 + len(member.filename)
    data[start + 20 : start + 60] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"tea.corpus.zip: cannot be read \(.*\); it is truncated or damaged: fetch it again$"):
        list(read(Place(str(path)), Wanted(), {}))


def test_an_archive_that_is_cut_off_is_not_read_as_text(corpus: Callable[..., Path]) -> None:
    path = zipped(corpus(*([ROOT] * 50), name="tea"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"tea.corpus.zip: cannot be read \(File is not a zip file\); it is truncated or damaged: fetch it"):
        list(read(Place(str(path)), Wanted(), {}))


def test_a_file_beside_a_corpus_may_have_any_name(corpus: Callable[..., Path]) -> None:
    path = corpus(ROOT, conversations=CONVERSATIONS)
    (path / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    for lies in (path, path / "utterances.jsonl"):
        assert [post["title"] for post in gathered(lies)[0]] == ["Case 1: the whistle"]


def test_titles_are_held_up_to_a_limit_only(corpus: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convokit, "MOST_TITLES", 10)
    path = corpus(ROOT, conversations=CONVERSATIONS)
    with pytest.raises(UserError, match=r"its conversations.json has over 0 Mi characters of titles; leave that file out$"):
        list(read(Place(str(path)), Wanted(), {}))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (lines(REPLY), True),
        (lines(OLD), True),
        (json.dumps([OLD, ROOT]), False),
        (lines({"id": "a", "body": "b", "link_id": "t3_c"}), False),
        (lines({"id": "a", "text": "b"}), False),
        ("id,text\n", False),
        ("", False),
    ],
)
def test_a_file_is_told_by_its_first_line(tmp_path: Path, text: str, is_one: bool) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    assert recognises(Place(str(path)).head()) is is_one
