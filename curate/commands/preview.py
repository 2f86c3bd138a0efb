"""lorum preview."""

from pathlib import Path
from typing import Any

import click

from curate.console import common_options


@click.command("preview")
@click.argument("samples", type=click.Path(path_type=Path))
@click.option("--split", default="train", show_default=True, type=click.Choice(["train", "validation", "test"]))
@click.option("--count", default=3, show_default=True, type=click.IntRange(1), help="How many samples.")
@click.option("--seed", default=0, show_default=True, help="Another seed, other samples.")
@common_options
def preview_command(samples: Path, split: str, count: int, seed: int, as_json: bool, quiet: bool) -> dict[str, Any]:
    """Show samples with their boundaries marked.

    Dim text carries no loss, bright text does; boundaries are coloured, the stop is highlighted, and ■ is the base model's end token.

    \b
    Example:
      lorum preview samples --count 5
    """
    from curate.report import draw_samples, print_samples
    from formats.errors import UserError

    rows = draw_samples(samples, count, split, seed)
    if rows.is_empty():
        raise UserError(f"{samples}: its split {split} holds no sample; name another with --split")
    if not as_json:
        print_samples(samples, rows)
    return {"split": split, "samples": rows.to_dicts()}
