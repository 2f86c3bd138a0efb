import datetime

import pytest

from filters.recency import Recency
from filters.rule import RuleError

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


@pytest.mark.parametrize("age", ["", "90", "d", "0d", "-3d", "1.5y", "90 d", "90D", "2years", "\u0663d", "9d\n"])
def test_an_age_that_is_none_is_refused_with_an_example(age):
    with pytest.raises(RuleError) as refused:
        Recency(max_age=age)
    assert str(refused.value) == f"recency: max_age is {age!r}; expected a number and one of d, w, m, y, as in 90d or 2y"


@pytest.mark.parametrize("age", ["9999y", "1001y", "999999999999d"])
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
