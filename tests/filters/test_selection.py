import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.caps import PerAuthor, PerThread
from filters.duplicates import Duplicates
from filters.near_duplicates import NearDuplicates
from filters.rule import Phase
from filters.sample import Sample
from filters.selection import COLUMNS, select, standing, wanted

TIME = datetime.datetime(2024, 5, 17, tzinfo=datetime.UTC)
LONG = (
    "the court finds that the kettle was warm when the witness came in and that nobody poured the tea until the judge had heard both sides"
)
RULES = [Duplicates(), NearDuplicates(), PerThread(3), PerAuthor(2), Sample(4)]


def replies(posts, *changes):
    return posts(
        *({"id": f"t1_{place}", "created_at": TIME + datetime.timedelta(hours=place), **post} for place, post in enumerate(changes))
    )


def test_only_columns_that_a_rule_asks_for_are_made(posts):
    assert wanted([]) == wanted([Sample(), PerThread(None)]) == ["id", "created_at"]
    assert wanted([Duplicates()]) == ["id", "created_at", "text_key"]
    assert wanted([PerThread(5)]) == ["id", "created_at", "thread", "score"]
    assert wanted([PerAuthor(5), NearDuplicates()]) == ["id", "created_at", "author", "score", "words", "bands", "shingles"]
    assert wanted([Sample(5)]) == ["id", "created_at", "community"]
    table = replies(posts, {"text": LONG}, {}).with_columns(community=pl.lit("kettle"))
    assert standing(table, wanted(RULES)).columns == [name for name in COLUMNS if name != "place"]
    assert standing(table, wanted([Duplicates()])).columns == ["id", "created_at", "text_key"]
    assert all(rule.phase is Phase.RUN for rule in RULES)


def test_hashes_stand_for_names_and_null_for_what_is_unknown(posts):
    table = replies(posts, {"author": "clerk"}, {"author": None}, {"author": "clerk", "thread_id": "t3_b"})
    found = standing(table, ["id", "created_at", "thread", "author", "score"])
    assert found["author"].to_list() == [5239596208895847481, None, 5239596208895847481]
    assert found["thread"].n_unique() == 2
    assert found["id"].to_list() == ["t1_0", "t1_1", "t1_2"]
    assert found.schema["thread"] == found.schema["author"] == pl.UInt64


def test_each_rule_judges_what_the_ones_before_left(posts):
    table = replies(posts, {"text": LONG, "score": 1}, {"text": LONG, "score": 9}, {"score": 5}, {"text": LONG + " twice", "score": 8})
    rules = [Duplicates(), NearDuplicates(), PerThread(1)]
    assert select([standing(table, wanted(rules))], rules).rows() == [
        ("per_thread", None),
        ("duplicates", "t1_0"),
        (None, None),
        ("near_duplicates", "t1_0"),
    ]


def test_a_copy_of_a_near_copy_names_the_one_that_is_kept(posts):
    table = replies(posts, {"text": LONG}, {"text": LONG + " twice"}, {"text": LONG + " TWICE!"})
    rules = [Duplicates(), NearDuplicates()]
    assert select([standing(table, wanted(rules))], rules).rows() == [(None, None), ("near_duplicates", "t1_0"), ("duplicates", "t1_0")]


def test_the_whole_run_is_judged_across_its_parts_and_in_their_order(posts):
    first = replies(posts, {"text": "The kettle is warm.", "created_at": TIME + datetime.timedelta(days=2)}, {"text": "It is cold by now."})
    second = replies(posts, {"id": "t1_9", "text": "the kettle is warm", "thread_id": "t3_z"})
    parts = [standing(part, wanted([Duplicates()])) for part in (first, second)]
    assert select(parts, [Duplicates()]).rows() == [("duplicates", "t1_9"), (None, None), (None, None)]
    assert select(parts[::-1], [Duplicates()]).rows() == [(None, None), ("duplicates", "t1_9"), (None, None)]


def test_rules_that_judge_nobody_drop_nothing(posts):
    rules = [PerThread(None), Sample()]
    table = replies(posts, {}, {})
    assert select([standing(table, wanted(rules))], rules).rows() == [(None, None)] * 2
    assert select([standing(table, wanted([]))], []).rows() == [(None, None)] * 2


@pytest.mark.parametrize("count", [0, 1, 2])
def test_empty_parts_are_no_trouble(posts, count, tmp_path):
    table = posts().with_columns(community=pl.lit(None, pl.String))
    part = standing(table, wanted(RULES))
    full = standing(replies(posts, {"text": LONG}).with_columns(community=pl.lit("kettle")), wanted(RULES))
    assert part.schema == full.schema
    found = select([part] * count, RULES)
    assert found.schema == {"dropped_by": pl.String, "duplicate_of": pl.String}
    assert found.height == 0
    assert select([part, full], RULES).rows() == [(None, None)]


def test_parts_can_be_saved(posts, tmp_path):
    part = standing(replies(posts, {"text": LONG}, {"text": None}).with_columns(community=pl.lit("kettle")), wanted(RULES))
    part.write_parquet(tmp_path / "part.parquet")
    again = pl.read_parquet(tmp_path / "part.parquet")
    assert again.equals(part)
    assert select([again], RULES).rows() == [(None, None)] * 2


TEXTS = st.sampled_from(["Thank you so much!", "thank you so much", LONG, LONG + " twice", LONG.upper(), "It is cold by now.", "", "?"])
POST = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "thread_id": st.sampled_from(["t3_a", "t3_b"]),
        "author": st.sampled_from(["clerk", "judge", "cook", None]),
        "score": st.sampled_from([None, 1, 2]),
        "created_at": st.sampled_from([None, TIME, TIME + datetime.timedelta(days=40)]),
    }
)


@given(st.lists(POST, max_size=14), st.randoms(use_true_random=False), st.integers(1, 4))
def test_neither_the_order_of_rows_nor_the_number_of_buckets_changes_what_is_kept(posts, changes, random, buckets):
    table = replies(posts, *changes).with_columns(community=pl.lit("kettle"))
    whole = select([standing(table, wanted(RULES))], RULES).with_columns(id=table["id"]).sort("id")
    order = random.sample(range(table.height), table.height)
    shuffled = table[order] if order else table
    cuts = sorted(random.randint(0, table.height) for _ in range(buckets - 1))
    parts = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, table.height], strict=True)]
    found = select([standing(part, wanted(RULES)) for part in parts], RULES).with_columns(id=shuffled["id"]).sort("id")
    assert found.equals(whole)
    kept = found.filter(pl.col("dropped_by").is_null())
    assert kept.height <= 4
    assert (found["duplicate_of"].is_not_null() == found["dropped_by"].is_in(["duplicates", "near_duplicates"])).all()
    assert not set(found["duplicate_of"].drop_nulls()) & set(found.filter(pl.col("duplicate_of").is_not_null())["id"])
