"""Bases of several kinds on disk, with random weights, and what a model says."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

IDS = torch.tensor([[5, 6, 7, 8, 9, 1], [9, 1, 7, 5, 5, 6]])
MakeModel = Callable[[], Any]


def llama(*, tied: bool, layers: int = 2) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400, hidden_size=64, intermediate_size=96, num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=2,
        attention_bias=True, tie_word_embeddings=tied, initializer_range=0.2, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def gpt2() -> Any:
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=400, n_embd=64, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=1, initializer_range=0.2)
    )


def mixtral() -> Any:
    torch.manual_seed(0)
    config = MixtralConfig(
        vocab_size=400, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        num_local_experts=4, initializer_range=0.2, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    return MixtralForCausalLM(config)


def write_base(folder: Path, base_folder: Path, model: Any) -> Path:
    """A base with another model and the tokenizer of the tiny one."""
    model.save_pretrained(folder)
    for file in base_folder.glob("tokenizer*"):
        shutil.copy(file, folder)
    return folder


def trained_on(adapter: Path, quantisation: str) -> Path:
    """Lets an adapter say how its base was quantised."""
    settings = adapter / "settings.toml"
    settings.write_text(settings.read_text().replace('quantisation = "none"', f'quantisation = "{quantisation}"'))
    return adapter


def says(folder: Path) -> torch.Tensor:
    """The logits of the model in a folder, computed in float32."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=IDS).logits
    return logits
