"""Bases whose layers read over the beginning of a sample are found, and get one sample at a time."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, OPTConfig, PreTrainedConfig

from tests.train.learning.tiny import changed
from train.bases.base_model import Base, load_for_generation
from train.learning.apart import keeps_apart
from train.learning.batches import flatten
from train.learning.trainer import train

LLAMA = LlamaConfig(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2)
OPT = OPTConfig(vocab_size=96, hidden_size=32, word_embed_proj_dim=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=2)


@pytest.mark.parametrize(("config", "apart"), [(LLAMA, True), (OPT, False)], ids=lambda value: getattr(value, "model_type", None))
def test_a_base_that_reads_the_sample_before_is_found(config: PreTrainedConfig, apart: bool) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    # Of the weights' own size attention would be next to nothing.
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    drawn = torch.get_rng_state()
    assert keeps_apart(model) is apart
    assert torch.equal(torch.get_rng_state(), drawn)


def test_each_sample_goes_through_such_a_base_by_itself(
    samples: Path, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.learning.trainer.keeps_apart", lambda model: False)
    rows: list[int] = []
    monkeypatch.setattr("train.learning.trainer.flatten", lambda items: rows.append(len(items)) or flatten(items))
    said: list[str] = []
    train(samples, str(base_folder), tmp_path / "adapter", changed(max_steps=2), say=said.append)
    assert said == ["train: the layers of llama let samples in one row read each other: each goes through by itself"]
    assert set(rows) == {1}


def test_a_base_without_pytorchs_attention_is_loaded_with_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Gemma2Config(
        vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, head_dim=16
    )
    plain = AutoModelForCausalLM.from_config(config)
    plain.save_pretrained(tmp_path)
    monkeypatch.setattr(type(plain), "_supports_sdpa", False)
    model = load_for_generation(Base("tiny", str(tmp_path), "tiny", config), "none")
    assert model.config._attn_implementation == "eager"
