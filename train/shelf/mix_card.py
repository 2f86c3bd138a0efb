"""The model card of a mix: what it is made of, and how it is asked."""

from collections.abc import Sequence

from formats.rendering.conversations import Turn
from formats.rendering.render import render_prompt
from train.adapters.folder import Adapter
from train.shelf.mix_methods import Blend


def mix_card(base: str, main: Adapter, parts: Sequence[tuple[str, float, str]], blend: Blend, rank: int) -> str:
    """The README.md of a mix.

    Args:
        base: where others find it.
        main: the part that counts most.
        parts: names, weights, and SHA-256 digests of their weights.
    """
    rows = "\n".join(f"| {name} | {weight:g} | `{digest}` |" for name, weight, digest in parts)
    options = "".join(f", {name} {value:g}" for name, value in blend.options().items())
    decoding = main.decoding
    return f"""---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
tags: [lora, lorum, merge]
---

# A mix of adapters for {main.base}

Mixed by Lorum from {len(parts)} adapter{"" if len(parts) == 1 else "s"} of one base, with the method {blend.method}{options}; its rank \
is {rank}.

| adapter | weight | SHA-256 of its weights |
|---|---|---|
{rows}

What was learned from, and how, is said by the parts: who may not use one of them may not use the mix. Its termination rate is another \
than theirs; `lorum eval` measures it.

## How to ask

A prompt is rendered with the template `{main.template.name}` (template.toml): the turns, then the opening of the reply.

```
{render_prompt(main.template, [Turn("Speaker_0", "What somebody said.")]).rstrip()}
```

The answer ends with {main.template.stop!r} and its end token; `stop.json` says so for programs, and `generation_config.json` holds
the decoding settings (temperature {decoding.temperature:g}, top_p {decoding.top_p:g}, top_k {decoding.top_k}, repetition penalty \
{decoding.repetition_penalty:g}).
"""
