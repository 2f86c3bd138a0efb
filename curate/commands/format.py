"""lorum format, preview and check."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options, print_json, tell


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


@click.command("check")
@click.argument("samples", type=click.Path(path_type=Path))
@click.option("--base", default="smollm2-135m", show_default=True, help="The base model whose tokenizer reads the samples.")
@click.option("--max-tokens", default=None, type=click.IntRange(8), help="Longer samples are left out, never cut. [default: the trainer's]")
@common_options
def check_command(samples: Path, base: str, max_tokens: int | None, as_json: bool, quiet: bool) -> dict[str, Any]:
    """Check the stop contract on every sample.

    Every sample must end with the template's stop and the base model's end token, both with loss, and hold no other special token.
    Exit code 1 and the reasons when it does not hold.

    \b
    Example:
      lorum check samples --base smollm2-135m
    """
    from curate.check import check_folder
    from curate.report import contract_lines
    from formats.errors import ContractError
    from train.settings import TrainSettings

    report = check_folder(samples, base, max_tokens or TrainSettings().max_tokens)
    if not as_json:
        tell("\n".join(contract_lines(asdict(report))))
    if not report.holds:
        if as_json:
            print_json(asdict(report))
        raise ContractError(f"the stop contract does not hold: {'; '.join(report.problems)}")
    return asdict(report)
