"""Starts of an adapter: LoftQ lowers the error of quantising, PiSSA leaves the function as it is, and both come out alike again."""

from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from formats.errors import UserError
from train.adapters.lora import add_adapter
from train.adapters.starts import as_difference, start_of
from train.bases.base_model import Base, load_for_training, resolve
from train.settings import TrainSettings

LAYER = "model.layers.1.mlp.down_proj"


def adapted(base: Base, **values: Any) -> Any:
    torch.manual_seed(0)
    found = TrainSettings(**values)
    return add_adapter(load_for_training(base, found.quantisation), found)


def weight_on_disk(base: Base) -> torch.Tensor:
    with safe_open(str(Path(base.location) / "model.safetensors"), framework="pt") as weights:
        return weights.get_tensor(f"{LAYER}.weight").float()


@pytest.mark.parametrize("values", [{"rank": 8, "alpha": 32.0}, {"rank": 8, "alpha": 4.0}, {"rank": 8, "rslora": True}], ids=str)
def test_loftq_lowers_the_error_of_quantising_whatever_the_scale(values: dict[str, Any], base: Base) -> None:
    layer = adapted(base, init="loftq", **values).get_submodule(f"base_model.model.{LAYER}")
    packed = layer.get_base_layer().weight
    original, quantised = weight_on_disk(base), dequantize_4bit(packed.data, packed.quant_state).float()
    lost = original - quantised
    left = (lost - layer.get_delta_weight("default").float()).norm()
    # The best that a matrix of this rank can do (Eckart and Young 1936).
    best = torch.linalg.svdvals(lost)[8:].norm()
    assert best <= left < 1.02 * best < 0.9 * lost.norm()


def test_loftq_needs_the_base_s_own_weights(base: Base, tmp_path: Path) -> None:
    model = load_for_training(base, "nf4")
    model.name_or_path = str(tmp_path)
    with pytest.raises(UserError, match="in safetensors on this computer; leave init out"):
        add_adapter(model, TrainSettings(init="loftq"))


def test_pissa_takes_the_largest_singular_values_out_of_the_base_and_keeps_its_function(base: Base) -> None:
    model = adapted(base, init="pissa", quantisation="none", rank=8)
    layer = model.get_submodule(f"base_model.model.{LAYER}")
    original, rest, taken = weight_on_disk(base), layer.get_base_layer().weight.float(), layer.get_delta_weight("default").float()
    torch.testing.assert_close(rest + taken, original, atol=5e-3, rtol=0)
    values = torch.linalg.svdvals(original)
    assert torch.linalg.svdvals(rest)[0] < values[4]
    torch.testing.assert_close(torch.linalg.svdvals(taken)[:4], values[:4], atol=0, rtol=0.02)


def test_the_same_seed_gives_the_same_start(base: Base) -> None:
    values: dict[str, Any] = {"init": "pissa", "quantisation": "none", "rank": 4}
    first, again = start_of(adapted(base, **values)), start_of(adapted(base, **values))
    assert first is not None
    assert again is not None
    assert len(first) == 2 * 2 * 7
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert start_of(adapted(base, rank=4)) is None


def test_a_start_is_a_copy_that_the_training_does_not_move(base: Base) -> None:
    model = adapted(base, init="pissa", quantisation="none", rank=4)
    start = start_of(model)
    assert start is not None
    before = {name: tensor.clone() for name, tensor in start.items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(tensor, start[name]) for name, tensor in before.items())


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_difference_of_two_adapters_is_an_adapter_of_twice_the_rank(rank: int, inputs: int, outputs: int, seed: int) -> None:
    numbers = torch.Generator().manual_seed(seed)

    def adapter() -> dict[str, torch.Tensor]:
        shapes = {"x.lora_A.weight": (rank, inputs), "x.lora_B.weight": (outputs, rank), "rows.trainable_tokens_delta": (1, 3)}
        return {name: torch.randn(shape, generator=numbers, dtype=torch.float64) for name, shape in shapes.items()}

    trained, start = adapter(), adapter()
    joined = as_difference(trained, start)
    expected = trained["x.lora_B.weight"] @ trained["x.lora_A.weight"] - start["x.lora_B.weight"] @ start["x.lora_A.weight"]
    torch.testing.assert_close(joined["x.lora_B.weight"] @ joined["x.lora_A.weight"], expected)
    assert joined["rows.trainable_tokens_delta"] is trained["rows.trainable_tokens_delta"]


def test_weights_in_several_files_are_found(base: Base, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(base.location).save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    one = adapted(base, init="loftq", rank=4).get_submodule(f"base_model.model.{LAYER}").get_delta_weight("default")
    several = adapted(resolve(str(tmp_path)), init="loftq", rank=4).get_submodule(f"base_model.model.{LAYER}").get_delta_weight("default")
    torch.testing.assert_close(several, one)
