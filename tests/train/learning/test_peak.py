"""The memory of a training: what was planned beside what it took."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.train.learning.tiny import SETTINGS, train_tiny
from train.learning.peak import peak_bytes, start_peak

MB = 1 << 20


@pytest.mark.skipif(torch.cuda.is_available(), reason="the resident set is what counts on a CPU")
def test_what_came_before_does_not_count() -> None:
    much = np.ones(300 * MB, np.uint8)
    with_much = peak_bytes()
    del much
    start_peak()
    before = peak_bytes()
    some = np.ones(100 * MB, np.uint8)
    after = peak_bytes()
    assert len(some) == 100 * MB
    assert with_much - before > 250 * MB
    assert 90 * MB < after - before < 130 * MB


@pytest.mark.skipif(torch.cuda.is_available(), reason="the resident set is what counts on a CPU")
def test_where_the_peak_cannot_be_reset_it_is_the_whole_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("train.learning.peak._CLEAR_REFS", tmp_path / "no" / "clear_refs")
    monkeypatch.setattr("train.learning.peak._STATUS", tmp_path / "no" / "status")
    start_peak()
    assert peak_bytes() > 100 * MB


def test_a_training_says_what_was_planned_and_what_it_took(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    result, _ = train_tiny(samples, base_folder, tmp_path / "adapter", SETTINGS)
    assert result.planned_bytes is not None
    assert result.planned_bytes == pytest.approx(result.peak_bytes, rel=0.5), "of a tiny model nearly all is Python and its libraries"
    assert result.device == "cpu"


def test_a_base_of_a_kind_that_cannot_be_planned_is_trained_all_the_same(
    samples: Path, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from formats.errors import UserError

    def unknown(*args: object, **kwargs: object) -> None:
        raise UserError("its config names no num_hidden_layers")

    monkeypatch.setattr("train.learning.planned.plan", unknown)
    result, _ = train_tiny(samples, base_folder, tmp_path / "adapter", SETTINGS.model_copy(update={"max_steps": 1}))
    assert result.planned_bytes is None
