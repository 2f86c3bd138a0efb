import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import facts
from filters.authorship import Bots
from filters.facts import FACTS, SURVEYED, Facts, needed, survey
from filters.recency import Recency
from filters.reception import MinScore
from filters.toxicity import Toxicity

NEWEST = datetime.datetime(2024, 5, 19, 12, tzinfo=datetime.UTC)


def of(*buckets):
    return facts.facts([survey(bucket.select(SURVEYED)) for bucket in buckets])


def shares(table, *buckets):
    """By author the identical share that the facts of the buckets give."""
    found = of(*buckets).columns(table, ["identical_share"])
    return dict(zip(table["author"], found["identical_share"].to_list(), strict=True))


def by(author, *texts):
    return [{"author": author, "text": text} for text in texts]


def different(author, number):
    return by(author, *(f"{number} cups were heard on day {number}" for number in range(number)))


def test_the_share_is_that_of_the_commonest_beginning_among_the_posts_of_an_author(posts):
    forms = [f"The kettle court is now in session {number}." for number in range(15)]
    table = posts(*by("usher", *forms), *different("usher", 5), *different("mabel", 20), *by("odo", *["Order!"] * 9, "Tea.", "Milk."))
    assert shares(table, table) == {"usher": 0.75, "mabel": pytest.approx(0.05), "odo": pytest.approx(9 / 11)}


def test_authors_with_too_few_posts_or_without_a_name_have_no_share(posts):
    table = posts(*by("nine", *["Order!"] * 9), *by("ten", *["Order!"] * 10), *by(None, *["Order!"] * 12))
    assert shares(table, table) == {"nine": None, "ten": 1.0, None: None}


def test_what_is_removed_or_blank_is_not_counted_and_a_title_stands_for_a_text(posts):
    removed = [{"author": "mabel", "text": "[removed]", "removal": "moderator"}] * 30
    unknown = [{"author": "mabel", "text": "Order!", "removal": None}] * 5
    links = [{"author": "odo", "text": text, "title": "Hearing of the week"} for text in ("", None)] * 6
    blank = [{"author": "odo", "text": "", "title": None}] * 30
    table = posts(*removed, *unknown, *different("mabel", 5), *links, *blank)
    assert shares(table, table) == {"mabel": 0.5, "odo": 1.0}


def test_texts_are_told_apart_by_their_first_characters_not_bytes(posts):
    same, other = "é" * facts.BEGINNING, "é" * (facts.BEGINNING - 1) + "x"
    table = posts(*by("a", *(same + str(number) for number in range(10))), *by("b", *[same] * 5, *[other] * 5))
    assert shares(table, table) == {"a": 1.0, "b": 0.5}


def test_posts_of_an_author_in_many_buckets_are_counted_together(posts):
    buckets = [posts(*by("usher", "Order in court!"), *different(f"guest {number}", 12)) for number in range(40)]
    whole = pl.concat(buckets)
    assert shares(whole, *buckets)["usher"] == 1.0
    assert shares(whole, *buckets) == shares(whole, whole)


BUCKETS = st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 12)), max_size=25), min_size=1, max_size=5)


@given(BUCKETS)
def test_a_share_in_buckets_is_never_more_than_the_share_of_the_whole_and_less_by_one_post_a_bucket_at_most(posts, buckets):
    tables = [posts(*(by(author, f"text {text}")[0] for author, text in bucket)) for bucket in buckets]
    whole = pl.concat(tables)
    exact, found = shares(whole, whole), shares(whole, *tables)
    for author, share in exact.items():
        texts = whole.filter(pl.col("author") == author)["text"]
        if len(texts) < facts.FEWEST_POSTS:
            assert share is None
            assert found[author] is None
        else:
            assert share == pytest.approx(texts.value_counts()["count"].max() / len(texts))
            assert found[author] >= share - (1 - share) / facts.SINGLES - 1e-6
            assert share - len(buckets) / len(texts) - 1e-6 <= found[author] <= share + 1e-6


def test_a_beginning_that_stands_once_in_a_bucket_among_others_is_not_counted_there(posts):
    forms = posts(*by("usher", *["Order in court!"] * 16))
    few = posts(*by("usher", "Order in court!"), *different("usher", facts.SINGLES - 1))
    many = posts(*by("usher", "Order in court!"), *different("usher", facts.SINGLES))
    assert shares(forms, forms, few)["usher"] == pytest.approx(17 / 20)
    assert shares(forms, forms, many)["usher"] == pytest.approx(16 / 21)
    assert shares(forms, pl.concat([forms, many]))["usher"] == pytest.approx(17 / 21)


@given(BUCKETS, st.integers(1, 6))
def test_a_run_that_is_merged_early_and_often_loses_no_post(posts, buckets, often):
    tables = [posts(*(by(author, f"text {text}")[0] for author, text in bucket)) for bucket in buckets]
    whole = pl.concat(tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "_MERGE_FROM", often)
        merged = of(*tables)
    assert merged.shares.height == sum(count >= facts.FEWEST_POSTS for count in whole["author"].value_counts()["count"])
    assert merged.newest == of(whole).newest
    exact = dict(of(whole).shares.rows())
    for author, share in merged.shares.rows():
        assert exact[author] - (1 - exact[author]) / facts.SINGLES - 1e-6 <= share <= exact[author] + 1e-6


def test_the_newest_date_is_that_of_all_buckets_and_stands_in_every_row(posts):
    old, new = posts({}, {"created_at": None}), posts({"created_at": NEWEST}, {"author": None})
    for found in (of(old, new), of(new, old)):
        assert found.newest == NEWEST
        assert found.columns(old, ["newest_at"])["newest_at"].to_list() == [NEWEST] * 2


def test_columns_come_in_the_order_in_which_they_are_wanted_with_the_rows_of_the_posts(posts):
    table = posts(*by("usher", *["Order!"] * 10), *different("mabel", 10)).sample(fraction=1, shuffle=True, seed=1)
    found = of(table).columns(table, ["identical_share", "newest_at"])
    assert found.schema == {"identical_share": pl.Float32, "newest_at": pl.Datetime("ms", "UTC")}
    assert found["identical_share"].to_list() == [1.0 if name == "usher" else pytest.approx(0.1) for name in table["author"]]
    assert of(table).columns(table, []).shape == (0, 0)


def test_a_run_without_posts_has_facts(posts):
    for nothing in (facts.facts([]), of(posts()), of(posts({"author": None, "created_at": None}))):
        assert nothing.newest is None
        assert nothing.columns(posts({}), list(FACTS)).rows() == [(None, None)]
        assert nothing.columns(posts(), list(FACTS)).height == 0


def test_a_survey_is_small_where_people_write_what_they_like_and_survives_parquet(posts, tmp_path):
    table = posts(*different("mabel", 500), *by("usher", *["Order!"] * 500))
    found = survey(table)
    assert found.height == 3
    found.write_parquet(tmp_path / "survey.parquet")
    again = facts.facts([pl.read_parquet(tmp_path / "survey.parquet")])
    assert isinstance(again, Facts)
    assert again.columns(table, list(FACTS)).equals(of(table).columns(table, list(FACTS)))


def test_facts_are_needed_by_the_rules_that_read_them():
    assert needed([MinScore(), Toxicity(), Recency(max_age="1y")]) == []
    assert needed([Bots(), Recency(max_age="1y", relative_to="newest")]) == ["newest_at", "identical_share"]
    assert needed([Recency(half_life="1y", relative_to="newest")]) == ["newest_at"]
    assert needed([Bots(identical=1)]) == []
