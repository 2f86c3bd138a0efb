"""The loop that answers prompts: the same tokens as the library's own, whatever leaves the batch on the way."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerBase
from transformers.generation import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from formats.templates.template import Template
from formats.tokens.encoding import encode_prompt
from tests.train.conftest import SENTENCES
from train.adapters.folder import filler_id, generation_config
from train.answers.decoding import rows_at_once
from train.answers.generate import generate
from train.answers.sampling import next_tokens
from train.bases.base_model import Base, load_tokenizer
from train.settings import DecodingSettings

PROMPTS = [f"### Comment:\n{' '.join(SENTENCES[: place % 4 + 1])}\n\n### Response:\n" for place in range(20)]


@pytest.fixture(scope="module")
def tokenizer(base: Base) -> PreTrainedTokenizerBase:
    return load_tokenizer(base)


@pytest.fixture(scope="module")
def model(base_folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_greedy_answers_are_the_librarys(model: Any, tokenizer: PreTrainedTokenizerBase, template: Template, penalty: float) -> None:
    config = generation_config(DecodingSettings(temperature=0, repetition_penalty=penalty, max_new_tokens=24), template, tokenizer)
    # Some token that this model says early ends answers, so that rows leave the batch one after the other.
    config.eos_token_id = [1, _common_token(model, tokenizer, template)]
    replies = generate(model, tokenizer, template, PROMPTS, config, batch=20)
    lengths = set()
    for prompt, reply in zip(PROMPTS, replies, strict=True):
        ids = torch.tensor([encode_prompt(template, prompt, tokenizer)])
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)
        expected = output[0, ids.shape[1] :].tolist()
        assert list(reply.token_ids) == expected[: len(reply.token_ids)]
        assert len(reply.token_ids) == len(expected) or expected[len(reply.token_ids) - 1] == 1
        lengths.add(len(reply.token_ids))
    assert len(lengths) > 1, "rows that end at different times"


def _common_token(model: Any, tokenizer: PreTrainedTokenizerBase, template: Template) -> int:
    """A token that some answers hold and others do not."""
    config = generation_config(DecodingSettings(temperature=0, max_new_tokens=24), template, tokenizer)
    said = [set(reply.token_ids) for reply in generate(model, tokenizer, template, PROMPTS[:4], config)]
    counts = {token: sum(token in each for each in said) for each in said for token in each}
    return min(counts, key=lambda token: (abs(counts[token] - 2), token))


def test_what_is_drawn_depends_on_the_seed_and_the_place_alone(model: Any, tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    config = generation_config(DecodingSettings(temperature=1.0, max_new_tokens=16), template, tokenizer)
    whole = generate(model, tokenizer, template, PROMPTS, config, seed=3)
    assert generate(model, tokenizer, template, PROMPTS, config, seed=3, batch=3) == whole
    assert generate(model, tokenizer, template, PROMPTS[:5], config, seed=3) == whole[:5]
    assert generate(model, tokenizer, template, PROMPTS, config, seed=4) != whole
    assert whole[0] != whole[4], "the same prompt at another place is drawn anew"


@given(
    logits=st.lists(st.integers(-64, 64).map(lambda eighths: eighths / 8), min_size=2, max_size=30, unique=True),
    temperature=st.floats(0.2, 3),
    top_p=st.floats(0.05, 1),
    top_k=st.integers(0, 40),
    draw=st.floats(0, 0.99),
)
def test_a_draw_follows_the_librarys_distribution(logits: list[float], temperature: float, top_p: float, top_k: int, draw: float) -> None:
    scores = torch.tensor([logits])
    config = GenerationConfig(do_sample=True, temperature=temperature, top_p=top_p, top_k=top_k)
    none: Any = None
    expected = TemperatureLogitsWarper(temperature)(none, scores)
    expected = TopKLogitsWarper(top_k)(none, expected) if top_k else expected
    shares = TopPLogitsWarper(top_p)(none, expected).softmax(-1)[0].double()
    order = shares.argsort(descending=True, stable=True)
    chosen = int(next_tokens(scores, torch.zeros(1, 0, dtype=torch.long), config, torch.tensor([draw])))
    place = int((order == chosen).nonzero())
    before, through = float(shares[order[:place]].sum()), float(shares[order[: place + 1]].sum())
    # The library cuts at the same share from the other end: where the share is met exactly, rounding decides on one token more or less.
    assert before - 2e-3 <= draw * float(shares.sum()) <= through + 2e-3 or abs(before - top_p) < 1e-3


@pytest.mark.parametrize("extreme", [{"temperature": 1e-40}, {"temperature": 1e-46}, {"top_p": 1e-46}, {"repetition_penalty": 1e-50}])
def test_extreme_settings_choose_a_token_all_the_same(extreme: dict[str, float]) -> None:
    config = GenerationConfig(do_sample=True, **{"temperature": 1.0, "top_p": 0.9, **extreme})
    logits = torch.tensor([[0.5, 3.0, -2.0, 2.9], [-1.0, -1.5, -0.5, -3.0]])
    chosen = next_tokens(logits, torch.tensor([[1], [2]]), config, torch.tensor([0.2, 0.99999]))
    assert chosen.tolist() == [1, 2] or ("repetition_penalty" in extreme and set(chosen.tolist()) <= set(range(4)))


def test_greedy_ignores_the_draw() -> None:
    config = GenerationConfig(do_sample=False)
    ids = torch.zeros(2, 1, dtype=torch.long)
    assert next_tokens(torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), ids, config, torch.tensor([0.9, 0.1])).tolist() == [1, 0]


def test_a_batch_is_as_large_as_its_keys_and_values_fit(model: Any) -> None:
    # 2 layers of 2 key heads, 16 wide each, keys and values of 4 bytes: 512 bytes a token.
    assert rows_at_once(model, 128, 64) == 64
    assert rows_at_once(model, 1 << 22, 64) == 2
    assert rows_at_once(model, 1 << 30, 64) == 1


def test_shorter_prompts_are_filled_up_with_a_token_that_ends_nothing(tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    config = generation_config(DecodingSettings(), template, tokenizer)
    assert filler_id(template, tokenizer) == config.pad_token_id != config.eos_token_id
