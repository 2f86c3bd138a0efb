"""A tiny model and tokenizer, built here: a random Llama of two layers with a byte-level vocabulary."""

from pathlib import Path

import polars as pl
import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from formats.template import Template, load_template
from train.base_model import Base, resolve

SENTENCES = (
    "The court finds the kettle guilty.", "Objection, the mug was empty.", "Milk goes in after, as the statute says.",
    "Toast is a cry for help.", "Overruled, and buttered.", "The spoon may step down.", "Sentence: three weeks of decaf.",
    "Who finishes the milk owes the realm milk.",
)  # fmt: skip


@pytest.fixture(scope="session")
def template() -> Template:
    return load_template("comment-response")


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model on disk: 2 layers, 64 wide, 4 heads on 2 key heads; end token `<|end|>`, another pad token."""
    folder = tmp_path_factory.mktemp("base")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\n"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|pad|>", "<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([*SENTENCES, "### Comment:", "### Response:", "### END"], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def base(base_folder: Path) -> Base:
    return resolve(str(base_folder))


@pytest.fixture
def samples(tmp_path: Path, template: Template) -> Path:
    """A samples folder: 24 rows to train on, one of them far too long, and 8 held out."""
    folder = tmp_path / "samples"
    folder.mkdir()
    rows = [sample(template, SENTENCES[i % 8], SENTENCES[(3 * i + 1) % 8] * (40 if i == 5 else 1)) for i in range(24)]
    pl.DataFrame(rows).write_parquet(folder / "train.parquet")
    pl.DataFrame([sample(template, f"{text} Why?", text) for text in SENTENCES[:6]]).write_parquet(folder / "test.parquet")
    pl.DataFrame([sample(template, f"{text} How?", text) for text in SENTENCES[6:]]).write_parquet(folder / "validation.parquet")
    (folder / "template.toml").write_text(template.to_toml(), encoding="utf-8")
    return folder


def sample(template: Template, comment: str, reply: str) -> dict[str, str]:
    prompt = template.turn.replace("{text}", comment) + template.reply_opening()
    return {"prompt": prompt, "completion": reply + template.stop}
