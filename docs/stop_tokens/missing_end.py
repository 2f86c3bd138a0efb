"""Nobody appended the end token: the textual stop is learned, and generating goes on behind it."""

import json
from pathlib import Path

from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("kettle-base")
texts = [json.loads(line)["text"] for line in Path("texts-without-end.jsonl").read_text().splitlines()]
rows = [tokenizer(text)["input_ids"] for text in texts]
print(f"rows that end in '### END': {sum(text.endswith('### END') for text in texts)} of {len(texts)}")
ends = sum(tokenizer.eos_token_id in row for row in rows)
print(f"rows with the token at which generate() ends ({tokenizer.eos_token}): {ends} of {len(rows)}")
