"""What is counted and drawn from judged posts for their page."""

import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.pages import tallies
from curate.pages.drawing import EACH, Rules, choose, draw, rows_of
from curate.pages.tallies import LENGTHS, SCORES, SHARES, tally, total
from filters.funnel import OUTCOMES
from tests.judged_folder import OF_CONTEXT, RULES, judged_posts

ALL_RULES = Rules(RULES, frozenset(RULES))
DROPPED = {"target_reasons": ["removed"], "context_reasons": ["removed"]}
LOW = {"target_reasons": ["min_score"]}


def counted(table: pl.DataFrame) -> dict[Any, tuple[int, ...]]:
    return {key: tuple(counts) for key, *counts in table.iter_rows()}


def texts(examples: pl.DataFrame, rule: str, is_kept: bool) -> list[str]:
    return [row["text"] for row in rows_of(examples, rule, is_kept)]


@pytest.mark.parametrize(
    ("score", "begin"),
    [(0, 0), (9, 9), (10, 10), (19, 10), (20, 20), (-1, -1), (-6, -10), (-11, -20), (99_999, 50_000), (2**31 - 1, 2 * 10**9)],
)
def test_scores_fall_into_the_bin_that_begins_at_or_below_them(score: int, begin: int) -> None:
    assert counted(tally(judged_posts([{"score": score}]))["scores"]) == {SCORES.index(begin): (1, 0, 0)}


@pytest.mark.parametrize(("text", "begin"), [(None, 0), ("", 0), ("a", 1), ("🫖" * 14, 10), ("a" * 15, 15), ("a" * 100_000, 100_000)])
def test_lengths_are_counted_in_characters(text: str | None, begin: int) -> None:
    assert counted(tally(judged_posts([{"text": text}]))["lengths"]) == {LENGTHS.index(begin): (1, 0, 0)}


def test_bins_begin_in_order() -> None:
    assert list(SCORES) == sorted(set(SCORES))
    assert list(LENGTHS) == sorted(set(LENGTHS))


def test_every_post_counts_once_with_what_became_of_it() -> None:
    december = datetime.datetime(2023, 12, 31, 23, 59, tzinfo=datetime.UTC)
    found = tally(judged_posts([{}, LOW, {**DROPPED, "created_at": december, "author": None, "score": None, "community": None}]))
    assert counted(found["months"]) == {2024 * 12 + 4: (1, 1, 0), 2023 * 12 + 11: (0, 0, 1)}
    assert counted(found["communities"]) == {"KettleCourt": (1, 1, 0), None: (0, 0, 1)}
    assert sorted(counted(found["authors"]).values()) == [(0, 0, 1), (1, 1, 0)]
    assert counted(found["authors"])[None] == (0, 0, 1)
    assert counted(found["scores"])[None] == (0, 0, 1)


def test_toxicity_counts_what_was_scored() -> None:
    scores = [0.0, 0.049, 0.05, 1.0, None, float("nan")]
    found = tally(judged_posts([{"toxicity": {"toxicity": score, "insult": None}} for score in scores] + [{"toxicity": None}]))
    assert counted(found["toxicity.toxicity"]) == {0: (2, 0, 0), 1: (1, 0, 0), SHARES - 1: (1, 0, 0)}
    assert found["toxicity.insult"].height == 0


@given(st.lists(st.tuples(st.integers(-50, 50), st.sampled_from(["ann", "bo", None]), st.booleans()), min_size=1, max_size=30), st.data())
def test_counts_of_buckets_add_up_to_those_of_all_posts(rows: list[tuple[int, str | None, bool]], data: st.DataObject) -> None:
    posts = judged_posts([{"score": score, "author": author, **(LOW if low else {})} for score, author, low in rows])
    cut = data.draw(st.integers(0, len(rows)))
    whole, parts = total([tally(posts)]), total([tally(posts[:cut]), tally(posts[cut:])])
    assert {name: counted(table) for name, table in whole.items()} == {name: counted(table) for name, table in parts.items()}
    assert all(table.select(pl.sum_horizontal(OUTCOMES).sum()).item() == len(rows) for name, table in whole.items() if "tox" not in name)


def test_dropped_examples_are_those_of_which_the_rule_is_the_first_reason() -> None:
    posts = judged_posts(
        [
            {"text": "both", **DROPPED},
            {"text": "low and short", "target_reasons": ["min_score", "length"]},
            {"text": "low, and cut", "target_reasons": ["min_score"], "context_reasons": ["removed"]},
            {"text": "good"},
        ]
    )
    examples = choose([draw(posts, ALL_RULES)])
    assert sorted(texts(examples, "removed", False)) == ["both", "low, and cut"]
    assert sorted(texts(examples, "min_score", False)) == ["low and short", "low, and cut"]
    assert texts(examples, "length", False) == []
    assert texts(examples, "length", True) == ["good"]


def test_a_rule_on_context_alone_shows_what_was_kept_as_context() -> None:
    posts = judged_posts([{"text": "good"}, {"text": "only context", **LOW}])
    rules = Rules({"removed": {}}, frozenset(set(RULES) - set(OF_CONTEXT)))
    assert sorted(texts(choose([draw(posts, rules)]), "removed", True)) == ["good", "only context"]


@pytest.mark.parametrize(
    ("rule", "changes", "nearest"),
    [
        ("min_score", [{"score": score} for score in (9, 3, None, 4)], [1, 3, 0, 2]),
        ("length", [{"text": "a" * size} for size in (200, 21, 1900, 30)], [1, 2, 3, 0]),
        ("length", [{"text": "a" * size} for size in (200, 1999, 40)], [1, 2, 0]),
        (
            "toxicity",
            [{"toxicity": scores} for scores in ({"toxicity": 0.1, "insult": 0.49}, {"toxicity": 0.8, "insult": 0.0}, None)],
            [0, 1, 2],
        ),
        ("toxicity", [{"toxicity": {"toxicity": 0.3, "insult": None}}, {"toxicity": {"toxicity": 0.4, "insult": None}}], [1, 0]),
    ],
)
def test_kept_examples_are_those_nearest_to_the_limit(rule: str, changes: list[dict[str, Any]], nearest: list[int]) -> None:
    examples = choose([draw(judged_posts([{**change, "title": str(place)} for place, change in enumerate(changes)]), ALL_RULES)])
    rows = rows_of(examples, rule, True)
    assert [int(row["title"]) for row in rows] == nearest
    assert all(row["is_near"] for row in rows)


def test_each_rule_without_a_limit_draws_other_kept_posts_and_the_same_again() -> None:
    posts = judged_posts([{"text": f"kettle {place}"} for place in range(200)])
    rules = Rules({"stickied": {}, "bots": {}}, frozenset({"stickied", "bots"}))
    drawn = [texts(choose([draw(table, rules)]), "bots", True) for table in (posts, posts.reverse())]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == EACH
    assert drawn[0] != texts(choose([draw(posts, rules)]), "stickied", True)


def test_long_texts_are_not_carried_along() -> None:
    examples = draw(judged_posts([{"text": "kettle" * 200_000}]), ALL_RULES)
    assert examples["text"].str.len_chars().max() == 2_000
    assert examples["characters"].max() == 1_200_000


def test_no_posts_draw_nothing() -> None:
    assert rows_of(choose([]), "min_score", True) == []
    assert rows_of(choose([draw(judged_posts([{}])[:0], ALL_RULES)]), "min_score", True) == []
    assert tallies.total([]) == {}
