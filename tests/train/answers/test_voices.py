"""Adapters beside the layers of a base: the same function as PEFT's, row by row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from formats.errors import UserError
from tests.random_adapter import write_random_adapter
from train.adapters.folder import read_adapter
from train.answers.voices import Voices
from train.settings import TrainSettings

IDS = torch.tensor([[5, 6, 7, 8, 9, 1], [9, 1, 7, 5, 5, 6]])
MakeModel = Callable[[], Any]


def llama(*, tied: bool) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        attention_bias=True, tie_word_embeddings=tied, initializer_range=0.2,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def gpt2() -> Any:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=400, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=1)).eval()


@pytest.mark.parametrize(
    ("make", "settings", "stop_token"),
    [
        (lambda: llama(tied=True), TrainSettings(rank=4), None),
        (lambda: llama(tied=True), TrainSettings(rank=4, rslora=True, target_modules="q_proj"), 7),
        (lambda: llama(tied=False), TrainSettings(rank=4), 7),
        (lambda: llama(tied=False), TrainSettings(rank=4, dora=True), 5),
        (gpt2, TrainSettings(rank=4), None),
    ],
    ids=["all layers", "rsLoRA, tied stop row", "untied stop row", "DoRA with biases", "transposed layers"],
)
def test_an_adapter_answers_as_with_peft(
    make: MakeModel, settings: TrainSettings, stop_token: int | None, base_folder: Path, tmp_path: Path
) -> None:
    folder = write_random_adapter(tmp_path / "adapter", base_folder, settings, stop_token=stop_token, model=make())
    model = make()
    with torch.no_grad():
        alone = model(input_ids=IDS).logits
        expected = PeftModel.from_pretrained(make(), str(folder)).eval()(input_ids=IDS).logits
    voices = Voices(model)
    voices.add("court", read_adapter(folder))
    with torch.no_grad():
        assert torch.equal(model(input_ids=IDS).logits, alone), "nobody is named"
        with voices.speaking([{"court": 1.0}]):
            said = model(input_ids=IDS).logits
        with voices.speaking([{}, {"court": 1.0}]):
            rows = model(input_ids=IDS).logits
    assert not torch.allclose(expected, alone, atol=1e-2)
    torch.testing.assert_close(said, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rows[0], alone[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rows[1], expected[1], atol=1e-4, rtol=1e-4)
    voices.remove("court")
    with torch.no_grad():
        assert torch.equal(model(input_ids=IDS).logits, alone)


@pytest.fixture
def two(base_folder: Path, tmp_path: Path) -> Voices:
    model: Any = AutoModelForCausalLM.from_pretrained(base_folder).eval()
    voices = Voices(model)
    both = {"court": TrainSettings(rank=4), "tea": TrainSettings(rank=8, target_modules="q_proj")}
    for seed, (name, settings) in enumerate(both.items()):
        voices.add(name, read_adapter(write_random_adapter(tmp_path / name, base_folder, settings, seed=seed + 1)))
    return voices


def test_a_batch_is_answered_row_by_row(two: Voices) -> None:
    ids = IDS[:1].repeat(4, 1)
    mixes = [{}, {"court": 1.0}, {"tea": 1.0}, {"court": 0.7, "tea": 0.3}]
    with torch.no_grad():
        with two.speaking(mixes):
            together = two.model(input_ids=ids).logits
        for row, mix in enumerate(mixes):
            with two.speaking([mix]):
                torch.testing.assert_close(two.model(input_ids=ids[:1]).logits[0], together[row], atol=1e-4, rtol=1e-4)


def test_a_mix_is_the_weighted_sum_of_what_adapters_change(two: Voices, tmp_path: Path) -> None:
    layer = two.model.get_submodule("model.layers.0.self_attn.q_proj")
    x = torch.randn(1, 3, 64)
    with torch.no_grad():
        plain = layer(x)
        said = []
        for mix in ({"court": 1.0}, {"tea": 1.0}, {"court": 0.7, "tea": 0.3}):
            with two.speaking([mix]):
                said.append(layer(x) - plain)
    torch.testing.assert_close(said[2], 0.7 * said[0] + 0.3 * said[1], atol=1e-4, rtol=1e-4)


def test_names_and_shapes_that_do_not_fit_are_refused(two: Voices, base_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="milk: no such adapter here; there are court, tea"), two.speaking([{"milk": 1.0}]):
        pass
    folder = write_random_adapter(tmp_path / "other", base_folder, model=llama(tied=True))
    with pytest.raises(UserError, match=r"does not fit the base .*has another shape; it was trained on"):
        two.add("other", read_adapter(folder))
    assert two.names == ("court", "tea")
