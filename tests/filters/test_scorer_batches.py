import threading
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from filters.scorers.batches import batches_by_length, encode, longest_of, one_ahead, padded
from tests.filters.scorer_models import POSITIONS, RUDE, tokenizer


@given(st.lists(st.integers(1, 600), max_size=60), st.integers(1, 1024))
def test_batches_hold_every_text_once_within_the_budget_and_long_ones_first(lengths, budget):
    batches = list(batches_by_length(lengths, budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget for batch in batches)
    in_order = [lengths[index] for batch in batches for index in batch]
    assert in_order == sorted(lengths, reverse=True)


def test_texts_of_one_length_fill_a_batch_to_its_budget():
    assert list(batches_by_length([10] * 5, 20)) == [[0, 1], [2, 3], [4]]
    assert list(batches_by_length([5, 30, 5], 10)) == [[1], [0, 2]]
    assert list(batches_by_length([3, 2, 1], 1)) == [[0], [1], [2]]


def test_a_batch_is_padded_to_its_own_longest_and_the_rest_is_masked():
    words = tokenizer()
    encoded = encode(words, ["tea", f"{RUDE} tea and jam", "a mug"], POSITIONS)
    batch = padded(words, encoded, [2, 0])
    assert batch["input_ids"].dtype == torch.int64
    assert batch["input_ids"].tolist() == words(["a mug", "tea"], padding=True)["input_ids"]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]


def test_a_text_is_cut_where_the_model_ends():
    assert [len(ids) for ids in encode(tokenizer(), ["tea " * 100, "tea"], 9)["input_ids"]] == [9, 3]


@pytest.mark.parametrize(
    ("limit", "positions", "longest"),
    [(512, 514, 512), (512, 512, 512), (10**30, 512, 510), (10**30, None, 512), (256, None, 256), (10**30, -1, 512)],
)
def test_the_limit_is_the_tokenizers_or_what_the_models_positions_allow(limit, positions, longest):
    words, config = tokenizer(), SimpleNamespace()
    words.model_max_length, config.max_position_embeddings = limit, positions
    assert longest_of(words, config) == longest


def test_the_next_part_is_made_while_the_caller_works_on_the_one_before():
    made, second = [], threading.Event()

    def make(number):
        made.append(number)
        if number == 2:
            second.set()
        return number * 10

    results = one_ahead(make, [1, 2, 3])
    assert next(results) == 10
    assert second.wait(5)
    assert list(results) == [20, 30]
    assert made == [1, 2, 3]
    assert list(one_ahead(make, [])) == []


def test_an_error_in_a_part_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(one_ahead(lambda number: 1 // number, [1, 0, 1]))
