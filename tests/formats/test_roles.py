import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from formats.rendering.conversations import NOBODY, THE_BOT
from formats.rendering.roles import merge, merged_roles, plain_roles

B = THE_BOT


def told(rows):
    """Turns and speakers of conversations given as the speakers of each, the reply's last."""
    width = max(map(len, rows))
    turns = np.array([[NOBODY] * (width - len(row)) + list(range(len(row))) for row in rows])
    speakers = np.array([[THE_BOT] * (width - len(row)) + list(row) for row in rows])
    return turns, speakers


def as_words(roles, turns):
    return [
        "".join("-" if turn == NOBODY else "b" if bot else "u" for turn, bot in zip(row, flags, strict=True))
        for row, flags in zip(turns.tolist(), roles.bot.tolist(), strict=True)
    ]


def test_the_first_turn_and_the_one_that_is_answered_are_the_users():
    turns, speakers = told([[0, B], [B, B], [B, B, B], [B, B, 0, B], [B, 0, B, B], [0, B, B, 0, B]])
    roles = merged_roles(turns, speakers)
    assert as_words(roles, turns) == ["---ub", "---ub", "--uub", "-ubub", "-uuub", "ubbub"]
    assert roles.kept.astype(int).tolist() == [
        [0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 1, 1], [1, 0, 1, 1, 1],
    ]  # fmt: skip
    assert roles.heads[4].tolist()[1:] == [1, 1, 1, 4]


def test_plain_roles_are_who_wrote_and_every_turn_stands_by_itself():
    turns, speakers = told([[B, 0, B], [0, B]])
    roles = plain_roles(turns, speakers)
    assert roles.bot.tolist() == [[True, False, True], [False, False, True]]
    assert roles.kept.tolist() == [[True, True, True], [False, True, True]]
    assert not roles.continues.any()


def test_a_conversation_without_context_is_the_bots_reply():
    roles = merged_roles(np.array([[0]]), np.array([[THE_BOT]]))
    assert (roles.bot.tolist(), roles.kept.tolist()) == ([[True]], [[True]])


def test_merged_texts_stand_in_the_place_of_the_last_and_what_says_nothing_joins_nothing():
    columns = [["a", "", "a"], ["b", "b", ""], ["c", "", "c"]]
    texts = [pl.Series(column, dtype=pl.String) for column in columns]
    says = np.array([[text != "" for text in row] for row in zip(*columns, strict=True)])
    continues = np.array([[False, True, True]] * 3)
    assert [column.to_list() for column in merge(texts, says, continues)] == [
        [None, None, None],
        [None, None, None],
        ["a\n\nb\n\nc", "b", "a\n\nc"],
    ]


@given(st.lists(st.lists(st.integers(-1, 2), max_size=6).map(lambda context: [*context, B]), min_size=1, max_size=5))
def test_kept_turns_alternate_from_user_to_bot(rows):
    turns, speakers = told(rows)
    roles = merged_roles(turns, speakers)
    for row, bot, kept in zip(rows, roles.bot, roles.kept, strict=True):
        word = "".join("b" if flag else "u" for flag in bot[kept])
        assert word == "ub" * (len(word) // 2) + "b" * (len(row) == 1)
