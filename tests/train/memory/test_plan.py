"""Plans of whole trainings: every kind of model, and files of the size that was said."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig

from formats.errors import UserError
from train.adapters.lora import add_adapter
from train.bases.base_model import Base, load_for_training
from train.memory.fitting import advice, largest
from train.memory.imagined_model import skeleton
from train.memory.plan import FULL_BYTES, Plan, plan
from train.memory.process import process_bytes
from train.memory.shapes import config_of, known_shapes
from train.settings import TrainSettings

SMALL: dict[str, Any] = {
    "vocab_size": 500,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
}

KINDS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "olmo2", "granite", "smollm3"), SMALL),
    "mixtral": {**SMALL, "num_local_experts": 4},
    "gpt_neox": {key: value for key, value in SMALL.items() if key not in ("num_key_value_heads", "head_dim")},
    "gpt2": {"vocab_size": 500, "n_embd": 64, "n_layer": 4, "n_head": 4, "n_positions": 512},
}

SETTINGS = TrainSettings(rank=4, max_tokens=64, tokens_per_batch=128)


def parts(found: Plan) -> dict[str, int]:
    return {part.name: part.bytes for part in found.parts}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_is_planned(kind: str) -> None:
    config = AutoConfig.for_model(kind, **KINDS[kind])
    found = plan(config, SETTINGS, 128, "cuda")
    assert {"quantised weights", "other weights", "adapter", "optimizer", "activations", "working memory", "process"} <= set(parts(found))
    assert found.peak_bytes == sum(parts(found).values())
    assert found.adapter_bytes == 4 * found.trainable_parameters > 0
    assert found.full_bytes == FULL_BYTES * (found.total_parameters - found.trainable_parameters)


def test_the_adapter_on_disk_is_as_large_as_said(base: Base, tmp_path: Path) -> None:
    found = plan(base.config, SETTINGS, 128)
    add_adapter(load_for_training(base, "nf4"), SETTINGS).save_pretrained(str(tmp_path))
    file = tmp_path / "adapter_model.safetensors"
    assert sum(tensor.nbytes for tensor in load_file(file).values()) == found.adapter_bytes
    assert 0 < file.stat().st_size - found.adapter_bytes < 10_000, "names and shapes stand before the numbers"


def test_more_tokens_take_more(base: Base) -> None:
    peaks = [sum(bytes for name, bytes in parts(plan(base.config, SETTINGS, n)).items() if name != "process") for n in (32, 64, 256)]
    assert peaks == sorted(set(peaks))


def test_a_process_on_a_cpu_takes_what_it_has_now(base: Base) -> None:
    resident = parts(plan(base.config, SETTINGS, 128))["process"]
    assert resident == pytest.approx(process_bytes("cpu"), rel=0.2)
    if not torch.cuda.is_available():
        assert process_bytes("cuda") == 500 << 20


def test_known_shapes_have_the_parameters_of_their_names() -> None:
    millions = {
        "llama-7b": 6738, "llama-65b": 65286, "llama-2-70b": 68977, "llama-3-8b": 8030, "llama-3.2-1b": 1236, "qwen2.5-7b": 7616,
    }  # fmt: skip
    for name, expected in millions.items():
        model = skeleton(config_of(name), torch.bfloat16, "sdpa")
        assert round(sum(parameter.numel() for parameter in model.parameters()) / 1e6) == expected, name
    assert set(millions) <= set(known_shapes())


def test_quantised_weights_of_a_7b_model_are_half_a_byte_and_their_constants() -> None:
    found = plan(config_of("llama-2-7b"), SETTINGS, 128, "cuda")
    linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
    # 8 bits for 64 weights, and 32 bits for 256 of those: 0.127 bits a weight.
    assert parts(found)["quantised weights"] == pytest.approx(linear * (4 + 8 / 64 + 32 / 64 / 256) / 8, rel=1e-6)


def test_the_adapter_of_the_tutorial_is_134_megabytes() -> None:
    found = plan(config_of("llama-2-7b"), TrainSettings(preset="tutorial"), 512, "cuda")
    assert found.adapter_bytes == 134_217_728


def test_the_most_samples_that_fit_are_found() -> None:
    config = AutoConfig.for_model("llama", **{**SMALL, "num_hidden_layers": 2})
    assert largest(config, SETTINGS, plan(config, SETTINGS, 3 * 64, "cuda").peak_bytes) == 3
    assert largest(config, SETTINGS, 1 << 20) == 0


def test_advice_goes_from_what_costs_nothing_to_what_costs_quality() -> None:
    config = AutoConfig.for_model("llama", **{**SMALL, "num_hidden_layers": 3})
    settings = SETTINGS.model_copy(update={"rank": 32, "tokens_per_batch": 256, "dropout": 0.1})
    said = advice(config, settings, 256, plan(config, settings, 256, "cuda").peak_bytes - 1000)
    assert said.fits
    assert [change.setting for change in said.changes] == ["activation_checkpointing = true"]
    none = advice(config, settings, 256, 1 << 20)
    assert not none.fits
    assert [change.setting.split(" =")[0] for change in none.changes][-2:] == ["rank", "target_modules"]
    assert all(change.saves > 0 for change in none.changes)


def test_what_cannot_be_planned_is_said(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    with pytest.raises(UserError, match="not there"):
        config_of(str(file))
    file.write_text('{"model_type": "kettle"}', encoding="utf-8")
    with pytest.raises(UserError, match="transformers cannot read it"):
        config_of(str(tmp_path))
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match="names no model_type"):
        config_of(str(file))
    with pytest.raises(UserError, match="cannot build a causal language model"):
        plan(AutoConfig.for_model("vit"), SETTINGS, 128)
