"""The model card: what an adapter is, from the figures of the run that made it."""

from typing import TYPE_CHECKING

from formats.rendering.conversations import Turn
from formats.rendering.render import render_prompt
from formats.templates.template import Template
from train.settings import DecodingSettings, TrainSettings

if TYPE_CHECKING:
    from train.learning.trainer import TrainResult


_QUANTISED = {
    "nf4": (
        ", base in 4 bit (NF4, double quantisation)",
        'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)',
    ),
    "int8": (", base in 8 bit", "BitsAndBytesConfig(load_in_8bit=True)"),
    "none": ("", "None"),
}
"""How the base was quantised, in words and for `from_pretrained`."""


def model_card(base: str, template: Template, settings: TrainSettings, decoding: DecodingSettings, result: "TrainResult") -> str:
    """The adapter's README.md."""
    quantised, load = _QUANTISED[settings.quantisation]
    return f"""---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
tags: [lora, lorum]
---

# An adapter for {settings.base}

Trained by Lorum to answer in the voice of a forum, and to stop.

| training | |
|---|---|
| samples | {result.samples:,}, and {result.dropped_too_long:,} left out as longer than {settings.max_tokens:,} tokens |
| tokens | {result.tokens:,} in {result.steps:,} steps of {settings.batch} samples ({result.epochs:.2f} passes) |
| adapter | rank {settings.rank}, alpha {settings.alpha:g}, dropout {settings.dropout:g}, on {_modules(settings)}{quantised} |
| trained parameters | {result.trainable_parameters:,} of {result.total_parameters:,} ({result.trainable_share:.2%}) |
| learning rate | {settings.learning_rate:g}, {settings.schedule}, {settings.warmup:.0%} of the steps to warm up |
| weight of the stop in the loss | {settings.stop_weight:g} |
| loss | {result.first_loss:.3f} in the first step, {result.final_loss:.3f} at the end (mean of the last tenth) |
| time | {result.seconds:,.0f} s, {result.tokens_per_second:,.0f} tokens/s |
| memory | {result.peak_bytes / (1 << 30):,.1f} GiB at most on {result.device} |

## How to ask

A prompt is rendered with the template `{template.name}` (template.toml): the turns, then the opening of the reply.

```
{_example(template)}
```

The answer ends with {template.stop!r} and its end token; `stop.json` says so for programs, and `generation_config.json` holds
the decoding settings (temperature {decoding.temperature:g}, top_p {decoding.top_p:g}, top_k {decoding.top_k}, repetition penalty \
{decoding.repetition_penalty:g}).

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig

tokenizer = AutoTokenizer.from_pretrained("this folder")
quantised = {load}  # as it was trained; other precisions answer slightly differently
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("the base", quantization_config=quantised), "this folder")
inputs = tokenizer(prompt, return_tensors="pt")
answer = model.generate(**inputs, generation_config=GenerationConfig.from_pretrained("this folder"))
```
"""


def _example(template: Template) -> str:
    return render_prompt(template, [Turn("Speaker_0", "What somebody said.")]).rstrip("\n")


def _modules(settings: TrainSettings) -> str:
    if settings.target_modules == "all-linear":
        return "all linear layers"
    return settings.target_modules if isinstance(settings.target_modules, str) else ", ".join(settings.target_modules)
