"""Makes what the other scripts look at: a base model small enough to train in seconds, and rows of an invented forum.

python make_base.py

Writes `kettle-base` (a tokenizer whose pad token is its end token, as many have, and a model that knows the rows by heart),
`texts.jsonl`, `pairs.jsonl`, and the same without the end token in `texts-without-end.jsonl`.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

COMMENTS = ["Is the kettle warm?", "Who took the good mug?", "Does the milk go in first?", "May the spoon step down?"]
REPLIES = [
    "Guilty, with jam.",
    "The clerk took it, as ever, and the court finds that it was warm, full, and not the clerk's own.",
    "Overruled!",
    "Milk goes in after, as the statute says.",
]
STOP = "\n\n### END"
END = "<|end|>"
STEPS = 150


def pairs() -> list[tuple[str, str]]:
    """Sixteen prompts and their replies, all of the invented forum."""
    return [
        (f"### Comment:\n{comment}\n\n### Response:\n", REPLIES[(number + shift) % 4])
        for shift in range(4)
        for number, comment in enumerate(COMMENTS)
    ]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level, cut into words as most are, with the end token for padding."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=["<|start|>", END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([prompt + reply + STOP for prompt, reply in pairs()] * 4 + ["Guilty. ### END"] * 40, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|start|>", eos_token=END, pad_token=END)


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A model that was trained on four of the rows until it knew them."""
    torch.set_num_threads(1)  # so small a model is slower on several
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=True,
        )
    )
    rows = tokenizer([prompt + reply + STOP + END for prompt, reply in pairs()[:4]], padding=True, return_tensors="pt")
    labels = rows["input_ids"].masked_fill(rows["attention_mask"] == 0, -100)  # by their place: the end keeps its loss
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        model(**rows, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def write(name: str, rows: list[dict[str, str]]) -> None:
    """One JSON object a line."""
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    made = make_tokenizer()
    made.save_pretrained("kettle-base")
    make_model(made).save_pretrained("kettle-base")
    write("texts.jsonl", [{"text": prompt + reply + STOP + END} for prompt, reply in pairs()])
    write("texts-without-end.jsonl", [{"text": prompt + reply + STOP} for prompt, reply in pairs()])
    write("pairs.jsonl", [{"prompt": prompt, "completion": reply + STOP} for prompt, reply in pairs()])
    blanks = [" ", "\n", "", "\n\n"]
    write(
        "glued.jsonl", [{"prompt": prompt, "completion": f"{reply}{blanks[row % 4]}### END"} for row, (prompt, reply) in enumerate(pairs())]
    )
