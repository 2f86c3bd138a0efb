from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import threads
from curate.posts import POSTS
from formats.rendering.render import NOBODY, THE_BOT, TURN_TEXT

Post = dict[str, Any]
SCHEMA = {name: POSTS.get(name, pl.String) for name in threads.COLUMNS}


def post(name: str, parent: str | None, author: str | None = "ann", thread: str = "t3_s", **fields: Any) -> Post:
    defaults = {
        "id": name,
        "thread_id": thread,
        "parent_id": parent,
        "author": author,
        "text": f"text of {name}",
        "community": "K",
        "score": 5,
    }
    return defaults | fields


def table(*rows: Post) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA)


def conversations(judged: pl.DataFrame, found: threads.Chains) -> list[dict[str, Any]]:
    """Each conversation's keys, and its turns as (id, speaker, text)."""
    made = threads.conversations(judged, found)
    texts = made.posts.select(TURN_TEXT).to_series()
    rows = []
    for keys, turns, speakers in zip(made.replies.iter_rows(named=True), made.turns.tolist(), made.speakers.tolist(), strict=True):
        told = [
            (judged["id"][row], "Bot" if speaker == THE_BOT else f"Speaker_{speaker}", texts[row])
            for row, speaker in zip(turns, speakers, strict=True)
            if row != NOBODY
        ]
        rows.append({**keys, "turns": told})
    return rows


def turns_of(judged: pl.DataFrame, max_turns: int = 10) -> dict[str, list[tuple[str, str]]]:
    """By reply: (id, speaker) of each turn."""
    found = conversations(judged, threads.chains(judged, max_turns))
    return {row["id"]: [(name, speaker) for name, speaker, _ in row["turns"]] for row in found}


def ids_of(judged: pl.DataFrame, max_turns: int = 10) -> dict[str, list[str]]:
    return {reply: [turn for turn, _ in turns] for reply, turns in turns_of(judged, max_turns).items()}


def chain(length: int, **fields: Any) -> list[Post]:
    """t3_s, then c1 answering it, c2 answering c1, …"""
    root = post("t3_s", None, title="A case")
    return [root, *(post(f"c{depth}", f"c{depth - 1}" if depth > 1 else "t3_s", **fields) for depth in range(1, length))]


def test_a_reply_has_all_turns_before_it_in_the_order_in_which_they_were_said() -> None:
    assert ids_of(table(*chain(4))) == {"c1": ["t3_s", "c1"], "c2": ["t3_s", "c1", "c2"], "c3": ["t3_s", "c1", "c2", "c3"]}


def test_the_order_of_the_rows_is_of_no_account() -> None:
    assert ids_of(table(*reversed(chain(4)))) == dict(reversed(ids_of(table(*chain(4))).items()))


@pytest.mark.parametrize(
    ("max_turns", "expected"), [(2, ["c3", "c4"]), (3, ["c2", "c3", "c4"]), (5, ["t3_s", "c1", "c2", "c3", "c4"]), (64, None)]
)
def test_a_deep_chain_keeps_the_turns_nearest_to_the_reply(max_turns: int, expected: list[str] | None) -> None:
    assert ids_of(table(*chain(5)), max_turns)["c4"] == (expected or ["t3_s", "c1", "c2", "c3", "c4"])


def test_a_chain_a_thousand_deep_is_walked() -> None:
    judged = table(*chain(1000))
    assert ids_of(judged, 3)["c999"] == ["c997", "c998", "c999"]
    assert len(ids_of(judged, 3)) == 999


def test_a_dropped_context_turn_cuts_the_chain() -> None:
    rows = chain(5)
    rows[2]["context_reason"] = "removed"
    assert ids_of(table(*rows)) == {"c1": ["t3_s", "c1"], "c2": ["t3_s", "c1", "c2"], "c4": ["c3", "c4"]}


def test_a_dropped_target_is_no_reply_and_stays_context() -> None:
    rows = chain(4)
    rows[2]["target_reason"] = "min_score"
    assert ids_of(table(*rows)) == {"c1": ["t3_s", "c1"], "c3": ["t3_s", "c1", "c2", "c3"]}


def test_a_missing_parent_cuts_the_chain_and_is_counted() -> None:
    judged = table(post("c1", "gone"), post("c2", "c1"), post("c3", None))
    found = threads.chains(judged, 5)
    assert ids_of(judged) == {"c2": ["c1", "c2"]}
    assert (found.roots, found.without_context) == (1, 1)


def test_every_kept_target_is_a_root_without_context_or_a_conversation() -> None:
    rows = [*chain(4), post("lost", "gone"), post("dropped", "c1", target_reason="length"), post("t3_other", None, target_reason="length")]
    rows[1]["context_reason"] = "ads"
    found = threads.chains(table(*rows), 4)
    assert (found.roots, found.without_context, len(found.turns)) == (1, 2, 2)


def test_a_post_that_answers_itself_has_no_context() -> None:
    judged = table(post("c1", "c1"), post("c2", "c1"))
    assert ids_of(judged) == {"c2": ["c1", "c2"]}
    assert threads.chains(judged, 4).without_context == 1


@pytest.mark.parametrize("length", [2, 3, 5])
def test_posts_in_a_circle_have_no_context_and_a_reply_is_never_its_own(length: int) -> None:
    circle = [post(f"r{place}", f"r{(place + 1) % length}") for place in range(length)]
    judged = table(*circle, post("into", "r0"), post("further", "into"), *chain(3))
    assert ids_of(judged) == {
        "into": ["r0", "into"],
        "further": ["r0", "into", "further"],
        "c1": ["t3_s", "c1"],
        "c2": ["t3_s", "c1", "c2"],
    }
    assert threads.chains(judged, 64).without_context == length


def test_a_parent_in_another_thread_is_none() -> None:
    """Else a conversation would carry the other thread into this one's split."""
    judged = table(post("c1", None, thread="t3_a"), post("c2", "c1", thread="t3_b"), post("c3", "c1", thread="t3_a"))
    assert ids_of(judged) == {"c3": ["c1", "c3"]}


def test_the_author_of_the_reply_is_the_bot_and_the_others_are_numbered_as_they_appear() -> None:
    rows = [
        post("t3_s", None, "odo"),
        post("c1", "t3_s", "mabel"),
        post("c2", "c1", "fitch"),
        post("c3", "c2", "odo"),
        post("c4", "c3", "mabel"),
    ]
    found = turns_of(table(*rows))
    assert found["c4"] == [("t3_s", "Speaker_0"), ("c1", "Bot"), ("c2", "Speaker_1"), ("c3", "Speaker_0"), ("c4", "Bot")]
    assert found["c3"] == [("t3_s", "Bot"), ("c1", "Speaker_0"), ("c2", "Speaker_1"), ("c3", "Bot")]


def test_numbers_start_anew_where_the_chain_is_cut() -> None:
    rows = [post("t3_s", None, "odo"), post("c1", "t3_s", "mabel"), post("c2", "c1", "fitch"), post("c3", "c2", "ann")]
    assert turns_of(table(*rows), 3)["c3"] == [("c1", "Speaker_0"), ("c2", "Speaker_1"), ("c3", "Bot")]


def test_unknown_authors_are_each_a_speaker_of_their_own_and_never_the_bot() -> None:
    rows = [post("t3_s", None, None), post("c1", "t3_s", "odo"), post("c2", "c1", None), post("c3", "c2", None)]
    assert turns_of(table(*rows))["c3"] == [("t3_s", "Speaker_0"), ("c1", "Speaker_1"), ("c2", "Speaker_2"), ("c3", "Bot")]


def test_who_answers_only_themselves_is_the_bot_throughout() -> None:
    assert turns_of(table(*chain(3)))["c2"] == [("t3_s", "Bot"), ("c1", "Bot"), ("c2", "Bot")]


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("The Crown v. Spout", "It whistles.", "The Crown v. Spout\n\nIt whistles."),
        ("The Crown v. Spout", "", "The Crown v. Spout"),
        ("The Crown v. Spout", None, "The Crown v. Spout"),
        (None, "It whistles.", "It whistles."),
        (None, None, ""),
    ],
)
def test_a_submission_says_its_title_and_its_text(title: str | None, text: str | None, expected: str) -> None:
    judged = table(post("t3_s", None, title=title, text=text), post("c1", "t3_s"))
    (row,) = conversations(judged, threads.chains(judged, 2))
    assert [text for _, _, text in row["turns"]] == [expected, "text of c1"]


def test_a_conversation_knows_the_title_of_its_thread_and_the_flair_of_who_replies() -> None:
    rows = [
        post("t3_s", None, title="The Crown v. Spout", flair="Case"),
        post("c1", "t3_s", flair="Clerk", title="no title of the thread"),
        post("c2", "c1", created_at=datetime(2011, 11, 11, tzinfo=UTC)),
        post("d1", None, thread="t3_d"),
        post("d2", "d1", thread="t3_d", title="no title of the thread"),
    ]
    made = threads.conversations(table(*rows), threads.chains(table(*rows), 3))
    assert made.replies.select("id", "title", "flair").rows() == [
        ("c1", "The Crown v. Spout", "Clerk"),
        ("c2", "The Crown v. Spout", None),
        ("d2", None, None),
    ]
    told = made.posts.select("id", "title", "flair", "text").row(0)
    assert told == ("t3_s", "The Crown v. Spout", "Case", "text of t3_s")
    assert made.posts["created_at"][2].year == 2011


def test_a_conversation_has_the_keys_of_its_reply() -> None:
    judged = table(post("t3_s", None, community="Other", score=1), post("c1", "t3_s", community="KettleCourt", score=None))
    (row,) = threads.conversations(judged, threads.chains(judged, 2)).replies.iter_rows(named=True)
    keys = {"id": "c1", "thread_id": "t3_s", "community": "KettleCourt", "created_at": None, "score": None}
    assert row == {**keys, "title": None, "flair": None}


@pytest.mark.parametrize(
    "rows", [[], [post("t3_s", None)], [post("c1", "gone")], [post("c1", "t3_s", target_reason="x"), post("t3_s", None)]]
)
def test_where_no_reply_stands_there_is_no_conversation(rows: list[Post]) -> None:
    none = table(*rows)
    made = threads.conversations(none, threads.chains(none, 4))
    assert (made.replies.height, made.turns.shape, made.speakers.shape) == (0, (0, 4), (0, 4))


def naive(rows: list[Post], max_turns: int) -> tuple[dict[str, list[tuple[str, str, str]]], int, int]:
    """What threads.py does, post by post."""
    by_id = {row["id"]: row for row in rows}

    def parent(row: Post) -> Post | None:
        found = by_id.get(row["parent_id"])
        return found if found and found["thread_id"] == row["thread_id"] else None

    def is_own_ancestor(row: Post) -> bool:
        above = parent(row)
        for _ in rows:
            if above is None or above is row:
                break
            above = parent(above)
        return above is row

    def before(row: Post, turns: int) -> list[Post]:
        above = None if is_own_ancestor(row) else parent(row)
        if turns == 0 or above is None or above.get("context_reason"):
            return []
        return [*before(above, turns - 1), above]

    conversations, roots, without_context = {}, 0, 0
    for row in rows:
        if row.get("target_reason"):
            continue
        if row["parent_id"] is None:
            roots += 1
        elif context := before(row, max_turns - 1):
            names: dict[str, str] = {row["author"] or row["id"]: "Bot"}
            turns = []
            for turn in [*context, row]:
                name = names.setdefault(turn["author"] or turn["id"], f"Speaker_{len(names) - 1}")
                turns.append((turn["id"], name, "\n\n".join(part for part in (turn.get("title"), turn["text"]) if part)))
            conversations[row["id"]] = turns
        else:
            without_context += 1
    return conversations, roots, without_context


@st.composite
def forums(draw: st.DrawFn) -> list[Post]:
    """Posts whose parents are earlier, later, themselves, missing or in another thread."""
    count = draw(st.integers(0, 14))
    reason = st.sampled_from([None, None, None, "removed"])
    return [
        post(
            f"t1_{place}",
            draw(st.one_of(st.none(), st.just("t1_gone"), *[st.integers(0, count - 1).map(lambda other: f"t1_{other}")] * 4)),
            draw(st.sampled_from(["ann", "odo", "fitch", None])),
            draw(st.sampled_from(["t3_a", "t3_a", "t3_a", "t3_b"])),
            title=draw(st.sampled_from([None, "Title"])),
            target_reason=draw(reason),
            context_reason=draw(reason),
        )
        for place in range(count)
    ]


@settings(max_examples=200)
@given(forums(), st.integers(2, 8))
def test_chains_are_those_of_a_walk_post_by_post(rows: list[Post], max_turns: int) -> None:
    judged = table(*rows)
    expected, roots, without_context = naive(rows, max_turns)
    found = threads.chains(judged, max_turns)
    made = {row["id"]: row["turns"] for row in conversations(judged, found)}
    assert made == expected
    assert list(made) == list(expected)
    assert (found.roots, found.without_context) == (roots, without_context)
    assert judged["target_reason"].is_null().sum() == found.roots + found.without_context + len(found.turns)
