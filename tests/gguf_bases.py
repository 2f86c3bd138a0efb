"""Small base models with random weights that llama.cpp knows: of each family, with the kinds of tokenizers that these have."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from tests.conftest import LEARNED_FROM
from train.exports.gguf_tokenizer import WORDS

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "tie_word_embeddings": True,
}


def write_base(folder: Path, family: str = "llama", words: str | None = None, **changed: Any) -> Path:
    """Writes a base of a family (transformers' name of the model's type) whose tokenizer cuts texts as llama.cpp's `words` do."""
    import torch

    words = words or ("qwen2" if family.startswith("qwen") else "gpt-2")
    tokenizer = spiece_tokenizer() if words == "default" else byte_level_tokenizer(words)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    # The default of this size is another, and transformers' own reader of GGUF takes it for granted in qwen3.
    special = {"head_dim": 128} if family == "qwen3" else {}
    told = {"vocab_size": len(tokenizer), "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, **SIZES, **special, **changed}
    model: Any = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **told))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("norm.weight", "bias")):
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


def byte_level_tokenizer(words: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE; where `words` are Llama 3's, an opening token stands before a text."""
    spellings = {name: key for key, name in WORDS.items()}
    split, whole = spellings.get(words, ("", False))
    tokenizer = Tokenizer(models.BPE(ignore_merges=whole))
    cut: dict[str, Any] = {
        "gpt-2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "smollm": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
    }
    by_split = [pre_tokenizers.Split(Regex(split), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cut.get(words, by_split))
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|end|>", "<|begin|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(LEARNED_FROM, trainer)
    if words == "llama-bpe":
        tokenizer.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|end|>", pad_token="<|endoftext|>")


def spiece_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer as Llama 2 has it, in the form that transformers makes of SentencePiece's: every pair that becomes a token is a merge."""
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learned = Tokenizer(models.BPE())
    learned.normalizer = normalizer
    learned.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    learned.train_from_iterator(LEARNED_FROM, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    model = json.loads(learned.to_str())["model"]
    characters = [token for token in model["vocab"] if len(token) == 1]
    made = ["".join(pair) for pair in model["merges"]]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *dict.fromkeys([*made, *characters])]
    known = {token: place for place, token in enumerate(tokens)}
    pairs = [(token[:cut], token[cut:]) for token in dict.fromkeys(made) for cut in range(1, len(token))]
    merges = [pair for pair in pairs if pair[0] in known and pair[1] in known]
    tokenizer = Tokenizer(models.BPE(known, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
