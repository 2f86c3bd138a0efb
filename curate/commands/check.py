"""lorum check."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options, print_json, tell


@click.command("check")
@click.argument("samples", metavar="SAMPLES")
@click.option("--base", default="smollm2-135m", show_default=True, help="The base model, or a folder with its tokenizer alone.")
@click.option(
    "--template",
    "template_name",
    metavar="NAME|FILE",
    help="What the rows were made with; of messages, what --trainer lorum renders them with. [default: a samples folder's own]",
)
@click.option(
    "--trainer",
    type=click.Choice(["lorum", "trl", "transformers"]),
    help="Who reads the rows. [default: lorum for a samples folder, trl for others]",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(8),
    help="The trainer's limit: lorum leaves longer rows out, others cut them. [default: lorum 512, others 1024]",
)
@click.option("--split", metavar="NAME", help="Check this split alone.")
@click.option("--columns", metavar="A,B", help="Look at these columns only, as dataset.select_columns does.")
@click.option("--assistant-only", is_flag=True, help="For messages: TRL's assistant_only_loss=True.")
@common_options
def check_command(
    samples: str,
    base: str,
    template_name: str | None,
    trainer: str | None,
    max_tokens: int | None,
    split: str | None,
    columns: str | None,
    assistant_only: bool,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Check the stop contract on every sample.

    SAMPLES is a folder that `lorum format` wrote, or anybody's dataset with prompt and completion, messages, or text: a file (Parquet,
    JSONL, JSON, CSV, compressed or not), a folder of such files, or hub:USER/NAME. Every row is read as the trainer reads it, after
    truncation and packing. Of an adapter's folder it is checked that its files agree on the stop. Exit code 1 when a point fails.

    \b
    Examples:
      lorum check samples --base smollm2-135m
      lorum check chats.jsonl --trainer trl --max-tokens 1024
    """
    from curate.check import Asked, check_any
    from curate.templates import chosen_template
    from formats.contract.lines import contract_lines, point_lines
    from formats.errors import ContractError

    if (Path(samples) / "adapter_config.json").is_file():
        from train.adapters.agreement import check_adapter

        agreement = check_adapter(Path(samples))
        if not as_json:
            tell("\n".join(point_lines(asdict(agreement)["points"])))
        found, problems = asdict(agreement), agreement.problems
    else:
        template = chosen_template(template_name, base) if template_name else None
        names = [name.strip() for name in columns.split(",")] if columns else []
        asked = Asked(base, max_tokens, template, trainer, split, names, assistant_only)
        report = check_any(samples, asked, Reporter(quiet).say)
        if not as_json:
            tell("\n".join(contract_lines(asdict(report))))
        found, problems = asdict(report), report.problems
    if problems:
        if as_json:
            print_json(found)
        raise ContractError(f"the stop contract does not hold: {len(problems)} of {len(found['points'])} points fail")
    return found
