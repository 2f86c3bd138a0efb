import collections
import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rule import NOBODY, TARGET, RuleError
from filters.sample import Sample
from filters.selection import select, standing, wanted


def sampled(replies, rule):
    found = select([standing(replies, wanted([rule]))], [rule])["dropped_by"]
    return replies.filter(found.is_null().alias("kept"))


def forum(posts, counts):
    """As many replies as said of each community and month; one month is unknown."""
    replies = [
        (community, {"id": f"t1_{community}_{month}_{number}", "created_at": month and datetime.datetime(2024, month, 1 + number % 28)})
        for (community, month), count in counts.items()
        for number in range(count)
    ]
    return posts(*(changes for _, changes in replies)).with_columns(community=pl.Series([name for name, _ in replies], dtype=pl.String))


COUNTS = {("kettle", 1): 50, ("kettle", 2): 200, ("court", 1): 700, ("court", None): 40, ("caddy", 7): 10}


def test_each_community_and_month_has_its_share(posts):
    replies = forum(posts, COUNTS)
    chosen = collections.Counter(
        (community, created and created.month) for community, created in sampled(replies, Sample(100))[["community", "created_at"]].rows()
    )
    assert chosen.total() == 100
    assert {group: chosen[group] for group in COUNTS} == {group: count // 10 for group, count in COUNTS.items()}


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 120), st.integers(0, 3))
def test_exactly_as_many_are_kept_as_asked_and_each_share_is_exact_to_one(posts, sizes, size, seed):
    counts = {("court", 1 + place): count for place, count in enumerate(sizes)}
    replies = forum(posts, counts)
    chosen = sampled(replies, Sample(size, seed))
    total = replies.height
    assert chosen.height == min(size, total)
    months = collections.Counter(chosen["created_at"].dt.month())
    for (_, month), count in counts.items():
        assert not total or abs(months[month] - count * chosen.height / total) < 1


def test_the_seed_decides_and_the_order_of_the_rows_does_not(posts):
    replies = forum(posts, COUNTS)
    first = set(sampled(replies, Sample(100))["id"])
    assert set(sampled(replies.reverse(), Sample(100, 0))["id"]) == first
    assert set(sampled(replies, Sample(100, 1))["id"]) != first


def test_within_a_month_chance_decides(posts):
    replies = forum(posts, {("court", 1): 1000})
    places = sampled(replies, Sample(100))["id"].str.extract(r"(\d+)$").cast(pl.Int64)
    assert 400 < places.mean() < 600
    assert places.diff().n_unique() > 5


def test_without_a_size_all_are_kept(posts):
    assert Sample().judging() == NOBODY
    assert Sample(5).judging() == TARGET
    replies = forum(posts, COUNTS)
    assert sampled(replies, Sample()).height == sampled(replies, Sample(10**12)).height == 1000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "sample: size is 0; expected 1 or more; to keep all, sample = false"),
        ({"size": 5, "seed": -1}, "sample: seed is -1; expected 0 or more"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(RuleError) as error:
        Sample(**settings)
    assert str(error.value) == message
