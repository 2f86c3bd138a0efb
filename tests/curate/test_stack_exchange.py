import datetime
import gzip
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import polars as pl
import py7zr
import pytest

from curate.posts import POSTS
from curate.sources import stack_exchange
from curate.sources.reading import xml_rows
from curate.sources.reading.place import Head, Place
from curate.sources.source import Batch, Wanted
from curate.sources.stack_exchange import recognises
from formats.errors import UserError

Record = dict[str, Any]
SITE = "kettles.stackexchange.com"
NOON = "2019-05-04T12:00:00.123"
UTC_NOON = datetime.datetime(2019, 5, 4, 12, tzinfo=datetime.UTC)


def row(**attributes: object) -> str:
    return "  <row " + " ".join(f"{name}={quoteattr(str(value), {chr(10): '&#xA;'})}" for name, value in attributes.items()) + " />\r\n"


def question(number: int, **attributes: object) -> str:
    return row(**{"Id": number, "PostTypeId": 1, "CreationDate": NOON, "Score": 4, "Title": f"Case {number}", **attributes})


def answer(number: int, parent: int, **attributes: object) -> str:
    return row(**{"Id": number, "PostTypeId": 2, "ParentId": parent, "CreationDate": NOON, "Score": 2, **attributes})


def comment(number: int, post: int, **attributes: object) -> str:
    return row(**{"Id": number, "PostId": post, "Score": 1, "Text": "Hear, hear.", "CreationDate": NOON, **attributes})


def document(root: str, *rows: str) -> bytes:
    return f'\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n<{root}>\r\n{"".join(rows)}</{root}>'.encode()


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Path]:
    """Writes a dump's folder and gives its path."""

    def write(posts: bytes | None = None, comments: bytes | None = None, name: str = SITE) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file, content in (("Badges.xml", document("badges")), ("Posts.xml", posts), ("Comments.xml", comments)):
            if content is not None:
                (folder / file).write_bytes(content)
        return folder

    return write


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() <= before


def read(path: Path, wanted: Wanted | None = None) -> Batch:
    """All that a place holds, as one batch."""
    batches = list(stack_exchange.read(Place(str(path)), wanted or Wanted(), {}))
    posts = pl.concat([batch.posts for batch in batches]) if batches else pl.DataFrame(schema=POSTS)
    assert posts.schema == pl.Schema(POSTS)
    rejects = [reject for batch in batches for reject in batch.rejects]
    return Batch(sum(batch.lines for batch in batches), posts, rejects, sum(batch.passed_over for batch in batches))


def test_a_question_an_answer_and_comments_become_posts_with_every_column(site: Callable[..., Path]) -> None:
    folder = site(
        document(
            "posts",
            question(
                7, AcceptedAnswerId=8, Body="<p>It <em>whistles</em> &amp; I &lt;3 it.</p>\n\n<pre><code>boil()\n  wait()\n</code></pre>\n",
                OwnerUserId=41, LastEditorUserId=3, LastEditDate="2019-05-05T01:02:03.999", Title='Why does "Odo" whistle? ',
                Tags="<kettle><tea-time>", ViewCount=100, AnswerCount=1, CommentCount=1, ClosedDate=NOON, ContentLicense="CC BY-SA 4.0",
            ),
            answer(8, 7, Body="<p>Steam.</p>", OwnerDisplayName="user12", CommentCount=2, CommunityOwnedDate=NOON),
        ),
        document(
            "comments",
            comment(7, 8, Text="Use `x < y &amp; z`, **Odo**.\u200c\u200b ", UserId=41),
            comment(9, 7, UserDisplayName="Mabel"),
        ),
    )  # fmt: skip
    found = read(folder)
    unknown = dict.fromkeys(POSTS) | {"source": "stackexchange", "community": "kettles", "created_at": UTC_NOON, "removal": "none"}
    posts, comments = str(folder / "Posts.xml"), str(folder / "Comments.xml")
    assert found.posts.to_dicts() == [
        unknown | {
            "id": "se_kettles_7", "thread_id": "se_kettles_7", "parent_id": None, "kind": "submission",
            "permalink": "https://kettles.stackexchange.com/q/7", "author": "user41", "author_id": "41",
            "edited_at": datetime.datetime(2019, 5, 5, 1, 2, 3, tzinfo=datetime.UTC), "title": 'Why does "Odo" whistle?',
            "text": "It whistles & I <3 it.\n\nboil()\n  wait()", "flair": "kettle, tea-time", "score": 4, "num_replies": 2,
            "source_file": posts, "source_row": 1,
        },
        unknown | {
            "id": "se_kettles_8", "thread_id": "se_kettles_7", "parent_id": "se_kettles_7", "kind": "comment",
            "permalink": "https://kettles.stackexchange.com/a/8", "author": "user12", "text": "Steam.", "score": 2, "num_replies": 2,
            "source_file": posts, "source_row": 2,
        },
        unknown | {
            "id": "se_kettles_c7", "thread_id": "se_kettles_7", "parent_id": "se_kettles_8", "kind": "comment",
            "permalink": "https://kettles.stackexchange.com/questions/7#comment7_8", "author": "user41", "author_id": "41",
            "text": "Use `x < y &amp; z`, **Odo**.", "score": 1, "source_file": comments, "source_row": 1,
        },
        unknown | {
            "id": "se_kettles_c9", "thread_id": "se_kettles_7", "parent_id": "se_kettles_7", "kind": "comment",
            "permalink": "https://kettles.stackexchange.com/questions/7#comment9_7", "author": "Mabel", "text": "Hear, hear.", "score": 1,
            "source_file": comments, "source_row": 2,
        },
    ]  # fmt: skip
    assert (found.lines, found.rejects, found.passed_over) == (4, [], 0)


@pytest.mark.parametrize(
    ("attributes", "column", "value"),
    [
        ({"OwnerUserId": 5, "OwnerDisplayName": "Mabel"}, "author", "user5"),
        ({"OwnerUserId": -1}, "author", "Community"),
        ({"OwnerUserId": ""}, "author", None),
        ({}, "author", None),
        ({"Tags": "|kettle|tea-time|"}, "flair", "kettle, tea-time"),
        ({"Tags": ""}, "flair", None),
        ({"Score": -12}, "score", -12),
        ({"Score": "many"}, "score", None),
        ({"Score": 2**40}, "score", None),
        ({"CreationDate": "2009-03-05T22:28:34"}, "created_at", datetime.datetime(2009, 3, 5, 22, 28, 34, tzinfo=datetime.UTC)),
        ({"CreationDate": "yesterday"}, "created_at", None),
        ({"CreationDate": "2009-13-05T22:28:34.100"}, "created_at", None),
        ({"AnswerCount": 3}, "num_replies", 3),
        ({"CommentCount": 0}, "num_replies", 0),
        ({}, "num_replies", None),
        ({"DeletionDate": NOON}, "removal", "unknown"),
        ({}, "text", None),
        ({"Body": ""}, "text", ""),
        ({"Id": "0012"}, "id", "se_kettles_12"),
    ],
)
def test_an_attribute_is_known_or_null(site: Callable[..., Path], attributes: Record, column: str, value: object) -> None:
    (post,) = read(site(document("posts", question(1, **attributes)))).posts.to_dicts()
    assert post[column] == value


def test_other_types_of_posts_and_their_comments_are_passed_over(site: Callable[..., Path]) -> None:
    found = read(
        site(
            document("posts", question(1), *(question(number, PostTypeId=number) for number in range(3, 9))),
            document("comments", comment(1, 6), comment(2, 1)),
        )
    )
    assert found.posts["id"].to_list() == ["se_kettles_1", "se_kettles_c2"]
    assert (found.lines, found.rejects, found.passed_over) == (9, [], 7)


@pytest.mark.parametrize(
    ("posts", "comments", "reason"),
    [
        (row(PostTypeId=1, Title="No number"), None, "no Id between 1 and 4294967295"),
        (row(Id="1e3", PostTypeId=1), None, "no Id between 1 and 4294967295"),
        (row(Id=2**32, PostTypeId=1), None, "no Id between 1 and 4294967295"),
        (row(Id=0, PostTypeId=2, ParentId=1), None, "no Id between 1 and 4294967295"),
        (row(Id=1), None, "no PostTypeId"),
        (row(Id=1, PostTypeId=2), None, "an answer without its question (ParentId)"),
        (row(Id=1, PostTypeId=2, ParentId=-4), None, "an answer without its question (ParentId)"),
        ("  <row Id='1' Body='&tea;' />\n", None, "not XML: Entity 'tea' not defined"),
        (None, row(PostId=1), "Comments.xml: no Id between 1 and 4294967295"),
        (None, row(Id=1), "Comments.xml: a comment without its post (PostId)"),
        (None, comment(1, 5), "Comments.xml: Posts.xml holds no post 5"),
    ],
)
def test_what_cannot_become_a_post_is_a_reject_with_its_row(
    site: Callable[..., Path], posts: str | None, comments: str | None, reason: str
) -> None:
    xml = document("posts", question(11), posts or "", answer(12, 11))
    found = read(site(xml, comments and document("comments", comment(11, 12), comments, comment(12, 12))))
    assert found.posts["id"].to_list() == ["se_kettles_11", "se_kettles_12", *(["se_kettles_c11", "se_kettles_c12"] if comments else [])]
    (reject,) = found.rejects
    assert (reject.row, reject.reason) == (2, reason)
    assert len(reject.line) > 3


def test_comments_are_joined_to_posts_in_any_order_and_in_batches(site: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_rows, "BATCH", 2)
    posts = [answer(3, 900), question(900), answer(5, 2), question(2), answer(4_000_000_000, 900)]
    comments = [comment(1, 5), comment(2, 4_000_000_000), comment(3, 900), comment(4, 1), comment(5, 3)]
    found = read(site(document("posts", *posts), document("comments", *comments)))
    threads = dict(found.posts.select("id", "thread_id").iter_rows())
    assert threads == {
        "se_kettles_3": "se_kettles_900", "se_kettles_900": "se_kettles_900", "se_kettles_5": "se_kettles_2",
        "se_kettles_2": "se_kettles_2", "se_kettles_4000000000": "se_kettles_900", "se_kettles_c1": "se_kettles_2",
        "se_kettles_c2": "se_kettles_900", "se_kettles_c3": "se_kettles_900", "se_kettles_c5": "se_kettles_900",
    }  # fmt: skip
    assert [(reject.row, reject.reason) for reject in found.rejects] == [(4, "Comments.xml: Posts.xml holds no post 1")]


def test_comments_on_no_posts_are_rejects(site: Callable[..., Path]) -> None:
    found = read(site(document("posts"), document("comments", comment(1, 5))))
    assert (found.lines, [reject.reason for reject in found.rejects]) == (1, ["Comments.xml: Posts.xml holds no post 5"])


POSTS_XML = document("posts", question(1), answer(2, 1))
COMMENTS_XML = document("comments", comment(1, 2))
ALL = ["se_kettles_1", "se_kettles_2", "se_kettles_c1"]


def test_comments_alone_read_the_posts_beside_them(site: Callable[..., Path]) -> None:
    folder = site(POSTS_XML, COMMENTS_XML)
    found = read(folder / "Comments.xml")
    assert (found.posts["id"].to_list(), found.posts["thread_id"].to_list(), found.lines) == (ALL[2:], ALL[:1], 1)
    assert read(folder / "Posts.xml").posts["id"].to_list() == ALL[:2]


def test_comments_without_posts_are_told(site: Callable[..., Path], tmp_path: Path) -> None:
    folder = site(None, COMMENTS_XML)
    with pytest.raises(
        UserError, match=r"Comments\.xml: holds comments, whose threads are told by Posts\.xml only; put Posts\.xml beside it"
    ):
        read(folder / "Comments.xml")
    with pytest.raises(
        UserError, match=re.escape(f"{folder}: holds comments, whose threads are told by Posts.xml only; put Posts.xml beside it")
    ):
        read(folder)
    other = tmp_path / "remarks.xml"
    other.write_bytes(COMMENTS_XML)
    with pytest.raises(UserError, match=r"remarks\.xml: holds comments, whose threads are told by Posts\.xml only; put Posts\.xml"):
        read(other)


@pytest.mark.parametrize("names", [("Comments.xml", "Posts.xml"), ("kettles/Posts.xml", "kettles/Comments.xml")])
def test_an_archive_is_read_posts_first_in_whatever_order_it_is(tmp_path: Path, names: tuple[str, str]) -> None:
    path = tmp_path / f"{SITE}.7z"
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_BZIP2}]) as archive:
        for name in ("Badges.xml", *names, "Users.xml"):
            archive.writestr(POSTS_XML if "Posts" in name else COMMENTS_XML if "Comments" in name else b"<rest/>", name)
    found = read(path)
    assert found.posts["id"].to_list() == ALL
    posts, comments = sorted(names, reverse=True)
    assert found.posts["source_file"].to_list() == [f"{path}/{posts}", f"{path}/{posts}", f"{path}/{comments}"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_a_table_finds_the_posts_in_the_archive_beside_it(tmp_path: Path) -> None:
    for name, content in (("Posts", POSTS_XML), ("Comments", COMMENTS_XML)):
        with py7zr.SevenZipFile(tmp_path / f"stackoverflow.com-{name}.7z", "w") as archive:
            archive.writestr(content, f"{name}.xml")
    found = read(tmp_path / "stackoverflow.com-Comments.7z").posts
    assert found["id"].to_list() == ["se_stackoverflow_c1"]
    assert found["permalink"].to_list() == ["https://stackoverflow.com/questions/1#comment1_2"]
    assert read(tmp_path / "stackoverflow.com-Posts.7z").posts["id"].to_list() == ["se_stackoverflow_1", "se_stackoverflow_2"]


def test_compressed_files_of_a_folder_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "Kettle Court"
    folder.mkdir()
    (folder / "posts.xml.gz").write_bytes(gzip.compress(POSTS_XML))
    (folder / "comments.xml.gz").write_bytes(gzip.compress(COMMENTS_XML))
    found = read(folder).posts
    assert found["id"].to_list() == ["se_kettle-court_1", "se_kettle-court_2", "se_kettle-court_c1"]
    assert found["permalink"].null_count() == 3
    assert read(folder / "comments.xml.gz").posts["thread_id"].to_list() == ["se_kettle-court_1"]


@pytest.mark.parametrize(
    ("name", "community"),
    [
        ("cooking.stackexchange.com/Posts.xml", "cooking"),
        ("cooking.meta.stackexchange.com/Posts.xml", "cooking.meta"),
        ("meta.stackexchange.com/Posts.xml", "meta"),
        ("mathoverflow.net/posts.xml", "mathoverflow"),
        ("es.stackoverflow.com/Posts.xml", "es.stackoverflow"),
        ("here/superuser.com-Posts.xml", "superuser"),
        ("here/tea_posts.xml", "tea"),
        ("here/blueposts.xml", "blueposts"),
        ("Tea & Co/Posts.xml", "tea-co"),
    ],
)
def test_the_site_is_told_by_the_name_of_the_folder_or_file(tmp_path: Path, name: str, community: str) -> None:
    path = tmp_path / name
    path.parent.mkdir()
    path.write_bytes(POSTS_XML)
    assert read(path).posts["community"].to_list() == [community] * 2


def test_two_sites_share_no_id(site: Callable[..., Path]) -> None:
    kettles = read(site(POSTS_XML, COMMENTS_XML)).posts["id"].to_list()
    mugs = read(site(POSTS_XML, COMMENTS_XML, name="mugs.stackexchange.com")).posts["id"].to_list()
    assert len({*kettles, *mugs}) == 6


def test_another_site_is_passed_over_and_counted(site: Callable[..., Path]) -> None:
    folder = site(POSTS_XML, COMMENTS_XML)
    found = read(folder, Wanted(communities=("mugs",)))
    assert (found.lines, found.posts.height, found.rejects, found.passed_over) == (3, 0, [], 3)
    assert read(folder, Wanted(communities=("mugs", "Kettles"))).posts["id"].to_list() == ALL


def test_other_days_are_passed_over_but_known_to_their_comments(site: Callable[..., Path]) -> None:
    old = "2010-01-01T00:00:00.000"
    xml = document("posts", question(1, CreationDate=old), answer(2, 1, CreationDate=old), question(3, CreationDate="?"))
    found = read(site(xml, COMMENTS_XML), Wanted(since=datetime.date(2019, 1, 1)))
    assert found.posts.select("id", "thread_id").rows() == [("se_kettles_3", "se_kettles_3"), ("se_kettles_c1", "se_kettles_1")]
    assert (found.lines, found.passed_over) == (4, 2)


def test_a_dump_that_is_cut_off_is_told(site: Callable[..., Path]) -> None:
    folder = site(POSTS_XML[:-9], COMMENTS_XML)
    with pytest.raises(UserError, match=re.escape(f"{folder}/Posts.xml: ends without </posts>: it is cut off")):
        read(folder)


def test_what_holds_no_posts_is_told(tmp_path: Path) -> None:
    path = tmp_path / f"{SITE}.7z"
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.writestr(b"<users/>", "Users.xml")
    with pytest.raises(UserError, match=re.escape(f"{path}: holds neither Posts.xml nor Comments.xml; give a site's data dump")):
        read(path)
    users = tmp_path / "Users.xml"
    users.write_bytes(document("users"))
    with pytest.raises(UserError, match=r"Users\.xml: begins with .*; expected the element <posts> of a data dump"):
        read(users)
    with pytest.raises(UserError, match="-: standard input does not tell which site the dump is of"):
        list(stack_exchange.read(Place("-"), Wanted(), {}))


def test_two_files_of_a_kind_are_told(site: Callable[..., Path]) -> None:
    folder = site(POSTS_XML)
    (folder / "Posts.xml.gz").write_bytes(gzip.compress(POSTS_XML))
    with pytest.raises(UserError, match=re.escape(f"{folder}: holds two of a kind, {folder}/Posts.xml and {folder}/Posts.xml.gz")):
        read(folder)


def test_reading_that_stops_early_ends_its_thread(site: Callable[..., Path]) -> None:
    batches = stack_exchange.read(Place(str(site(document("posts", *map(question, range(1, 30_000)))))), Wanted(), {})
    assert next(batches).posts.height == 20_000
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (Head("x", POSTS_XML, POSTS_XML), True),
        (Head("x", b"\x1f\x8b", COMMENTS_XML), True),
        (Head("x", b"7z\xbc\xaf\x27\x1c\0\4", b""), True),
        (Head("x", b"", b"", frozenset({"Users.xml", "Posts.xml"})), True),
        (Head("x", b"", b"", frozenset({"comments.xml.gz"})), True),
        (Head("x", b"", b"", frozenset({"Users.xml", "Posts.xml.txt"})), False),
        (Head("x", b"", b"", frozenset()), False),
        (Head("x", b"", document("users", row(Id=1))), False),
        (Head("x", b"", b"<posts><post>tea</post></posts>"), False),
        (Head("x", b"", b'{"body": "<posts><row"}'), False),
        (Head("x", b"", b""), False),
    ],
)
def test_dumps_are_recognised_by_their_beginning(head: Head, expected: bool) -> None:
    assert recognises(head) is expected
