"""A classifier that anybody can check by hand: a tiny BERT, trained here in a second on invented words."""

import random
from functools import cache

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

torch.set_num_threads(1)  # for matrices as small as these, threads only wait for one another

RUDE, VILE = "grumbleworth", "snarkface"
HARMLESS = ["the", "kettle", "is", "warm", "and", "my", "tea", "was", "in", "a", "mug", "with", "one", "thimble", "of", "jam"]
CLASSES = ["toxic", "severe_toxic", "insult"]
"""As the Jigsaw data names them; Detoxify renames them to toxicity, severe_toxicity, insult."""
POSITIONS = 48


def tokenizer():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({*HARMLESS, RUDE, VILE})]
    return BertTokenizer(vocab={word: place for place, word in enumerate(words)}, model_max_length=POSITIONS)


def config(**changes):
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "initializer_range": 0.2}
    return BertConfig(
        **{**shape, "vocab_size": len(tokenizer()), "max_position_embeddings": POSITIONS, "num_labels": len(CLASSES), **changes}
    )


@cache
def trained():
    """Has learned that one word is rude and another rude and vile, and that nothing is an insult."""
    torch.manual_seed(0)
    draw = random.Random(0)
    model, words_of = BertForSequenceClassification(config(attn_implementation="eager")), tokenizer()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(160):
        words = [draw.choices([*HARMLESS, *[RUDE, VILE] * 3], k=draw.randint(1, 8)) for _ in range(16)]
        wanted = torch.tensor([[float(RUDE in row or VILE in row), float(VILE in row), 0.0] for row in words])
        logits = model(**words_of([" ".join(row) for row in words], return_tensors="pt", padding=True)).logits
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted).backward()
        optimizer.step()
    return model.eval().state_dict()


def write_checkpoint(path, state, base):
    """Detoxify's own format: what its trainer saves, reduced to what its loader reads."""
    args = {
        "model_type": str(base),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": len(CLASSES),
    }
    torch.save({"config": {"arch": {"args": args}, "dataset": {"args": {"classes": CLASSES}}}, "state_dict": state}, path)
    return path


def write_detoxify(folder):
    """A Detoxify checkpoint with its base model's config and tokenizer beside it."""
    config().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return write_checkpoint(folder / "court.ckpt", trained(), folder)


def write_transformers(folder, **changes):
    """The same as a model of transformers, in safetensors; `changes` to its config."""
    model = BertForSequenceClassification(config(**changes))
    if model.config.num_labels == len(CLASSES):
        model.load_state_dict(trained())
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder
