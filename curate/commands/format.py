"""lorum format."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options, tell


def _list(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    """Shows the built-in templates and leaves."""
    if not asked or ctx.resilient_parsing:
        return
    from curate.templates import template_lines

    tell("\n".join(template_lines()))
    ctx.exit()


@click.command("format")
@click.argument("judged", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of samples to write.")
@click.option(
    "--template",
    "template_name",
    default="comment-response",
    show_default=True,
    help="A built-in template, a TOML file of your own, or chat: the base's own chat template.",
)
@click.option("--list", is_flag=True, expose_value=False, is_eager=True, callback=_list, help="Show each built-in template and leave.")
@click.option("--base", help="The base model whose tokenizer counts tokens and whose chat template `chat` is.")
@click.option(
    "--max-tokens",
    type=click.IntRange(16),
    help="With --base: longer samples lose their oldest turns, and are left out if the reply is too long.",
)
@click.option(
    "--max-turns", default=4, show_default=True, type=click.IntRange(2, 64), help="Turns of a conversation at most, the reply included."
)
@click.option("--persona", "personas", multiple=True, metavar="AUTHOR", help="Learn this author's replies alone; may be given again.")
@click.option("--community", metavar="NAME", help="Name the bot, in templates that name speakers. [default: Bot]")
@click.option("--system", metavar="TEXT", help="The system text; {community}, {flair}, {title} and {date} stand for the sample's own.")
@click.option("--split", default="90/5/5", show_default=True, help="Percentages of train, validation and test.")
@click.option(
    "--split-by",
    default="thread",
    show_default=True,
    type=click.Choice(["thread", "time"]),
    help="Hold out threads by a hash, or the newest ones.",
)
@click.option("--seed", default=0, show_default=True, help="Another seed, another split by thread.")
@common_options
def format_command(
    judged: Path,
    out: Path,
    template_name: str,
    base: str | None,
    max_tokens: int | None,
    max_turns: int,
    personas: tuple[str, ...],
    community: str | None,
    system: str | None,
    split: str,
    split_by: Any,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Render judged posts into samples with boundaries and stops.

    Writes train.parquet, validation.parquet and test.parquet, which share no thread and which `datasets.load_dataset` reads as they are.

    \b
    Example:
      lorum format judged --out samples --template chatml --base smollm2-135m --max-tokens 512
    """
    from curate.rendering import Fit
    from curate.report import sampled_lines
    from curate.samples import make_samples
    from curate.splits import SplitSettings, parse_split
    from curate.templates import chosen_template
    from formats.errors import UserError

    if max_tokens and not base:
        raise UserError(f"--max-tokens {max_tokens}: tokens are those of a base model; name it with --base")
    with Reporter(quiet) as progress:
        sampled = make_samples(
            judged,
            out,
            chosen_template(template_name, base, community, system),
            max_turns=max_turns,
            split=SplitSettings(parse_split(split), seed, split_by),
            fit_to=Fit(base, max_tokens) if base else None,
            personas=personas,
            progress=progress,
        )
    if not as_json:
        tell("\n".join([*sampled_lines(asdict(sampled)), f"-> {out}"]))
    return asdict(sampled)
