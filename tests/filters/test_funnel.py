import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.authorship import Bots, NoAuthor
from filters.funnel import Funnel, count
from filters.reception import Ads, MinScore, Nsfw, Removed, Stickied
from filters.rule import CONTEXT, TARGET
from filters.verdicts import judge
from filters.wording import Empty, Length

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "thread_id": st.sampled_from(["t3_a", "t3_b"]),
        "author": st.sampled_from([None, "AutoModerator", "crust_fund"]),
        "text": st.sampled_from([None, "", "Ha.", "A verdict of more than twenty characters."]),
        "score": st.one_of(st.none(), st.integers(-5, 9)),
        "nsfw": st.sampled_from([None, True, False]),
        "stickied": st.sampled_from([None, True, False]),
        "promoted": st.sampled_from([None, True, False]),
        "removal": st.sampled_from([None, "none", "author", "unknown"]),
    },
)
RULES = [Removed(), NoAuthor(), Bots(), Stickied(), Ads(), Nsfw(), Empty(), MinScore(), Length()]


def test_a_funnel_counts_each_post_with_its_first_rule_in_order_and_shows_zeros(posts):
    table = posts({}, {"removal": "author", "score": 0}, {"score": 1}, {"score": 2}, {"author": None})
    funnel = count(judge(table, RULES), RULES)
    target = {
        "removed": 1,
        "no_author": 1,
        "bots": 0,
        "stickied": 0,
        "ads": 0,
        "nsfw": 0,
        "empty": 0,
        "min_score": 2,
        "length": 0,
        "kept": 1,
    }
    assert list(funnel.target.items()) == list(target.items())
    assert list(funnel.context.items()) == [
        (name, int(name == "removed")) for name in ("removed", "bots", "stickied", "ads", "nsfw", "empty")
    ] + [("kept", 4)]
    assert funnel.to_dict() == {"posts": 5, "target": target, "context": funnel.context}


@given(st.lists(CHANGES, max_size=8), st.permutations(RULES), st.integers(0, len(RULES)))
def test_every_post_is_counted_once_with_the_first_rule_that_drops_it(posts, changes, order, number):
    rules, table = order[:number], posts(*changes)
    judged = judge(table, rules)
    for column, side in (("target_reason", TARGET), ("context_reason", CONTEXT)):
        verdicts = [
            (rule.name(), table.select(pl.repeat(True, pl.len()) & rule.keeps().fill_null(True)).to_series())
            for rule in rules
            if side in rule.judges
        ]
        first = [next((name for name, kept in verdicts if not kept[row]), None) for row in range(table.height)]
        assert judged[column].to_list() == first
    funnel = count(judged, rules)
    assert sum(funnel.target.values()) == sum(funnel.context.values()) == funnel.posts == len(changes)


@given(st.lists(st.lists(CHANGES, max_size=5), min_size=2, max_size=4))
def test_the_funnels_of_buckets_add_up_to_the_funnel_of_all(posts, buckets):
    """Threads do not cross buckets, so a rule that looks at a thread sees all of it."""
    tables = [posts(*({**change, "thread_id": f"t3_{number}"} for change in bucket)) for number, bucket in enumerate(buckets)]
    total, *others = [count(judge(table, RULES), RULES) for table in tables]
    for other in others:
        total += other
    assert total == count(judge(pl.concat(tables), RULES), RULES)


def test_a_sum_keeps_the_order_of_the_rules_with_kept_at_the_end():
    total = Funnel(3, {"removed": 2, "kept": 1}, {"kept": 3}) + Funnel(2, {"removed": 0, "kept": 2}, {"kept": 2})
    assert list(total.target.items()) == [("removed", 2), ("kept", 3)]
    assert total.posts == 5


@pytest.mark.parametrize("sides", [({"removed": 1, "kept": 3}, {"kept": 5}), ({"kept": 5}, {"kept": 6}), ({}, {"kept": 5})])
def test_a_funnel_that_loses_or_invents_a_post_is_none(sides):
    with pytest.raises(ValueError, match="the funnel does not add up: 5 posts"):
        Funnel(5, *sides)


def test_a_reason_that_no_rule_of_the_list_gave_does_not_pass_unseen(posts):
    judged = judge(posts({}, {"score": 0}), [MinScore()])
    with pytest.raises(ValueError, match="does not add up"):
        count(judged, [Removed()])
