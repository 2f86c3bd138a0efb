"""Every kind of adapter learns on the tiny base, is saved, and loaded again is the function that was trained."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from formats.errors import UserError
from train.adapters.lora import add_adapter, save_adapter, target_names
from train.adapters.starts import Start, start_of
from train.bases.base_model import Base, load_for_generation, load_for_training
from train.settings import TrainSettings

IDS = torch.tensor([[5, 9, 40, 41, 77, 3, 60, 61, 62, 1]])


def fresh(base: Base, settings: TrainSettings) -> tuple[PeftModel, Start | None]:
    torch.manual_seed(settings.seed)
    model = add_adapter(load_for_training(base, settings.quantisation), settings)
    return model, start_of(model)


def logits(model: Any) -> torch.Tensor:
    model.train(False)
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS).logits.float()
    return found


def learn(model: PeftModel, steps: int = 6) -> list[float]:
    """Losses of some steps, with an evaluation in between."""
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=3e-3)
    losses = []
    for step in range(steps):
        model.train()
        loss = model(input_ids=IDS, labels=IDS, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
        if step == 2:
            logits(model)
    return losses


@pytest.mark.parametrize(
    "values",
    [
        {"rslora": True},
        {"dora": True},
        {"dora": True, "quantisation": "none"},
        {"quantisation": "int8"},
        {"quantisation": "none"},
        {"init": "loftq"},
        {"init": "pissa", "quantisation": "none"},
        {"init": "pissa", "quantisation": "none", "rslora": True},
        {"target_modules": ("q_proj", "v_proj"), "dropout": 0.1},
    ],
    ids=str,
)
def test_what_was_learned_is_what_is_loaded(values: dict[str, Any], base: Base, tmp_path: Path) -> None:
    settings = TrainSettings(rank=8, **values)
    model, start = fresh(base, settings)
    assert {parameter.dtype for parameter in model.parameters() if parameter.requires_grad} == {torch.float32}
    before = logits(model)
    losses = learn(model)
    assert losses[-1] < losses[0] - 1
    after = logits(model)
    save_adapter(model, tmp_path / "adapter", start)
    loaded = PeftModel.from_pretrained(load_for_generation(base, settings.quantisation), str(tmp_path / "adapter"))
    merged = logits(loaded.merge_and_unload())
    # bfloat16 rounds merged weights; what was learned is far larger.
    assert (merged - after).abs().mean() < 0.03 * (after - before).abs().mean() + 1e-3


def test_an_evaluation_between_steps_changes_nothing_in_8_bit(base: Base) -> None:
    """In evaluation mode bitsandbytes would round the activations too, and the loss measured would be another model's."""
    model, _ = fresh(base, TrainSettings(quantisation="int8"))
    evaluated = logits(model)
    model.train()
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=IDS).logits.float(), evaluated, atol=0, rtol=0)
    torch.testing.assert_close(logits(load_for_generation(base, "int8")), evaluated, atol=0, rtol=0)


def test_the_scale_is_alpha_by_rank_or_by_its_root(base: Base) -> None:
    for rslora, scale in ((False, 2.0), (True, 8.0)):
        model, _ = fresh(base, TrainSettings(rank=16, alpha=32.0, rslora=rslora))
        layer: Any = model.get_submodule("base_model.model.model.layers.0.mlp.up_proj")
        assert layer.scaling == {"default": scale}


def test_all_linear_leaves_the_output_matrix_out(base: Base) -> None:
    model, _ = fresh(base, TrainSettings())
    adapted = {name.split(".lora_A")[0].rpartition(".")[2] for name, _ in model.named_parameters() if "lora_A" in name}
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_names_are_names_and_an_unknown_one_is_told(base: Base) -> None:
    assert target_names(TrainSettings()) == "all-linear"
    assert target_names(TrainSettings(target_modules="q_proj")) == ["q_proj"]
    assert target_names(TrainSettings(target_modules=("q_proj", "v_proj"))) == ["q_proj", "v_proj"]
    with pytest.raises(UserError, match=r"train\.target_modules = 'kettle_proj'") as caught:
        fresh(base, TrainSettings(target_modules="kettle_proj"))
    assert "\n" not in str(caught.value)


def test_a_pissa_adapter_is_written_for_the_plain_base(base: Base, tmp_path: Path) -> None:
    settings = TrainSettings(init="pissa", quantisation="none", rank=4)
    model, start = fresh(base, settings)
    learn(model, 1)
    save_adapter(model, tmp_path, start)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["init_lora_weights"], config["inference_mode"]) == (8, 64.0, True, True)
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    assert tensors["base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"].shape == (8, 64)
    assert tensors["base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"].shape == (128, 8)
    assert (model.peft_config["default"].r, model.peft_config["default"].init_lora_weights) == (4, "pissa_niter_16")


def test_noise_is_only_in_training(base: Base) -> None:
    noisy, _ = fresh(base, TrainSettings(neftune_alpha=5.0))
    plain, _ = fresh(base, TrainSettings())
    torch.testing.assert_close(logits(noisy), logits(plain), atol=0, rtol=0)
    noisy.train()
    with torch.no_grad():
        assert (noisy(input_ids=IDS).logits - logits(plain)).abs().max() > 0.1
