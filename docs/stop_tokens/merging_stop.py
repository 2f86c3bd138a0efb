"""A textual stop is other tokens behind a blank, a line break and a full stop: the model learns several stops, each from fewer rows."""

from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("kettle-base")
for before in (" ", "\n", "", "\n\n"):
    tokens = [tokenizer.decode([token]) for token in tokenizer(f"Guilty, with jam.{before}### END")["input_ids"]]
    print(f"behind {'.' + before!r:<8}", tokens[tokens.index(" jam") + 1 :] if " jam" in tokens else tokens[-6:])
