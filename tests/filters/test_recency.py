import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.recency import Recency
from filters.rule import BOTH, NOBODY, TARGET, RuleError
from filters.verdicts import judge

DAY = datetime.date


def at(*moment):
    return {"created_at": datetime.datetime(*moment, tzinfo=datetime.UTC)}


def test_since_is_in_and_until_is_out_both_from_midnight_utc(target, context):
    moments = [
        at(2019, 12, 31, 23, 59, 59),
        at(2020, 1, 1),
        at(2023, 6, 1),
        at(2023, 12, 31, 23, 59, 59),
        at(2024, 1, 1),
        {"created_at": None},
    ]
    rule = Recency(since=DAY(2020, 1, 1), until=DAY(2024, 1, 1))
    expected = ["recency", None, None, None, "recency", None]
    assert target(rule, *moments) == expected
    assert context(rule, *moments) == expected


@pytest.mark.parametrize(("age", "days"), [("1d", 1), ("2w", 14), ("3m", 90), ("2y", 730), ("90d", 90)])
def test_the_greatest_age_counts_from_midnight_of_now(age, days, target):
    oldest = datetime.datetime(2024, 5, 17, tzinfo=datetime.UTC) - datetime.timedelta(days=days)
    moments = [{"created_at": oldest}, {"created_at": oldest - datetime.timedelta(seconds=1)}]
    assert target(Recency(max_age=age, now=DAY(2024, 5, 17)), *moments) == [None, "recency"]


def test_of_since_and_the_greatest_age_the_later_counts(target):
    moments = [at(2024, 1, 5), at(2024, 4, 30), at(2024, 5, 10)]
    assert target(Recency(since=DAY(2024, 1, 1), max_age="1w", now=DAY(2024, 5, 17)), *moments) == ["recency", "recency", None]
    assert target(Recency(since=DAY(2024, 5, 1), max_age="1y", now=DAY(2024, 5, 17)), *moments) == ["recency", "recency", None]


def test_now_is_today_unless_it_is_fixed(target):
    today = datetime.datetime.now(datetime.UTC)
    moments = [{"created_at": today}, {"created_at": today - datetime.timedelta(days=3)}]
    assert target(Recency(max_age="1d"), *moments) == [None, "recency"]


def test_without_settings_every_age_is_kept(target):
    assert target(Recency(), at(2005, 6, 23), at(9999, 12, 31), {"created_at": None}) == [None, None, None]


def test_a_post_from_before_1970_has_an_age_too(target):
    assert target(Recency(since=DAY(1970, 1, 1)), at(1969, 12, 31, 23, 59, 59), at(1970, 1, 1)) == ["recency", None]


@pytest.mark.parametrize("age", ["", "90", "d", "0d", "-3d", "1.5y", "90 d", "90D", "2years", "\u0663d", "9d\n", "9" * 5000 + "d"])
def test_an_age_that_is_none_is_refused_with_an_example(age):
    for name in ("max_age", "half_life"):
        with pytest.raises(RuleError) as refused:
            Recency(**{name: age})
        assert str(refused.value) == f"recency: {name} is {age!r}; expected a number and one of d, w, m, y, as in 90d or 2y"


@pytest.mark.parametrize("age", ["9999y", "1001y", "999999999999d", "9" * 100 + "d"])
def test_an_age_before_any_calendar_is_refused_when_the_recipe_is_read(age):
    with pytest.raises(RuleError, match=rf"^recency: max_age {age} is older than any calendar; leave it out to keep posts of every age$"):
        Recency(max_age=age)


def test_the_oldest_age_that_is_allowed_works(target):
    assert target(Recency(max_age="1000y", now=DAY(2024, 5, 17)), at(1025, 6, 1), at(1024, 6, 1)) == [None, "recency"]


@pytest.mark.parametrize("until", [DAY(2020, 1, 1), DAY(2019, 1, 1)])
def test_a_span_that_holds_nothing_is_refused(until):
    with pytest.raises(RuleError) as refused:
        Recency(since=DAY(2020, 1, 1), until=until)
    assert str(refused.value) == f"recency: since (2020-01-01) is not before until ({until}), so no post would be left"


def test_an_age_counts_from_one_day_that_is_settled_when_the_rule_is_made():
    today = datetime.datetime.now(datetime.UTC).date()
    assert Recency(max_age="30d").now in (today, today + datetime.timedelta(days=1))
    assert Recency(max_age="30d", now=datetime.date(2020, 1, 1)).now == datetime.date(2020, 1, 1)
    assert Recency().now is None


def test_ages_count_from_the_newest_post_where_a_recipe_says_so(target, context):
    newest = datetime.datetime(2024, 5, 20, 8, 30, tzinfo=datetime.UTC)
    rule = Recency(max_age="1w", relative_to="newest")
    ages = [newest, newest - datetime.timedelta(days=7), newest - datetime.timedelta(days=7, seconds=1)]
    posts = [{"created_at": moment, "newest_at": newest} for moment in ages]
    assert target(rule, *posts) == context(rule, *posts) == [None, None, "recency"]
    assert target(rule, {"newest_at": None}, {"created_at": None}) == [None, None]
    assert rule.now is None


def test_whom_it_judges_follows_from_the_settings():
    assert Recency().judging() is NOBODY
    assert Recency(half_life="1y").judging() is TARGET
    assert Recency(half_life="1y", max_age="2y").judging() is BOTH
    assert Recency(since=DAY(2020, 1, 1)).judging() is BOTH


def test_facts_are_read_only_where_they_are_needed():
    assert "newest_at" in Recency(half_life="1y", relative_to="newest").keeps().meta.root_names()
    assert "newest_at" not in Recency(half_life="1y", max_age="1y").keeps().meta.root_names()


@pytest.mark.parametrize(("half_lives", "share"), [(0, 1), (1, 0.5), (2, 0.25), (4, 0.0625), (-3, 1), (200, 0)])
def test_the_share_that_is_kept_halves_with_every_half_life(half_lives, share, posts):
    now = datetime.datetime(2024, 5, 17, tzinfo=datetime.UTC)
    created = now - datetime.timedelta(days=30 * half_lives)
    table = posts(*({"id": f"t1_{number:x}", "created_at": created} for number in range(4000)))
    dropped = judge(table, [Recency(half_life="1m", now=now.date())])
    assert dropped["target_reason"].null_count() / 4000 == pytest.approx(share, abs=0.025)
    assert dropped["context_reason"].null_count() == 4000


IDS = st.lists(st.text(max_size=8), unique=True, max_size=40)


@given(IDS, st.integers(-5, 2**64), st.randoms())
def test_which_replies_are_kept_depends_on_their_ids_and_the_seed_alone(posts, ids, seed, random):
    rule = Recency(half_life="1y", now=DAY(2025, 5, 17), seed=seed)
    alone = {name: judge(posts({"id": name}), [rule])["target_reason"][0] for name in ids}
    shuffled = random.sample(ids, len(ids))
    together = judge(posts(*({"id": name} for name in shuffled)), [rule])
    assert dict(zip(shuffled, together["target_reason"], strict=True)) == alone


def test_which_replies_are_kept_is_the_same_for_ever(posts):
    table = posts(*({"id": f"t1_{number}"} for number in range(12)))
    kept = judge(table, [Recency(half_life="1y", now=DAY(2025, 5, 17), seed=3)]).filter(pl.col("target_reason").is_null())
    assert kept["id"].to_list() == ["t1_1", "t1_2", "t1_3", "t1_4", "t1_9", "t1_11"]


def test_another_seed_keeps_others_and_a_longer_half_life_more(posts):
    table = posts(*({"id": f"t1_{number}"} for number in range(500)))

    def kept(**settings):
        judged = judge(table, [Recency(now=DAY(2025, 5, 17), **settings)])
        return set(judged.filter(pl.col("target_reason").is_null())["id"])

    assert kept(half_life="1y", seed=1) != kept(half_life="1y", seed=2)
    assert kept(half_life="1y") < kept(half_life="2y")


def test_without_a_date_or_an_id_a_reply_is_kept_whatever_the_half_life(target):
    rule = Recency(half_life="1d", now=DAY(2025, 5, 17))
    assert target(rule, {"created_at": None}, {"id": None}, {}) == [None, None, "recency"]


def test_the_newest_post_and_a_day_are_not_both_what_ages_count_from():
    with pytest.raises(RuleError) as refused:
        Recency(max_age="1y", relative_to="newest", now=DAY(2024, 5, 17))
    assert str(refused.value) == "recency: ages count from the newest post, so now (2024-05-17) says nothing; leave one of them out"
    with pytest.raises(RuleError, match=r"^recency: relative_to is 'then'; expected now or newest$"):
        Recency(relative_to="then")
