"""Samples that ask given messages, for what reads prompts."""

from pathlib import Path

import polars as pl

from formats.rendering.render import Turn, render_prompt
from formats.templates.template import BOT, Template


def write_asked(folder: Path, template: Template, **splits: list[str]) -> Path:
    """Writes a folder of samples with these rendered prompts by split."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "test", "validation"):
        prompts = splits.get(name, [])
        rows = {"prompt": prompts, "completion": [f"So be it.{template.stop}"] * len(prompts)}
        pl.DataFrame(rows, schema={"prompt": pl.String, "completion": pl.String}).write_parquet(folder / f"{name}.parquet")
    (folder / "template.toml").write_text(template.to_toml(), encoding="utf-8")
    return folder


def asked(template: Template, *texts: str) -> str:
    """The prompt that ends in the last of these messages; those before it are the bot's and the asker's in turn."""
    turns = [Turn(BOT if (len(texts) - place) % 2 == 0 else "Speaker_0", text) for place, text in enumerate(texts)]
    return render_prompt(template, turns)
