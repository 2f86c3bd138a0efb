"""Tokenizers as llama.cpp reads them."""

import json
from pathlib import Path
from typing import Any

import pytest
from gguf import TokenType
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from formats.errors import UserError
from tests.gguf_bases import byte_level_tokenizer, spiece_tokenizer
from train.exports.gguf_tokenizer import vocabulary_of


def changed(tokenizer: PreTrainedTokenizerFast, change: Any) -> PreTrainedTokenizerFast:
    """The tokenizer whose description was changed."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    change(spec)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(spec)), eos_token="<|end|>")


@pytest.mark.parametrize("words", ["gpt-2", "smollm", "llama-bpe", "smaug-bpe", "qwen2", "tekken"])
def test_how_texts_are_cut_into_words_is_recognised(words: str) -> None:
    vocabulary = vocabulary_of(byte_level_tokenizer(words), 500)
    assert vocabulary.words == words
    assert vocabulary.model == "gpt2"
    assert vocabulary.begins == (words == "llama-bpe")
    assert not vocabulary.ends
    assert not vocabulary.adds_space


def test_a_way_to_cut_texts_without_a_name_is_refused(base_folder: Path) -> None:
    with pytest.raises(UserError, match=r"cuts texts into words \(Split and ByteLevel\) in a way that llama.cpp has no name for"):
        vocabulary_of(AutoTokenizer.from_pretrained(base_folder), 500)


@pytest.mark.parametrize("normalizer", [{"type": "Lowercase"}, {"type": "NFKC"}])
def test_what_changes_the_text_first_is_refused(normalizer: dict[str, str]) -> None:
    tokenizer = changed(byte_level_tokenizer("gpt-2"), lambda spec: spec.update(normalizer=normalizer))
    with pytest.raises(UserError, match="no name for"):
        vocabulary_of(tokenizer, 500)


def test_a_blank_before_a_text_is_refused_in_byte_level_tokenizers() -> None:
    tokenizer = changed(byte_level_tokenizer("gpt-2"), lambda spec: spec["pre_tokenizer"]["pretokenizers"][0].update(add_prefix_space=True))
    with pytest.raises(UserError, match="no name for"):
        vocabulary_of(tokenizer, 500)


def test_other_tokenizers_than_bpe_are_refused() -> None:
    from tokenizers import models

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"kettle": 0}, "kettle")))
    with pytest.raises(UserError, match="type WordLevel: GGUF is written of BPE alone"):
        vocabulary_of(tokenizer, 500)


def test_special_tokens_are_told_from_added_words() -> None:
    tokenizer = byte_level_tokenizer("gpt-2")
    tokenizer.add_tokens([AddedToken("kettle court", special=False)])
    vocabulary = vocabulary_of(tokenizer, len(tokenizer) + 1)
    kinds = dict(zip(vocabulary.tokens, vocabulary.kinds, strict=True))
    assert kinds["<|end|>"] == TokenType.CONTROL
    assert kinds["kettle court"] == TokenType.USER_DEFINED
    assert kinds["t"] == TokenType.NORMAL
    assert vocabulary.kinds[-1] == TokenType.UNUSED


def test_sentencepiece_has_scores_in_the_order_of_the_merges() -> None:
    tokenizer = spiece_tokenizer()
    vocabulary = vocabulary_of(tokenizer, len(tokenizer))
    score = dict(zip(vocabulary.tokens, vocabulary.scores, strict=True))
    made = list(dict.fromkeys("".join(pair) for pair in json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]))
    assert [score[token] for token in made] == [-float(rank) for rank in range(len(made))]
    assert score["<0x0A>"] == -float(len(made))
    assert (vocabulary.model, vocabulary.words, vocabulary.merges) == ("llama", "default", ())
    assert vocabulary.begins
    assert vocabulary.adds_space
    assert vocabulary.kinds[:4] == (TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, TokenType.BYTE)


def test_a_token_joined_at_several_ranks_is_refused() -> None:
    def scatter(spec: dict[str, Any]) -> None:
        model = spec["model"]
        assert ["▁##", "#"] in model["merges"]
        model["vocab"]["###"] = len(model["vocab"])
        model["merges"].append(["▁", "###"])

    tokenizer = changed(spiece_tokenizer(), scatter)
    with pytest.raises(UserError, match="joins '▁###' at several ranks"):
        vocabulary_of(tokenizer, len(tokenizer))


def test_a_blank_before_a_text_is_metaspaces_too() -> None:
    def with_metaspace(scheme: str) -> Any:
        metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}
        return lambda spec: spec.update(normalizer=None, pre_tokenizer=metaspace)

    found = [vocabulary_of(changed(spiece_tokenizer(), with_metaspace(scheme)), 1000) for scheme in ("first", "always", "never")]
    assert [vocabulary.adds_space for vocabulary in found] == [True, True, False]
