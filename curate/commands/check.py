"""lorum check."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import common_options, print_json, tell


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
