"""Answers: when they stop, what is measured of them, and how a chat shows them."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerBase

from formats.errors import UserError
from formats.templates.template import Template
from formats.tokens.encoding import end_ids, end_token_id, stop_ids
from train.adapters.folder import filler_id, generation_config, read_adapter
from train.answers.generate import generate
from train.answers.reply import Ending, GrowingReply, Reply
from train.bases.base_model import Base, load_tokenizer
from train.evaluation.endings import termination
from train.settings import DecodingSettings

GREEDY = DecodingSettings(temperature=0, max_new_tokens=48)


@pytest.fixture(scope="session")
def tokenizer(base: Base) -> PreTrainedTokenizerBase:
    return load_tokenizer(base)


class Scripted:
    """Turns a real model into one that says a given sequence of tokens after any prompt, over and over."""

    def __init__(self, folder: Path, script: Sequence[int], prompt_lengths: int | None = None) -> None:
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
        forward = self.model.forward
        self.said = 0

        def scripted(*args: Any, **kwargs: Any) -> Any:
            outputs = forward(*args, **kwargs)
            outputs.logits = torch.full_like(outputs.logits, -50.0)
            outputs.logits[:, -1, script[self.said % len(script)]] = 50.0
            self.said += 1
            return outputs

        self.model.forward = scripted


PROMPTS = ["### Comment:\nWhy?\n\n### Response:\n", "### Comment:\nThe court finds the kettle guilty. Why?\n\n### Response:\n"]


def test_a_model_that_always_stops_is_measured_so(base_folder: Path, tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    reply = tokenizer("Overruled, and buttered.")["input_ids"]
    script = [*reply, *stop_ids(template, tokenizer)]
    # The textual stop ends the answer already: the end token behind it is never asked for.
    model = Scripted(base_folder, script[:-1]).model
    replies = generate(model, tokenizer, template, PROMPTS, generation_config(GREEDY, template, tokenizer))
    assert replies == [Reply("Overruled, and buttered.", tuple(script[:-1]), "stop")] * 2
    measured = termination(replies, 48)
    assert (measured.rate, measured.by_stop, measured.by_other_end, measured.looped, measured.empty) == (1.0, 2, 0, 0, 0)
    assert measured.mean_tokens == len(script) - 1


def test_the_end_token_alone_is_another_end(base_folder: Path, tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    reply = tokenizer("Overruled.")["input_ids"]
    model = Scripted(base_folder, [*reply, end_token_id(template, tokenizer)]).model
    replies = generate(model, tokenizer, template, PROMPTS, generation_config(GREEDY, template, tokenizer))
    assert [(reply.text, reply.ending) for reply in replies] == [("Overruled.", "other end")] * 2
    measured = termination(replies, 48)
    assert (measured.rate, measured.by_stop, measured.by_other_end) == (1.0, 0, 2)


@pytest.fixture
def turns(base: Base) -> tuple[Template, PreTrainedTokenizerBase]:
    """A template whose stop is an end of turn, and a tokenizer that knows it but has another end token of its own."""
    tokenizer = load_tokenizer(base)
    tokenizer.eos_token = "<|pad|>"
    template = Template(name="turns", turn="### Comment:\n{text}\n\n", reply="### Response:\n", stop="<|end|>")
    assert end_ids(template, tokenizer) == [1, 0]
    return template, tokenizer


@pytest.mark.parametrize(("end", "ending"), [(1, "stop"), (0, "other end")])
def test_answers_end_at_the_end_of_turn_and_at_the_tokenizers_own_end(
    base_folder: Path, turns: tuple[Template, PreTrainedTokenizerBase], end: int, ending: Ending
) -> None:
    template, tokenizer = turns
    config = generation_config(GREEDY, template, tokenizer)
    assert config.eos_token_id == [1, 0]
    reply = tokenizer("Overruled.")["input_ids"]
    model = Scripted(base_folder, [*reply, end]).model
    assert generate(model, tokenizer, template, PROMPTS, config) == [Reply("Overruled.", (*reply, end), ending)] * 2


def test_filler_ends_no_answer_where_there_is_another_special_token(turns: tuple[Template, PreTrainedTokenizerBase]) -> None:
    template, tokenizer = turns
    assert filler_id(template, tokenizer) == 1, "both special tokens end answers"
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|idle|>"]})
    assert filler_id(template, tokenizer) == tokenizer.convert_tokens_to_ids("<|idle|>")


def test_a_stop_spelled_with_other_tokens_stops_too(base_folder: Path, tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    spelled = [token for character in "Ha.\n\n### END" for token in tokenizer(character)["input_ids"]]
    assert spelled[-len(stop_ids(template, tokenizer)) + 1 :] != stop_ids(template, tokenizer)[:-1]
    model = Scripted(base_folder, spelled).model
    replies = generate(model, tokenizer, template, PROMPTS, generation_config(GREEDY, template, tokenizer))
    assert [(reply.text, reply.ending) for reply in replies] == [("Ha.", "stop")] * 2


def test_a_model_that_never_stops_is_measured_so(base_folder: Path, tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    model = Scripted(base_folder, tokenizer(" milk")["input_ids"]).model
    measured = termination(generate(model, tokenizer, template, PROMPTS, generation_config(GREEDY, template, tokenizer)), 48)
    assert (measured.rate, measured.looped, measured.mean_tokens) == (0.0, 2, None)


def test_filler_is_no_part_of_an_answer_and_never_the_end_token(tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    filler = filler_id(template, tokenizer)
    assert filler == 0 != end_token_id(template, tokenizer)
    words = tokenizer("Ha, ha.")["input_ids"]
    stop = stop_ids(template, tokenizer)
    growing = GrowingReply(template, tokenizer, generation_config(DecodingSettings(), template, tokenizer))
    assert [growing.add(token) for token in (*words, *stop[:-1])] == [False] * (len(words) + len(stop) - 2) + [True]
    assert growing.reply() == Reply("Ha, ha.", (*words, *stop[:-1]), "stop")


def test_a_higher_limit_or_more_prompts_leave_what_is_drawn(
    base_folder: Path, tokenizer: PreTrainedTokenizerBase, template: Template
) -> None:
    model = AutoModelForCausalLM.from_pretrained(base_folder).eval()

    def said(prompts: Sequence[str], limit: int) -> list[tuple[int, ...]]:
        config = generation_config(DecodingSettings(temperature=1.0, max_new_tokens=limit), template, tokenizer)
        return [reply.token_ids for reply in generate(model, tokenizer, template, prompts, config, seed=3)]

    few = said(PROMPTS, 4)
    assert [ids[:4] for ids in said(PROMPTS, 9)] == few
    assert said([*PROMPTS, "### Comment:\nMilk?\n\n### Response:\n"], 4)[:2] == few
    assert said([], 4) == []


def test_a_batch_answers_each_prompt_as_if_alone(base_folder: Path, tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    model = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32).eval()
    config = generation_config(GREEDY.model_copy(update={"repetition_penalty": 1.3}), template, tokenizer)
    together = generate(model, tokenizer, template, PROMPTS[::-1], config)
    alone = [generate(model, tokenizer, template, [prompt], config)[0] for prompt in PROMPTS[::-1]]
    assert [reply.token_ids for reply in together] == [reply.token_ids for reply in alone]


def test_a_folder_without_adapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no adapter there"):
        read_adapter(tmp_path)


def test_generation_settings_become_a_generation_config(tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    config = generation_config(DecodingSettings(temperature=0.5, repetition_penalty=1.2), template, tokenizer)
    assert isinstance(config, GenerationConfig)
    assert (config.do_sample, config.temperature, config.repetition_penalty) == (True, 0.5, 1.2)
    greedy = generation_config(DecodingSettings(temperature=0.5, repetition_penalty=1.2), template, tokenizer, greedy=True)
    assert (greedy.do_sample, greedy.repetition_penalty, greedy.eos_token_id) == (False, 1.0, 1)
    assert SimpleNamespace(**greedy.to_dict()).temperature is None or not greedy.do_sample


def test_a_character_of_several_tokens_is_shown_once_it_is_whole(template: Template) -> None:
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    # As in Llama 2 and Mistral: a character without a token of its own is a token for each of its bytes.
    words = ["<end>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁Guilty", "▁of", "▁tea", "."]
    bpe = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, [], unk_token="<unk>", byte_fallback=True))
    bpe.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<end>", unk_token="<unk>")
    kettle = [words.index(f"<0x{byte:02X}>") for byte in "🫖".encode()]
    growing = GrowingReply(template, tokenizer, generation_config(DecodingSettings(), template, tokenizer))
    pieces = []
    for token in (words.index("▁Guilty"), *kettle, words.index("▁of"), *kettle, words.index("▁tea"), words.index("."), 0):
        growing.add(token)
        pieces.append(growing.piece())
    assert "".join(pieces) == growing.reply().text == "Guilty🫖 of🫖 tea."
    assert not any("�" in piece for piece in pieces)
