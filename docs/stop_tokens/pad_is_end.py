"""The pad token is the end token, and the collator masks pads: no row learns to end."""

import json
from pathlib import Path

from transformers import AutoTokenizer, DataCollatorForLanguageModeling

tokenizer = AutoTokenizer.from_pretrained("kettle-base")
rows = [tokenizer(json.loads(line)["text"]) for line in Path("texts.jsonl").read_text().splitlines()]
batch = DataCollatorForLanguageModeling(tokenizer, mlm=False)(rows)
ends = batch["input_ids"] == tokenizer.eos_token_id
print(f"rows that end in {tokenizer.eos_token}: {sum(row['input_ids'][-1] == tokenizer.eos_token_id for row in rows)} of {len(rows)}")
print(f"rows in which it carries loss: {int((ends & (batch['labels'] != -100)).any(1).sum())} of {len(rows)}")
