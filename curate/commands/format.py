"""lorum format."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options, tell


@click.command("format")
@click.argument("judged", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of samples to write.")
@click.option("--template", "template_name", default="comment-response", show_default=True, help="A built-in template or a TOML file.")
@click.option(
    "--max-turns", default=4, show_default=True, type=click.IntRange(2, 64), help="Turns of a conversation at most, the reply included."
)
@click.option("--split", default="90/5/5", show_default=True, help="Percentages of train, validation and test.")
@click.option("--seed", default=0, show_default=True, help="Another seed, another split.")
@common_options
def format_command(
    judged: Path, out: Path, template_name: str, max_turns: int, split: str, seed: int, as_json: bool, quiet: bool
) -> dict[str, Any]:
    """Render judged posts into samples with boundaries and stops.

    Writes train.parquet, validation.parquet and test.parquet, which share no thread and which `datasets.load_dataset` reads as they are.

    \b
    Example:
      lorum format judged --out samples --template speakers --split 90/5/5
    """
    from curate.samples import make_samples
    from curate.splits import parse_split
    from formats.template import load_template

    shares = parse_split(split)
    with Reporter(quiet) as progress:
        sampled = make_samples(judged, out, load_template(template_name), max_turns=max_turns, shares=shares, seed=seed, progress=progress)
    if not as_json:
        tell(
            f"{sampled.targets:,} kept posts = {sampled.samples:,} samples + {sampled.roots:,} that open a thread + "
            f"{sampled.without_context:,} with nothing left before them"
        )
        tell(f"train {sampled.train:,}, validation {sampled.validation:,}, test {sampled.test:,} -> {out}")
    return asdict(sampled)
