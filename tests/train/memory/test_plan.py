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
from train.memory.plan import FULL_BYTES, Part, Plan, plan
from train.memory.process import process_bytes
from train.memory.shapes import config_of, known_shapes
from train.settings import TrainSettings

SMALL: dict[str, Any] = {
    "vocab_size": 500,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
}

KINDS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "olmo2", "granite", "smollm3"), SMALL),
    "mixtral": {**SMALL, "num_local_experts": 4},
    "gpt_neox": {key: value for key, value in SMALL.items() if key not in ("num_key_value_heads", "head_dim")},
    "gpt2": {"vocab_size": 500, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512},
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
    peaks = [sum(bytes for name, bytes in parts(plan(base.config, SETTINGS, n)).items() if name != "process") for n in (32, 256)]
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


def test_a_7b_model_has_half_a_byte_a_weight_with_constants_and_in_the_tutorial_134_megabytes_of_adapter() -> None:
    found = plan(config_of("llama-2-7b"), TrainSettings(preset="tutorial"), 512, "cuda")
    assert found.adapter_bytes == 134_217_728
    linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
    # 8 bits for 64 weights, and 32 bits for 256 of those: 0.127 bits a weight.
    assert parts(found)["quantised weights"] == pytest.approx(linear * (4 + 8 / 64 + 32 / 64 / 256) / 8, rel=1e-6)


def test_the_most_samples_that_fit_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    config = AutoConfig.for_model("llama", **{**SMALL, "num_hidden_layers": 1})
    asked: list[int] = []

    def rising(config: object, settings: TrainSettings, tokens: int, device: str) -> Plan:
        asked.append(tokens // settings.max_tokens)
        # A mask grows with the square.
        return made(1000 * asked[-1] + asked[-1] ** 2)

    monkeypatch.setattr("train.memory.fitting.plan", rising)
    settings = SETTINGS.model_copy(update={"batch": 200})
    assert largest(config, settings, made(1000 * 45 + 45**2).peak_bytes) == 45
    assert len(asked) <= 6
    assert largest(config, settings, 10**9) == 200, "no more go at once than are in a step"
    assert largest(config, settings, 1000) == 0


def made(size: int) -> Plan:
    return Plan((Part("all", size, ""),), "cuda", 1, 1, 0, 1, 2)


MIXED: dict[str, tuple[str, dict[str, Any]]] = {
    "dense before experts": (
        "deepseek_v3",
        {
            "moe_intermediate_size": 32, "n_routed_experts": 8, "n_group": 2, "topk_group": 1, "q_lora_rank": 16, "kv_lora_rank": 16,
            "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16, "first_k_dense_replace": 3, "num_hidden_layers": 10,
            "num_key_value_heads": 4,
            "head_dim": 8,
        },
    ),
    "experts in every third": (
        "qwen3_moe",
        {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "decoder_sparse_step": 3, "num_hidden_layers": 12},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_layers_that_differ_are_all_counted(name: str) -> None:
    kind, values = MIXED[name]
    config = AutoConfig.for_model(kind, **{**SMALL, **values})
    found = plan(config, SETTINGS.model_copy(update={"target_modules": ("q_proj", "o_proj")}), 128, "cuda")
    whole = skeleton(config, torch.bfloat16, "sdpa")
    assert found.total_parameters - found.trainable_parameters == sum(parameter.numel() for parameter in whole.parameters())


def test_what_cannot_be_imagined_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def asks(*args: object) -> None:
        raise RuntimeError("a number was\n  asked for. And more")

    monkeypatch.setattr("train.memory.plan.imagined_step", asks)
    config = AutoConfig.for_model("llama", **SMALL)
    with pytest.raises(UserError, match=r"model type 'llama' cannot be planned \(RuntimeError: a number was asked for\)$"):
        plan(config, SETTINGS, 128)


def test_a_paged_optimizer_can_go_and_logits_are_a_part() -> None:
    config = AutoConfig.for_model("llama", **{**SMALL, "num_hidden_layers": 2})
    found = plan(config, SETTINGS.model_copy(update={"optimizer": "paged_adamw_8bit"}), 128, "cuda")
    assert found.unpaged_bytes == found.peak_bytes - parts(found)["optimizer"]
    assert parts(found)["logits"] == 4 * 500 * found.learned


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
