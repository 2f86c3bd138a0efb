"""The noise of NEFTune: as large as the paper says for each sample, also where samples share a row."""

from typing import Any

import numpy as np
import pytest
import torch

from formats.tokens.encoding import Encoded
from train.adapters.lora import add_adapter
from train.bases.base_model import Base, load_for_training
from train.learning.batches import flatten
from train.settings import TrainSettings

ALPHA, WIDTH = 5.0, 64
SHORT = Encoded(np.array([5, 9, 40, 1], np.int32), 2, 1)
LONG = Encoded(np.array([7] * 63 + [1], np.int32), 2, 1)


def noise(base: Base, rows: list[Encoded] | None = None, seed: int = 0) -> torch.Tensor:
    """What is added to the embeddings of a batch, (tokens, width); without rows to those of plain ids."""
    model: Any = add_adapter(load_for_training(base, "none"), TrainSettings(neftune_alpha=ALPHA, rank=1))
    embedding, seen = model.get_base_model().get_input_embeddings(), []
    embedding.register_forward_hook(lambda module, args, embedded: seen.append(embedded - module.weight[args[0]]))
    model.train()
    torch.manual_seed(seed)
    batch = flatten(rows) if rows else {"input_ids": torch.from_numpy(LONG.input_ids).long()[None]}
    batch.pop("labels", None)
    with torch.no_grad():
        model(**batch)
    found: torch.Tensor = seen[0][0].float()
    return found


def test_it_is_uniform_within_alpha_by_the_root_of_length_and_width(base: Base) -> None:
    most = ALPHA / (64 * WIDTH) ** 0.5
    found = noise(base)
    # bfloat16 rounds the sum.
    assert found.abs().max() == pytest.approx(most, abs=5e-3)
    assert found.std() == pytest.approx(most / 3**0.5, rel=0.05)


def test_samples_that_share_a_row_get_what_each_would_get_alone(base: Base) -> None:
    found = noise(base, [SHORT, LONG])
    assert found[:4].abs().max() == pytest.approx(ALPHA / (4 * WIDTH) ** 0.5, abs=1e-2)
    assert found[4:].abs().max() == pytest.approx(ALPHA / (64 * WIDTH) ** 0.5, abs=5e-3)


def test_the_seed_decides_it(base: Base) -> None:
    assert torch.equal(noise(base), noise(base))
    assert not torch.equal(noise(base), noise(base, seed=1))
