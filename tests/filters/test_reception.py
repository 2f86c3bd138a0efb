import pytest

from filters.reception import Ads, Distinguished, MinScore, Nsfw, Removed, Stickied
from filters.rule import CONTEXT


@pytest.mark.parametrize(
    ("rule", "field", "dropped", "kept"),
    [
        (Removed(), "removal", ["author", "moderator", "admin", "legal", "unknown"], ["none", None]),
        (Stickied(), "stickied", [True], [False, None]),
        (Distinguished(), "distinguished", ["moderator", "admin"], [None]),
        (Ads(), "promoted", [True], [False, None]),
    ],
)
def test_a_flag_drops_a_post_as_reply_and_as_context_and_unknown_passes(rule, field, dropped, kept, target, context):
    changes = [{field: value} for value in [*dropped, *kept]]
    expected = [rule.name()] * len(dropped) + [None] * len(kept)
    assert target(rule, *changes) == expected
    assert context(rule, *changes) == expected


def test_a_submission_that_is_not_safe_for_work_condemns_its_thread_and_no_other(target, context):
    thread = [
        {"id": "t3_a", "parent_id": None, "nsfw": True},
        {"id": "t1_b", "thread_id": "t3_c", "nsfw": False},
        {"id": "t1_a", "nsfw": None},
        {"id": "t1_d", "thread_id": "t3_c", "nsfw": None},
        {"id": "t1_e", "nsfw": False},
        {"id": "t1_f", "thread_id": "t3_f", "nsfw": None},
    ]
    expected = ["nsfw", None, "nsfw", None, "nsfw", None]
    assert target(Nsfw(), *thread) == expected
    assert context(Nsfw(), *thread) == expected


def test_a_mark_on_a_comment_speaks_for_its_thread(target):
    assert target(Nsfw(), {"nsfw": True}, {"nsfw": False}, {"thread_id": "t3_b"}) == ["nsfw", "nsfw", None]


def test_the_score_must_reach_the_minimum_and_a_hidden_one_passes(target):
    scores = [{"score": score} for score in (3, 2, 0, -40, 2_000_000_000, None)]
    assert target(MinScore(), *scores) == [None, "min_score", "min_score", "min_score", None, None]
    assert target(MinScore(-5), *scores) == [None, None, None, "min_score", None, None]
    assert target(MinScore(10**10), *scores) == ["min_score"] * 5 + [None]


def test_an_unpopular_comment_may_stand_as_context(context):
    assert CONTEXT not in MinScore.judges
    assert context(MinScore(), {"score": -40}) == [None]
