"""What Lorum writes as GGUF, in llama.cpp itself: the same tokens, the same logits, and an end at the stop.

Runs where the package llama-cpp-python is installed (`make test-llama-cpp`), which builds llama.cpp from its source.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from formats.contract.report import StopSpec
from formats.templates.template import load_template
from tests.gguf_bases import write_base
from tests.random_adapter import write_random_adapter
from train.exports.chat_template import jinja_of
from train.exports.gguf_adapter import write_gguf_adapter
from train.exports.gguf_model import write_gguf
from train.settings import TrainSettings

llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed; run: make test-llama-cpp")

PROMPT = [5, 60, 130, 7, 88, 201, 33, 12, 45, 67, 89, 23, 24, 25, 26, 190, 191, 100, 101, 102]
F32 = 0
"""ggml's number of float32: keys and values are kept in float16 by default."""

LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}


def loaded(file: Path, **options: Any) -> Any:
    told = {"n_ctx": 64, "n_batch": 64, "n_threads": 1, "type_k": F32, "type_v": F32, "logits_all": True, "verbose": False, **options}
    return llama_cpp.Llama(str(file), **told)


def logits(file: Path, **options: Any) -> np.ndarray[Any, Any]:
    """Shape (tokens of PROMPT, tokens of the vocabulary)."""
    model = loaded(file, **options)
    model.eval(PROMPT)
    return np.array(model.scores[: len(PROMPT)])


def expected(folder: Path) -> np.ndarray[Any, Any]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        found: np.ndarray[Any, Any] = model(torch.tensor([PROMPT])).logits[0].numpy()
    return found


@pytest.mark.parametrize(
    ("family", "changed"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True}),
        ("llama", {"num_key_value_heads": 4, "head_dim": 32}),
        ("llama", {"vocab_size": 512}),
        ("llama", {"rope_parameters": LLAMA3}),
        ("llama", {"rope_parameters": YARN}),
        ("llama", {"rope_parameters": LINEAR}),
        ("mistral", {"sliding_window": None}),
        ("mistral", {"sliding_window": 32}),
        ("qwen2", {}),
        ("qwen2", {"tie_word_embeddings": False}),
        ("qwen3", {}),
        ("qwen3", {"head_dim": 32}),
    ],
)
def test_the_logits_are_those_of_transformers(family: str, changed: dict[str, Any], tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", family, **changed)
    write_gguf(base, tmp_path / "model.gguf", "f32")
    wanted = expected(base)
    assert wanted.std() > 0.5
    np.testing.assert_allclose(logits(tmp_path / "model.gguf"), wanted, atol=2e-3)


@pytest.mark.parametrize(("type", "most"), [("f16", 0.05), ("bf16", 0.2), ("q8_0", 0.7)])
def test_other_types_are_read_as_well(type: Any, most: float, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    write_gguf(base, tmp_path / "model.gguf", type)
    # Where weights are in 8 bit, llama.cpp multiplies them with activations in 8 bit as well.
    np.testing.assert_allclose(logits(tmp_path / "model.gguf"), expected(base), atol=most)


PIECES = ["The", " court", "'ll", "'S", "123", "4", "  ", "\n", "\n\n", "### END", "é", "ü ", "東京", "🫖", "...", "\t", "▁", "<|x|>"]
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40) | st.lists(st.sampled_from(PIECES)).map("".join)


@pytest.mark.parametrize("words", ["gpt-2", "smollm", "llama-bpe", "smaug-bpe", "qwen2", "tekken", "default"])
def test_the_tokens_are_those_of_the_tokenizer(words: str, tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", words=words, num_hidden_layers=1)
    write_gguf(base, tmp_path / "model.gguf")
    model, tokenizer = loaded(tmp_path / "model.gguf", vocab_only=True), AutoTokenizer.from_pretrained(base)

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(TEXTS)
    def compare(text: str) -> None:
        if text:
            assert model.tokenize(text.encode(), add_bos=True, special=False) == tokenizer(text, split_special_tokens=True)["input_ids"]

    compare()


def test_an_adapter_on_its_base_answers_as_the_merged_model(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    adapter = write_random_adapter(tmp_path / "adapter", base, TrainSettings(rank=4, rslora=True))
    merged: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter))
    merged.merge_and_unload().save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "merged")
    write_gguf(base, tmp_path / "base.gguf", "f32")
    write_gguf(tmp_path / "merged", tmp_path / "merged.gguf", "f32")
    write_gguf_adapter(adapter, tmp_path / "adapter.gguf")
    beside = logits(tmp_path / "base.gguf", lora_path=str(tmp_path / "adapter.gguf"))
    np.testing.assert_allclose(beside, logits(tmp_path / "merged.gguf"), atol=2e-3)
    np.testing.assert_allclose(beside, expected(tmp_path / "merged"), atol=2e-3)
    assert np.abs(beside - logits(tmp_path / "base.gguf")).max() > 0.5


@pytest.mark.parametrize("token", [1, 2], ids=["the tokenizer's own end", "the stop's token"])
def test_an_answer_ends_at_the_stop_by_itself(token: int, tmp_path: Path) -> None:
    write_gguf(write_base(tmp_path / "base"), tmp_path / "model.gguf", stop=StopSpec("<|begin|>", 2, ("<|begin|>",), ""))
    model = loaded(tmp_path / "model.gguf", logits_all=False)
    answer = model.create_completion(PROMPT[:8], max_tokens=8, temperature=0, logit_bias={token: 1000})
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] <= 1
    goes_on = model.create_completion(PROMPT[:8], max_tokens=8, temperature=0, logit_bias={50: 1000})
    assert goes_on["choices"][0]["finish_reason"] == "length"


def test_messages_are_rendered_by_the_template_and_the_answer_is_cut_at_the_stop(tmp_path: Path) -> None:
    base, template = write_base(tmp_path / "base"), load_template("comment-response")
    write_gguf(base, tmp_path / "model.gguf", chat_template=jinja_of(template))
    model, tokenizer = loaded(tmp_path / "model.gguf", logits_all=False), AutoTokenizer.from_pretrained(base)
    said = model.create_chat_completion(
        [{"role": "user", "content": "The court finds the kettle guilty."}], max_tokens=4, temperature=0, stop=[template.stop]
    )
    prompt = tokenizer("### Comment:\nThe court finds the kettle guilty.\n\n### Response:\n")["input_ids"]
    assert said["usage"]["prompt_tokens"] == len(prompt)
    assert said["choices"][0]["message"]["role"] == "assistant"
