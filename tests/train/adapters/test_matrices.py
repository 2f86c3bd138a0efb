"""An adapter's weights as plain matrices: what they say, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from formats.errors import UserError
from tests.random_adapter import write_random_adapter
from train.adapters.lora import WEIGHTS
from train.adapters.matrices import read_matrices
from train.settings import TrainSettings

LAYER = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def adapter(base_folder: Path, tmp_path: Path) -> Path:
    return write_random_adapter(tmp_path / "adapter", base_folder, TrainSettings(rank=4, alpha=6.0))


def change(folder: Path, **fields: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fields}), encoding="utf-8")


def test_the_scale_is_in_the_matrices(adapter: Path) -> None:
    state = load_file(adapter / WEIGHTS)
    a, b = (state[f"base_model.model.{LAYER}.lora_{side}.weight"] for side in "AB")
    found = read_matrices(adapter)
    assert (found.rank, found.rows, found.transposed, len(found.layers)) == (4, {}, False, 14)
    weight = torch.randn(64, 64)
    torch.testing.assert_close(found.layers[LAYER].merged(weight), weight + 1.5 * b @ a)
    change(adapter, use_rslora=True)
    torch.testing.assert_close(read_matrices(adapter).layers[LAYER].merged(weight), weight + 3.0 * b @ a)


def test_ranks_of_some_layers_alone_are_refused_where_they_apply(adapter: Path) -> None:
    change(adapter, rank_pattern={"experts.gate_up_proj": 8})
    assert read_matrices(adapter).rank == 4
    change(adapter, rank_pattern={"q_proj": 8})
    with pytest.raises(UserError, match="ranks of their own for some layers, which is no LoRA as Lorum trains it"):
        read_matrices(adapter)


def test_other_weights_and_damaged_ones_are_refused(adapter: Path) -> None:
    state = load_file(adapter / WEIGHTS)
    save_file({**state, "base_model.model.lm_head.weight": torch.zeros(2, 2)}, adapter / WEIGHTS)
    with pytest.raises(UserError, match=r"holds lm_head.weight, which is no LoRA"):
        read_matrices(adapter)
    (adapter / WEIGHTS).write_bytes(b"cut")
    with pytest.raises(UserError, match="weights are damaged"):
        read_matrices(adapter)
    (adapter / WEIGHTS).unlink()
    with pytest.raises(UserError, match=r"adapter_model.safetensors: missing"):
        read_matrices(adapter)
