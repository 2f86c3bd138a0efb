"""Micro-batches: every sample once, none too large, steps of the right size, and nothing shared between processes."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from formats.tokens.encoding import Encoded
from train.learning.batches import Batches, flatten
from train.learning.batches import _fits as fits
from train.learning.loss import weighted_loss


def rows_of(lengths: list[int]) -> list[Encoded]:
    """Rows that tell themselves by their first token."""
    return [Encoded(np.array([place, *[1] * (length - 1)], np.int32), 1, 0) for place, length in enumerate(lengths)]


def names(group: list[Encoded]) -> list[int]:
    return [int(row.input_ids[0]) for row in group if row.num_prompt < len(row.input_ids)]


LENGTHS = st.lists(st.integers(2, 60), min_size=1, max_size=40)


@given(lengths=LENGTHS, batch=st.integers(1, 12), limit=st.integers(1, 200), processes=st.integers(1, 4), epoch=st.integers(0, 3))
def test_the_laws_of_an_epoch(lengths: list[int], batch: int, limit: int, processes: int, epoch: int) -> None:
    batches = Batches(rows_of(lengths), batch, limit, seed=7, processes=processes)
    batches.set_epoch(epoch)
    groups = [batches[place] for place in range(len(batches))]
    assert sorted(name for group in groups for name in names(group)) == list(range(len(lengths))), "every sample once"
    assert all(len(group) == 1 or sum(len(row.input_ids) for row in group) <= limit for group in groups)
    of_step = batches.accumulation * processes
    assert len(groups) == batches.steps * of_step
    steps = [sum(len(names(group)) for group in groups[start : start + of_step]) for start in range(0, len(groups), of_step)]
    left = len(lengths) % batch
    assert steps == [batch] * (len(lengths) // batch) + [left] * bool(left)
    assert sum(len(row.input_ids) for row in batches.largest(epoch + 1)) >= max(
        sum(len(row.input_ids) for row in group) for group in groups
    )


@given(lengths=LENGTHS, processes=st.integers(2, 4))
def test_a_step_is_the_same_samples_however_it_is_shared(lengths: list[int], processes: int) -> None:
    alone, shared = Batches(rows_of(lengths), 4, 50, seed=3), Batches(rows_of(lengths), 4, 20, seed=3, processes=processes)
    for step in range(alone.steps):
        found = []
        for batches, of_step in ((alone, alone.accumulation), (shared, shared.accumulation * processes)):
            found.append(sorted(name for place in range(step * of_step, (step + 1) * of_step) for name in names(batches[place])))
        assert found[0] == found[1]


def test_the_number_of_micro_batches_is_found_in_a_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    monkeypatch.setattr("train.learning.batches._fits", lambda *args: tries.append(1) or fits(*args))
    lengths = [100 + 7 * number % 50 for number in range(300)]
    assert len(Batches(rows_of(lengths), 300, 1024, seed=0)) == 38
    assert len(tries) < 10, "from one upwards it would be 38"
    assert len(Batches(rows_of([5_000, 10, 10]), 3, 64, seed=0)) == 2, "one that is longer by itself needs one"


def test_the_order_is_that_of_seed_and_epoch() -> None:
    rows = rows_of([5] * 30)
    orders = {}
    for seed in (0, 1):
        batches = Batches(rows, 3, 100, seed)
        for epoch in (0, 1):
            batches.set_epoch(epoch)
            orders[seed, epoch] = [names(batches[place]) for place in range(len(batches))]
    again = Batches(rows, 3, 100, 0)
    assert [names(again[place]) for place in range(len(again))] == orders[0, 0]
    assert len({str(order) for order in orders.values()}) == 4


@pytest.mark.parametrize(
    ("lengths", "batch", "limit", "processes", "accumulation"),
    [
        ([10] * 8, 8, 80, 1, 1),
        ([10] * 8, 8, 79, 1, 2),
        ([10] * 8, 8, 9, 1, 8),
        ([10] * 8, 8, 80, 2, 1),
        ([10] * 8, 8, 9, 3, 3),
        ([10] * 2, 8, 10, 1, 2),
        ([40, 20, 20, 20, 2, 2, 2, 2], 4, 60, 1, 2),
    ],
)
def test_as_few_micro_batches_as_the_longest_samples_need(
    lengths: list[int], batch: int, limit: int, processes: int, accumulation: int
) -> None:
    assert Batches(rows_of(lengths), batch, limit, 0, processes).accumulation == accumulation


def test_micro_batches_of_a_step_are_alike_in_tokens_and_the_largest_is_first() -> None:
    batches = Batches(rows_of([50, 40, 30, 30, 30, 20]), 6, 110, 0)
    sums = [sum(len(row.input_ids) for row in batches[place]) for place in range(2)]
    assert sums == [100, 100]
    uneven = Batches(rows_of([50, 9, 9, 9]), 4, 60, 0)
    assert [Counter(len(row.input_ids) for row in uneven[place]) for place in range(2)] == [{50: 1}, {9: 3}]


def test_a_micro_batch_without_samples_adds_nothing_and_still_has_gradients(base_folder: object) -> None:
    model = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32)
    batches = Batches(rows_of([5]), 1, 10, 0, processes=2)
    assert [names(batches[place]) for place in range(2)] == [[0], []]
    batch = flatten(batches[1])
    labels = batch.pop("labels")
    loss = weighted_loss(1.0)(model(**batch), labels, num_items_in_batch=4)
    loss.backward()
    assert loss.item() == 0
    assert batch["shift_labels"].shape == (0,)
    gradient = model.model.layers[0].self_attn.q_proj.weight.grad
    assert gradient is not None
    assert not gradient.any()
