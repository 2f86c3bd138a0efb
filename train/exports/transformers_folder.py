"""A merged model as a folder that plain transformers loads, chats with and stops by."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from train.adapters.folder import Adapter, beside, read_adapter
from train.bases.base_model import load_tokenizer, resolve
from train.exports.chat_template import jinja_of
from train.shelf.merging import MERGE, Merged, Method, Precision, merge_adapter, refuse_other_files, replace_folder
from train.shelf.merging_difference import Difference, measure_difference

CHAT_TEMPLATE = "chat_template.jinja"
"""Where transformers and vLLM look for a chat template."""


@dataclass(frozen=True)
class Exported:
    """A merged model, and how far it is from the adapter as trained; None where that was not measured."""

    merged: Merged
    difference: Difference | None


def export_transformers(
    adapter_folder: Path,
    out: Path,
    method: Method = "exact",
    dtype: Precision = "bfloat16",
    *,
    max_shard_size: str = "4GB",
    compare: bool = True,
    samples: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> Exported:
    """Writes what `merge_adapter` does, with a chat template of the adapter's own, a README and what merging changed (merge.json).

    Args:
        out: appears whole or not at all; a merged model that was there is replaced.
        compare: whether to measure; takes the base and then the merged model into memory.
        samples: the adapter's samples, on whose held-out part it is measured; None for built-in conversations.

    Raises:
        UserError: as `merge_adapter` and `measure_difference` do.
    """
    refuse_other_files(out)
    adapter = read_adapter(adapter_folder)
    partial = beside(out, "export")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        merged = merge_adapter(
            adapter_folder,
            partial,
            method,
            dtype,
            max_shard_size=max_shard_size,
            progress=lambda done, of: progress("merge", done, of),
        )
        (partial / CHAT_TEMPLATE).write_text(jinja_of(adapter.template, load_tokenizer(resolve(adapter.base))), encoding="utf-8")
        difference = measure_difference(adapter_folder, partial, samples) if compare else None
        noted = {**asdict(merged), "difference": None if difference is None else asdict(difference)}
        (partial / MERGE).write_text(json.dumps(noted, indent=2) + "\n", encoding="utf-8")
        (partial / "README.md").write_text(_readme(adapter, merged, difference), encoding="utf-8")
        replace_folder(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(merged, difference)


def _readme(adapter: Adapter, merged: Merged, difference: Difference | None) -> str:
    into = (
        f"into the base as the training computed with it (quantisation: {merged.quantisation}, dequantised again)"
        if merged.method == "exact"
        else "into the base's own weights"
    )
    told = (
        f"\nAgainst the adapter as trained a logit differs by {difference.mean:.4f} in the mean and {difference.largest:.3f} at most,\n"
        f"where the logits' standard deviation is {difference.spread:.2f}; the likeliest token is the same at {difference.greedy:.1%} of\n"
        f"{difference.positions:,} positions.\n"
        if difference
        else ""
    )
    stop = adapter.stop
    return f"""---
base_model: {merged.base}
library_name: transformers
pipeline_tag: text-generation
tags: [lorum]
---

# {merged.base} with an adapter merged in

An adapter that Lorum trained, merged {into}; stored as {merged.dtype}.
{told}
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("this folder")
model = AutoModelForCausalLM.from_pretrained("this folder")
messages = [{{"role": "user", "content": "What somebody said."}}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")
tokens = model.generate(**inputs)[0, inputs["input_ids"].shape[1] :]
answer = tokenizer.decode(tokens, skip_special_tokens=True).split({stop.strings[0]!r})[0].strip()
```

`generation_config.json` ends generating at {stop.token} and holds the decoding settings. The stop in the text is {stop.strings[0]!r}; it
stands before the end token, so cut it away as above. `stop.json` says all of this for programs. `chat_template.jinja` renders messages as
the template `{adapter.template.name}` (template.toml) rendered the samples of the training.
"""
