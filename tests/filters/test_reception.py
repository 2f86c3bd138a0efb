import datetime

import pytest

from filters.reception import Ads, Distinguished, MinScore, Nsfw, Quarantined, Removed, Settled, Stickied, UpvoteRatio
from filters.rule import BOTH, CONTEXT, NOBODY, TARGET, RuleError


@pytest.mark.parametrize(
    ("rule", "field", "dropped", "kept"),
    [
        (Removed(), "removal", ["author", "moderator", "admin", "legal", "unknown"], ["none", None]),
        (Stickied(), "stickied", [True], [False, None]),
        (Distinguished(), "distinguished", ["moderator", "admin", "special"], [None]),
        (Ads(), "promoted", [True], [False, None]),
    ],
)
def test_a_flag_drops_a_post_as_reply_and_as_context_and_unknown_passes(rule, field, dropped, kept, target, context):
    changes = [{field: value} for value in [*dropped, *kept]]
    expected = [rule.name()] * len(dropped) + [None] * len(kept)
    assert target(rule, *changes) == expected
    assert context(rule, *changes) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[removed]",
        "[deleted]",
        "[ Removed by Reddit ]",
        "[ Removed by Reddit on account of violating the [content policy](/help/contentpolicy). ]",
        "[ Removed by Reddit in response to a copyright notice. ]",
        "[ Removed by moderator ]",
        "[Deleted By User]",
        "[removed]\n",
        " [removed]",
        "\r\n\u00a0[ deleted by user ]\t\n\n",
    ],
)
@pytest.mark.parametrize("removal", ["none", None])
def test_a_marker_in_the_place_of_the_text_is_a_removal_though_the_source_knows_of_none(text, removal, target, context):
    assert target(Removed(), {"text": text, "removal": removal}) == ["removed"]
    assert context(Removed(), {"text": text, "removal": removal}) == ["removed"]


@pytest.mark.parametrize(
    "text",
    [
        "[removed] again? The clerk is strict today.",
        "Why was it [removed]",
        "[The kettle whistles.]",
        "[removed by popular demand, m'lud]",
        "[removed]\n[deleted]",
        "[redacted]",
        "[",
        "",
        None,
    ],
)
def test_a_text_about_removals_stays(text, target):
    assert target(Removed(), {"text": text}) == [None]


@pytest.mark.parametrize(("rule", "flag"), [(Nsfw(), "nsfw"), (Quarantined(), "quarantined")])
def test_a_submission_with_a_warning_condemns_its_thread_and_no_other(rule, flag, target, context):
    thread = [
        {"id": "t3_a", "parent_id": None, flag: True},
        {"id": "t1_b", "thread_id": "t3_c", flag: False},
        {"id": "t1_a", flag: None},
        {"id": "t1_d", "thread_id": "t3_c", flag: None},
        {"id": "t1_e", flag: False},
        {"id": "t1_f", "thread_id": "t3_f", flag: None},
        {"id": "t1_g", "thread_id": None, flag: False},
    ]
    expected = [rule.name(), None, rule.name(), None, rule.name(), None, None]
    assert target(rule, *thread) == expected
    assert context(rule, *thread) == expected


@pytest.mark.parametrize(("rule", "flag"), [(Nsfw(), "nsfw"), (Quarantined(), "quarantined")])
def test_a_mark_on_a_comment_speaks_for_its_thread(rule, flag, target):
    assert target(rule, {flag: True}, {flag: False}, {"thread_id": "t3_b"}) == [rule.name(), rule.name(), None]


def test_the_score_must_reach_the_minimum_and_a_hidden_one_passes(target):
    scores = [{"score": score} for score in (3, 2, 0, -40, 2_000_000_000, None)]
    assert target(MinScore(), *scores) == [None, "min_score", "min_score", "min_score", None, None]
    assert target(MinScore(-5), *scores) == [None, None, None, "min_score", None, None]
    assert target(MinScore(10**10), *scores) == ["min_score"] * 5 + [None]


def test_what_is_answered_needs_a_score_of_its_own(context):
    scores = [{"score": score} for score in (3, 1, 0, -1, -40, None)]
    assert context(MinScore(), *scores) == [None, None, None, "min_score", "min_score", None]
    assert context(MinScore(minimum=100), *scores) == context(MinScore(), *scores)
    assert context(MinScore(context=-5), *scores) == [None, None, None, None, "min_score", None]


def test_the_ratio_of_votes_is_looked_at_where_a_minimum_is_set_and_unknown_passes(target, context):
    ratios = [{"upvote_ratio": ratio} for ratio in (1.0, 0.5, 0.49, 0.0, None)]
    expected = [None, None, "upvote_ratio", "upvote_ratio", None]
    assert target(UpvoteRatio(0.5), *ratios) == context(UpvoteRatio(0.5), *ratios) == expected
    assert target(UpvoteRatio(), *ratios) == [None] * 5
    assert (UpvoteRatio(0.5).judging(), UpvoteRatio().judging()) == (BOTH, NOBODY)


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.7, 0.9, 0.97])
def test_a_ratio_that_is_the_minimum_is_enough_though_no_float_is_exactly_it(ratio, target):
    assert target(UpvoteRatio(ratio), {"upvote_ratio": ratio}) == [None]


@pytest.mark.parametrize("minimum", [-0.1, 1.01, 50])
def test_a_ratio_that_is_no_share_is_refused(minimum):
    with pytest.raises(RuleError) as refused:
        UpvoteRatio(minimum)
    assert str(refused.value) == f"upvote_ratio: minimum is {minimum}; expected a share of the votes, from 0 to 1"


def test_a_reply_is_settled_after_so_many_hours_and_unknown_passes(target, context):
    written = datetime.datetime(2024, 5, 17, 8, 30, tzinfo=datetime.UTC)
    ages = [
        {"created_at": written, "retrieved_at": written + datetime.timedelta(hours=hours, seconds=seconds)}
        for hours, seconds in ((36, 0), (36, -1), (0, 0), (-1, 0), (100_000, 0))
    ]
    unknown = [{"created_at": None}, {"retrieved_at": None}]
    assert target(Settled(), *ages, *unknown) == [None, "settled", "settled", "settled", None, None, None]
    assert target(Settled(hours=0), *ages, *unknown) == [None, None, None, "settled", None, None, None]
    assert context(Settled(), *ages) == [None] * 5
    assert (Settled().judging(), CONTEXT in Settled.judges, Settled.by_default) == (TARGET, False, False)


def test_hours_before_the_post_was_written_are_refused():
    with pytest.raises(RuleError) as refused:
        Settled(hours=-1)
    assert str(refused.value) == "settled: hours is -1; expected 0 or more"
