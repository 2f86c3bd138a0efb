import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.authorship import Bots, NoAuthor
from filters.cleaning import Quotes
from filters.funnel import Funnel, count
from filters.measuring.measures import measure, needed
from filters.privacy import Pii
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


def _kept(table, rule, side):
    keeps = rule.keeps() if side is TARGET else rule.keeps_context()
    table = table.hstack(measure(table, needed([rule])))
    return table.select(pl.repeat(True, pl.len()) & keeps.fill_null(True)).to_series()


def counted(judged, rules):
    return count([judged], Funnel.of(rules))


RULES = [Removed(), NoAuthor(), Bots(), Stickied(), Ads(), Nsfw(), Empty(), MinScore(), Length()]


def test_a_funnel_counts_each_post_with_its_first_rule_in_order_and_shows_zeros(posts):
    table = posts({}, {"removal": "author", "score": 0}, {"score": 1}, {"score": 2}, {"author": None})
    funnel = counted(judge(table, RULES), RULES)
    zero = dict.fromkeys(("bots", "stickied", "ads", "nsfw", "empty"), 0)
    target = {"removed": 1, "no_author": 1, **zero, "min_score": 2, "length": 0, "kept": 1}
    assert list(funnel.target.items()) == list(target.items())
    context = {"removed": 1, **zero, "min_score": 0, "kept": 4}
    assert list(funnel.context.items()) == list(context.items())
    assert funnel.outcome == {"target": 1, "context": 3, "dropped": 1}
    assert {rule: number for rule, number in funnel.every.items() if number} == {"removed": 1, "no_author": 1, "min_score": 3}
    assert funnel.posts == 5


@given(st.lists(CHANGES, max_size=8), st.permutations(RULES), st.integers(0, len(RULES)))
def test_every_post_is_counted_once_with_the_first_rule_that_drops_it(posts, changes, order, number):
    rules, table = order[:number], posts(*changes)
    judged = judge(table, rules)
    for column, side in (("target_reason", TARGET), ("context_reason", CONTEXT)):
        verdicts = [(rule.name(), _kept(table, rule, side)) for rule in rules if side in rule.judges]
        first = [next((name for name, kept in verdicts if not kept[row]), None) for row in range(table.height)]
        assert judged[column].to_list() == first
    funnel = counted(judged, rules)
    assert sum(funnel.target.values()) == sum(funnel.context.values()) == sum(funnel.outcome.values()) == funnel.posts == len(changes)
    dropped = [row for row in range(table.height) if judged["target_reason"][row] and judged["context_reason"][row]]
    assert funnel.outcome["dropped"] == len(dropped)
    for rule in rules:
        sides = zip(judged["target_reasons"], judged["context_reasons"], strict=True)
        assert funnel.every[rule.name()] == sum(rule.name() in target or rule.name() in context for target, context in sides)


@given(st.lists(st.lists(CHANGES, max_size=5), min_size=2, max_size=4))
def test_the_funnels_of_buckets_add_up_to_the_funnel_of_all(posts, buckets):
    """Threads do not cross buckets, so a rule that looks at a thread sees all of it."""
    tables = [posts(*({**change, "thread_id": f"t3_{number}"} for change in bucket)) for number, bucket in enumerate(buckets)]
    total = Funnel.of(RULES)
    for table in tables:
        total += counted(judge(table, RULES), RULES)
    assert total == counted(judge(pl.concat(tables), RULES), RULES)
    assert total == count((judge(table, RULES) for table in tables), Funnel.of(RULES))


def test_a_funnel_of_nothing_names_every_rule_and_transform_in_order():
    assert Funnel.of([Removed(), MinScore()], [Quotes()]).to_dict() == {
        "posts": 0,
        "target": {"removed": 0, "min_score": 0, "kept": 0},
        "context": {"removed": 0, "min_score": 0, "kept": 0},
        "outcome": {"target": 0, "context": 0, "dropped": 0},
        "every": {"removed": 0, "min_score": 0},
        "changed": {"quotes": 0},
    }


def test_posts_are_counted_with_every_transform_that_changed_them(posts):
    judged = judge(posts({}, {}, {"score": 0}), [MinScore()]).with_columns(changed_by=pl.Series([["quotes"], [], ["quotes", "pii"]]))
    assert count([judged], Funnel.of([MinScore()], [Quotes(), Pii()])).changed == {"quotes": 2, "pii": 1}
    with pytest.raises(ValueError, match="'pii', which none of quotes gave"):
        count([judged], Funnel.of([MinScore()], [Quotes()]))


def test_a_report_with_more_in_it_gives_its_funnel_back(posts):
    funnel = counted(judge(posts({}, {"score": 0}), RULES), RULES)
    assert Funnel.from_report(json.loads(json.dumps({**funnel.to_dict(), "rules": {}}))) == funnel


GOOD = {"outcome": {"target": 5}, "every": {}, "changed": {}}


@pytest.mark.parametrize(
    "sides",
    [
        {"target": {"removed": 1, "kept": 3}, "context": {"kept": 5}},
        {"target": {"kept": 5}, "context": {"kept": 6}},
        {"target": {}, "context": {"kept": 5}},
        {"target": {"kept": 5}, "context": {"kept": 5}, "outcome": {"target": 4}},
        {"target": {"removed": 2, "kept": 3}, "context": {"kept": 5}, "every": {"removed": 1}},
        {"target": {"kept": 5}, "context": {"kept": 5}, "every": {"removed": 6}},
    ],
)
def test_a_funnel_that_loses_or_invents_a_post_is_none(sides):
    with pytest.raises(ValueError, match="the funnel does not add up: "):
        Funnel(5, **{**GOOD, **sides})


def test_a_reason_that_no_rule_of_the_list_gave_does_not_pass_unseen(posts):
    judged = judge(posts({}, {"score": 0}), [MinScore()])
    with pytest.raises(ValueError, match="the funnel does not add up: 1 posts with 'min_score', which none of removed, kept gave"):
        counted(judged, [Removed()])
