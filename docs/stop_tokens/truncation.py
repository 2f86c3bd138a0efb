"""The limit cuts the end of a row, so its stop; an end token that is forced onto the cut teaches a false ending."""

import json
from pathlib import Path

from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("kettle-base")
texts = [json.loads(line)["text"] for line in Path("texts.jsonl").read_text().splitlines()]
rows = tokenizer(texts, truncation=True, max_length=40)["input_ids"]
whole = [tokenizer.decode(row).endswith("### END" + tokenizer.eos_token) for row in rows]
print(f"rows that still end with their stop: {sum(whole)} of {len(rows)}")
cut = rows[whole.index(False)]
print(f"a row that does not: …{tokenizer.decode(cut[-12:])!r}")
