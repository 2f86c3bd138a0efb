"""The measured difference is that of the functions, and says which merge is the nearer one."""

from pathlib import Path

import pytest
import torch

from formats.templates.template import Template
from tests.random_adapter import write_random_adapter
from tests.train.conftest import write_samples
from tests.train.shelf.merged_bases import trained_on
from train.bases import base_model
from train.shelf import merging_changes
from train.shelf.merging import merge_adapter
from train.shelf.merging_difference import measure_difference


@pytest.fixture(autouse=True)
def _compute_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (base_model, merging_changes):
        monkeypatch.setattr(module, "compute_dtype", lambda: torch.float32)


def test_exact_is_nearer_than_full(base_folder: Path, tmp_path: Path, template: Template) -> None:
    adapter = trained_on(write_random_adapter(tmp_path / "adapter", base_folder), "nf4")
    samples = write_samples(tmp_path / "samples", template)
    found = {}
    for method in ("exact", "full"):
        merge_adapter(adapter, tmp_path / method, method, "float32")  # type: ignore[arg-type]
        found[method] = measure_difference(adapter, tmp_path / method, samples)
    exact, full = found["exact"], found["full"]
    assert (exact.texts, exact.held_out) == (8, True)
    assert exact.mean < 1e-4
    assert exact.largest < 1e-3
    assert exact.kl < 1e-7
    assert exact.greedy == 1.0
    assert full.mean > 100 * exact.mean
    assert full.kl > 100 * exact.kl
    assert full.mean < full.largest
    assert full.spread == exact.spread > 10 * exact.mean


def test_built_in_conversations_stand_in_for_samples(base_folder: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base_folder)
    merge_adapter(adapter, tmp_path / "merged", "full", "float32")
    difference = measure_difference(adapter, tmp_path / "merged")
    assert not difference.held_out
    assert difference.texts > 3
    assert 100 < difference.positions <= 512
    assert difference.greedy == 1.0
