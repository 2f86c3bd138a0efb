"""The dataset card of a run's samples, made from the run's own record."""

from pathlib import Path
from typing import Any

from curate.recipe import Recipe
from curate.report import run_table
from formats.samples import read_split

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))


def dataset_card(run: dict[str, Any], recipe: Recipe, samples: Path) -> str:
    """A README.md for the samples folder: metadata that `datasets` reads, the funnel, the template and one rendered sample."""
    counts = run["stages"]["format"]["counts"]
    size = next((name for bound, name in _SIZES if counts["samples"] < bound), "n>10M")
    example = read_split(samples, "train", ["text"], first=1)["text"].item()
    funnel = "\n".join(f"| {row.label} | {'' if row.sign == '=' else '−'}{row.count:,} |" for row in run_table(run["stages"]) if row.count)
    split_files = "\n".join(f"  - split: {name}\n    path: {name}.parquet" for name in ("train", "validation", "test") if counts[name])
    fence = "~" * 8
    return f"""---
pretty_name: {recipe.name}
size_categories:
- {size}
task_categories:
- text-generation
tags:
- lorum
- forum
- conversational
configs:
- config_name: default
  data_files:
{split_files}
---

# {recipe.name}

Conversations of a forum, rendered as prompts and replies for training a chatbot personality. Each row has `prompt`, `completion`
(which ends with its stop), `text` (both) and `messages` (chat form). Train, validation and test share no thread.

The words are those of the forum's members. Check the source's terms and what its members may expect before you share them, and remove
what was deleted at the source.

## How it came to be

| | count |
|---|---|
{funnel}

Made by Lorum {run["lorum"]} with the template `{recipe.format.template}` (`template.toml` beside this file), at most
{recipe.format.max_turns} turns a conversation, split {recipe.format.split} by thread.

## A sample

{fence}
{example}
{fence}
"""
