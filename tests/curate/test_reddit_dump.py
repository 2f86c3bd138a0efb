import datetime
import html
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.posts import POSTS, REMOVALS
from curate.sources.reading.ndjson import Chunk, Parsed, parse_chunk
from curate.sources.reading.place import Head
from curate.sources.reddit_dump import FIELDS, fault, recognises, to_posts

Record = dict[str, Any]
Make = Callable[..., Record]


def parse(data: bytes) -> Parsed:
    return parse_chunk(Chunk(data, 1, data.count(b"\n")), FIELDS)


@pytest.fixture(scope="session")
def posts(lines: Callable[..., bytes]) -> Callable[..., list[Record]]:
    def read(*records: Record) -> list[Record]:
        table = parse(lines(*records)).records
        assert fault(table).null_count() == len(records)
        found = to_posts(table, "kettle.zst")
        assert found.schema == pl.Schema(POSTS)
        return found.to_dicts()

    return read


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime.datetime:
    return datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)


def test_a_comment_becomes_a_post_with_every_column(comment: Make, posts: Callable[..., list[Record]]) -> None:
    (post,) = posts(
        comment(
            "kxmhmer", parent="kxm0000", thread="1bx9q2a", author="Mabel", author_fullname="t2_mabel",
            author_flair_text="Clerk &amp; bailiff", body="Kettles &lt;3", created_utc=1_700_000_000,
            edited=1_700_000_060, retrieved_on=1_700_000_120, score=-4, is_submitter=True,
            permalink="/r/KettleCourt/comments/1bx9q2a/_/kxmhmer/", distinguished=None, stickied=False,
        )
    )  # fmt: skip
    assert post == {
        "id": "t1_kxmhmer", "thread_id": "t3_1bx9q2a", "parent_id": "t1_kxm0000", "kind": "comment",
        "source": "reddit", "community": "KettleCourt", "permalink": "/r/KettleCourt/comments/1bx9q2a/_/kxmhmer/",
        "author": "Mabel", "author_id": "t2_mabel", "is_submitter": True,
        "created_at": utc(2023, 11, 14, 22, 13, 20), "edited_at": utc(2023, 11, 14, 22, 14, 20),
        "retrieved_at": utc(2023, 11, 14, 22, 15, 20), "title": None, "text": "Kettles <3", "url": None, "flair": "Clerk & bailiff",
        "score": -4, "upvote_ratio": None, "num_replies": None,
        "nsfw": None, "quarantined": None, "stickied": False, "promoted": None, "distinguished": None, "removal": "none",
        "source_file": "kettle.zst", "source_row": 1,
    }  # fmt: skip


def test_a_submission_becomes_a_root_with_every_column(submission: Make, posts: Callable[..., list[Record]]) -> None:
    (post,) = posts(
        submission(
            "1bx9q2a", author="Odo", title="The Crown &amp; the spout", selftext="Exhibit A", url="https://e.org/?a=1&amp;b=2",
            over_18=True, quarantine=False,
            link_flair_text="Trial", promoted=False, retrieved_utc=1_700_000_120, distinguished="moderator", stickied=True,
        )
    )  # fmt: skip
    assert post == {
        "id": "t3_1bx9q2a", "thread_id": "t3_1bx9q2a", "parent_id": None, "kind": "submission",
        "source": "reddit", "community": "KettleCourt", "permalink": None,
        "author": "Odo", "author_id": None, "is_submitter": None,
        "created_at": utc(2023, 11, 14, 22, 13, 20), "edited_at": None, "retrieved_at": utc(2023, 11, 14, 22, 15, 20),
        "title": "The Crown & the spout", "text": "Exhibit A", "url": "https://e.org/?a=1&b=2", "flair": "Trial",
        "score": 9, "upvote_ratio": pytest.approx(0.97), "num_replies": 3,
        "nsfw": True, "quarantined": False, "stickied": True, "promoted": None, "distinguished": "moderator", "removal": "none",
        "source_file": "kettle.zst", "source_row": 1,
    }  # fmt: skip


def test_a_record_of_2007_without_the_later_fields_is_a_post(posts: Callable[..., list[Record]]) -> None:
    (post,) = posts({"id": "c1", "body": "Tea first.", "link_id": "t3_s1", "created_utc": "1167609600"})
    unknown = dict.fromkeys(POSTS) | {
        "id": "t1_c1", "thread_id": "t3_s1", "parent_id": "t3_s1", "kind": "comment", "source": "reddit", "created_at": utc(2007, 1, 1),
        "text": "Tea first.", "removal": "none", "source_file": "kettle.zst", "source_row": 1,
    }  # fmt: skip
    assert post == unknown


@pytest.mark.parametrize("value", [1_420_070_400, "1420070400", 1_420_070_400.0, "1420070400.0", 1_420_070_400.9, "1.4200704e9"])
def test_a_time_is_read_as_integer_string_or_float(comment: Make, posts: Callable[..., list[Record]], value: object) -> None:
    (post,) = posts(comment("c1", created_utc=value))
    assert post["created_at"] == utc(2015, 1, 1)


@pytest.mark.parametrize("value", [None, False, True, "", "yesterday", "nan", "inf", -1, 1e300, [1], {"a": 1}])
def test_what_is_no_time_is_unknown_and_no_error(comment: Make, posts: Callable[..., list[Record]], value: object) -> None:
    first, second = posts(comment("c1", created_utc=value, edited=value, retrieved_on=value), comment("c2"))
    assert (first["created_at"], first["edited_at"], first["retrieved_at"]) == (None, None, None)
    assert second["created_at"] == utc(2023, 11, 14, 22, 13, 20)


def test_edited_is_false_or_a_time(comment: Make, posts: Callable[..., list[Record]]) -> None:
    found = posts(comment("c1", edited=False), comment("c2", edited=1_420_070_400), comment("c3", edited=1_420_070_400.0))
    assert [post["edited_at"] for post in found] == [None, utc(2015, 1, 1), utc(2015, 1, 1)]


def test_retrieval_has_two_names(comment: Make, submission: Make, posts: Callable[..., list[Record]]) -> None:
    found = posts(
        comment("c1", retrieved_on=1_420_070_400), comment("c2", retrieved_utc=1_420_070_400), submission(retrieved_utc="1420070400")
    )
    assert [post["retrieved_at"] for post in found] == [utc(2015, 1, 1)] * 3


def test_where_an_archive_looked_twice_the_second_time_counts(comment: Make, posts: Callable[..., list[Record]]) -> None:
    twice, once = (
        comment(name, retrieved_on=1_420_070_400, _meta=meta)
        for name, meta in (("c1", {"retrieved_2nd_on": 1_420_200_000, "is_edited": True}), ("c2", {"note": "no_2nd_retrieval"}))
    )
    assert [post["retrieved_at"] for post in posts(twice, once)] == [utc(2015, 1, 2, 12), utc(2015, 1, 1)]


def test_a_quarantined_community_is_told_by_its_submissions(comment: Make, submission: Make, posts: Callable[..., list[Record]]) -> None:
    found = posts(submission("s1", quarantine=True), submission("s2", quarantine=False), submission("s3"), comment("c1"))
    assert [post["quarantined"] for post in found] == [True, False, None, None]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"score": 7}, 7),
        ({"score": "7"}, 7),
        ({"score": 7.0}, 7),
        ({"score": -12}, -12),
        ({"score": 0}, 0),
        ({"score": None}, None),
        ({"score": "many"}, None),
        ({"score": 10**12}, None),  # beyond the column
        ({"score": 1, "score_hidden": True}, None),
        ({"score": 1, "score_hidden": "true"}, None),
        ({"score": 1, "score_hidden": False}, 1),
        ({"score": 1, "hide_score": True}, None),
        ({"score": 1, "hide_score": True, "score_hidden": False}, None),
        ({"score": 1, "hide_score": None, "score_hidden": None}, 1),
    ],
)
def test_a_score_is_known_or_null(comment: Make, posts: Callable[..., list[Record]], fields: Record, expected: int | None) -> None:
    (post,) = posts(comment("c1", **fields))
    assert post["score"] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("t1_kxmhmer", "t1_kxmhmer"),
        ("t3_s1", "t3_s1"),
        (45_568_804_275, "t1_kxmhmer"),
        ("45568804275", "t1_kxmhmer"),
        (35, "t1_z"),
        (36, "t1_10"),
        (0, "t3_s1"),
        ("0", "t3_s1"),
        (None, "t3_s1"),
        ("", "t3_s1"),
        ("abc", "t1_abc"),
        ("s1", "t3_s1"),
        ("t1_s1", "t1_s1"),
        ("9" * 5000, "t1_" + "9" * 5000),  # no number that Python would turn into one
    ],
)
def test_a_parent_is_a_fullname_a_number_in_base_36_or_the_submission(
    comment: Make, posts: Callable[..., list[Record]], value: object, expected: str
) -> None:
    (post,) = posts(comment("c1") | {"parent_id": value})
    assert post["parent_id"] == expected


@given(st.integers(1, 10**18))
def test_a_number_is_the_parent_whose_base_36_it_is(comment: Make, posts: Callable[..., list[Record]], number: int) -> None:
    (post,) = posts(comment("c1") | {"parent_id": number})
    assert int(post["parent_id"].removeprefix("t1_"), 36) == number


def test_ids_have_their_prefix_once_and_stay_strings(comment: Make, submission: Make, posts: Callable[..., list[Record]]) -> None:
    found = posts(comment("t1_12e5", thread="1007046"), comment("12e5"), submission("t3_1007046"), submission("1007046"), comment("0042"))
    assert [post["id"] for post in found] == ["t1_12e5", "t1_12e5", "t3_1007046", "t3_1007046", "t1_0042"]
    assert [post["thread_id"] for post in found] == ["t3_1007046", "t3_s1", "t3_1007046", "t3_1007046", "t3_s1"]


def test_a_link_without_its_prefix_is_the_same_thread(comment: Make, posts: Callable[..., list[Record]]) -> None:
    (post,) = posts(comment("c1", link_id="s1", parent_id=None))
    assert (post["thread_id"], post["parent_id"]) == ("t3_s1", "t3_s1")


def test_comments_and_submissions_with_the_same_base_36_are_two_posts(
    comment: Make, submission: Make, posts: Callable[..., list[Record]]
) -> None:
    found = posts(submission("abc"), comment("abc", thread="abc"))
    assert [(post["id"], post["kind"], post["parent_id"]) for post in found] == [
        ("t3_abc", "submission", None),
        ("t1_abc", "comment", "t3_abc"),
    ]


@pytest.mark.parametrize("author", ["[deleted]", "[removed]", "", None])
def test_a_deleted_author_is_unknown_and_the_text_stays(comment: Make, posts: Callable[..., list[Record]], author: str | None) -> None:
    (post,) = posts(comment("c1", author=author))
    assert (post["author"], post["removal"], post["text"]) == (None, "none", "A kettle answers kettle c1.")


def test_a_record_without_author_or_subreddit_is_a_post(submission: Make, posts: Callable[..., list[Record]]) -> None:
    record = submission(promoted=True)
    del record["author"], record["subreddit"]
    (post,) = posts(record)
    assert (post["author"], post["community"], post["promoted"]) == (None, None, True)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"promoted": True}, True),
        ({"promoted": False}, None),
        ({"is_created_from_ads_ui": True}, True),
        ({"promoted": None, "is_created_from_ads_ui": True}, True),
        ({"promoted": False, "is_created_from_ads_ui": False}, False),
    ],
)
def test_ads_are_told_by_either_field(submission: Make, posts: Callable[..., list[Record]], fields: Record, expected: bool | None) -> None:
    (post,) = posts(submission(**fields))
    assert post["promoted"] is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[removed]", "moderator"),
        ("[ removed ]", "moderator"),
        (" [Removed]\n", "moderator"),
        ("[deleted]", "author"),
        ("[ Deleted By User ]", "author"),
        ("[deleted by user]", "author"),
        ("[ Removed by Reddit ]", "admin"),
        ("[ Removed by moderator ]", "moderator"),
        ("[ Removed by Reddit in response to a copyright notice. ]", "legal"),
        ("[ Removed by reddit in response to a legal request. ]", "legal"),
        ("[ Removed by Reddit on account of violating the [content policy](/help/contentpolicy). ]", "admin"),
        ("[removed] by whom, I ask?", "none"),
        ("Why was it [removed]", "none"),
        ("[removed]\n\nEdit: I am back", "none"),
        ("[[removed]]", "none"),
        ("", "none"),
        (None, "none"),
    ],
)
def test_a_marker_in_the_place_of_the_text_is_a_removal(
    comment: Make, submission: Make, posts: Callable[..., list[Record]], text: str | None, expected: str
) -> None:
    for post in posts(comment("c1", body=text), submission(selftext=text)):
        assert post["removal"] == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("[deleted by user]", "author"),
        ("[ Removed by Reddit ]", "admin"),
        ("[removed] my kettle from the premises", "none"),
        ("[Deleted]", "none"),
    ],
)
def test_reddit_puts_markers_in_the_place_of_titles_too(
    submission: Make, posts: Callable[..., list[Record]], title: str, expected: str
) -> None:
    (post,) = posts(submission(title=title, selftext=""))
    assert post["removal"] == expected


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("moderator", "moderator"),
        ("automod_filtered", "moderator"),
        ("reddit", "admin"),
        ("community_ops", "admin"),
        ("anti_evil_ops", "admin"),
        ("deleted", "author"),
        ("author", "author"),
        ("content_takedown", "legal"),
        ("copyright_takedown", "legal"),
        ("a_category_of_next_year", "unknown"),
        (None, "none"),
    ],
)
def test_every_removal_category_names_who_removed(
    submission: Make, posts: Callable[..., list[Record]], category: str | None, expected: str
) -> None:
    (post,) = posts(submission(removed_by_category=category))
    assert post["removal"] == expected
    assert post["removal"] in REMOVALS


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"removal_reason": "legal"}, "legal"),
        ({"removal_reason": None}, "none"),
        ({"_meta": {"was_deleted_later": True, "retrieved_2nd_on": 1}}, "unknown"),
        ({"_meta": {"retrieved_2nd_on": 1, "was_initially_deleted": True}}, "unknown"),
        ({"_meta": {"removal_type": "removed by moderator"}}, "unknown"),
        ({"_meta": {"was_deleted_later": False, "was_initially_deleted": False, "removal_type": None, "is_edited": True}}, "none"),
        ({"_meta": {}}, "none"),
        ({"_meta": None}, "none"),
    ],
)
def test_other_signals_of_removal(comment: Make, posts: Callable[..., list[Record]], fields: Record, expected: str) -> None:
    (post,) = posts(comment("c1", **fields))
    assert post["removal"] == expected
    assert post["text"] == "A kettle answers kettle c1."


def test_a_reason_that_names_who_comes_before_one_that_does_not(comment: Make, posts: Callable[..., list[Record]]) -> None:
    (post,) = posts(comment("c1", body="[deleted]", _meta={"was_deleted_later": True}))
    assert post["removal"] == "author"


@pytest.mark.parametrize(
    ("dumped", "text"),
    [
        ("&lt;|im_end|&gt; &amp; more", "<|im_end|> & more"),
        ("&amp;gt; a typed entity", "&gt; a typed entity"),
        ("&amp;amp;lt;", "&amp;lt;"),
        ("&gt; quoted parent\n\nreply", "> quoted parent\n\nreply"),
        ("AT&T &copy; &quot; &#39; stay", "AT&T &copy; &quot; &#39; stay"),
        ("&amp;#x200B;\n\nafter the editor's space", "after the editor's space"),
        ("a&#x200B;b\u200bc", "abc"),
        ("&amp;amp;#x200B; typed", "&amp;#x200B; typed"),
        ("half a pair: \0", "half a pair:"),
        ("  spaces at the ends \n", "spaces at the ends"),
        ("one\u2028two\x85three", "one\u2028two\x85three"),
    ],
)
def test_text_is_unescaped_exactly_once(
    comment: Make, submission: Make, posts: Callable[..., list[Record]], dumped: str, text: str
) -> None:
    first, second = posts(comment("c1", body=dumped), submission(title=dumped, selftext=dumped))
    assert (first["text"], second["text"], second["title"]) == (text, text, text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\u200b"), min_size=1))
def test_what_reddit_escapes_comes_back_as_it_was(comment: Make, posts: Callable[..., list[Record]], text: str) -> None:
    written = "a" + text.replace("&#x200B;", "") + "b"  # white space at the ends goes
    (post,) = posts(comment("c1", body=html.escape(written, quote=False)))
    assert post["text"] == written.replace("&#x200B;", "")


def test_half_a_surrogate_pair_costs_one_character_and_no_line(comment: Make, lines: Callable[..., bytes]) -> None:
    broken = b'{"id": "c1", "link_id": "t3_s1", "body": "one \\ud83d two"}'
    parsed = parse(lines(broken, comment("c2")))
    found = to_posts(parsed.records, "f")
    assert (parsed.rejects, found["text"].to_list()) == ([], ["one  two", "A kettle answers kettle c2."])


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "no id"),
        ({"id": "", "body": "b", "link_id": "t3_s"}, "no id"),
        ({"id": None, "title": "t"}, "no id"),
        ({"id": ["q"], "title": "t"}, 'no id of Reddit\'s: ["q"]'),
        ({"id": 1.5, "title": "t"}, "no id of Reddit's: 1.5"),
        ({"id": "t1_", "title": "t"}, "no id of Reddit's: t1_"),
        ({"id": "Q", "title": "t"}, "no id of Reddit's: Q"),
        ({"id": "q " * 50, "title": "t"}, "no id of Reddit's: " + "q " * 20),
        ({"id": 17, "title": "t"}, None),
        ({"id": "true", "title": "t"}, None),  # as good a number in base 36 as any
        ({"id": "x"}, "neither a comment (body) nor a submission (title)"),
        ({"id": "x", "selftext": "no title"}, "neither a comment (body) nor a submission (title)"),
        ({"id": "x", "body": "b"}, "a comment without its thread (link_id)"),
        ({"id": "x", "body": "b", "link_id": ""}, "a comment without its thread (link_id)"),
        ({"id": "x", "body": "b", "link_id": None, "title": "t"}, "a comment without its thread (link_id)"),
        ({"id": "x", "title": ""}, None),
        ({"id": "x", "link_id": "t3_s"}, None),
        ({"id": "x", "link_id": "t3_s", "body": ""}, None),
    ],
)
def test_a_record_that_cannot_be_a_post_says_why(lines: Callable[..., bytes], record: Record, reason: str | None) -> None:
    table = parse(lines(record, {"id": "ok", "title": "t"})).records
    assert fault(table).to_list() == [reason, None]


def test_flags_are_true_false_or_unknown(comment: Make, posts: Callable[..., list[Record]]) -> None:
    values = [True, False, None, "True", "maybe", 1]
    found = posts(*(comment(f"c{place}", stickied=value, is_submitter=value, over_18=value) for place, value in enumerate(values)))
    expected = [True, False, None, True, None, None]
    assert [(post["stickied"], post["is_submitter"], post["nsfw"]) for post in found] == [(value,) * 3 for value in expected]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("x", b'{"id": "c1", "body": "b", "link_id": "t3_s"}\n', True),
        ("x", b'{"id": "s1", "title": "t", "subreddit": "KettleCourt"}\n', True),
        ("x", b'{"id": "s1", "title": "t", "is_self": false}\n{"id": "cut o', True),
        ("x", b'bad\n\n{"id": "c1", "link_id": "t3_s"}\n', True),
        ("RC_2007-10", b'{"of a line that is longer than what was looked at', True),
        ("/d/KettleCourt_submissions.zst", b' {"id"', True),
        ("RC_2007-10.csv", b"id,body\n", False),
        ("x", b'{"id": "1", "title": "Tea", "text": "of another forum"}\n', False),
        ("x", b'{"id": "1", "body": "b"}\n', False),
        ("x", b'["id", "link_id", "body"]\n', False),
        ("x", b"[" * 60_000, False),
        ("x", b"", False),
    ],
)
def test_a_dump_is_told_by_one_of_its_first_records_or_by_its_name(name: str, text: bytes, expected: bool) -> None:
    assert recognises(Head(name, text, text)) is expected


def test_a_folder_is_no_dump_whatever_its_name() -> None:
    assert not recognises(Head("RC_2023-01", b"", b"", frozenset({"a"})))
