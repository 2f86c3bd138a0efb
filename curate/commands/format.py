"""lorum format."""

from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import click

from curate.console import Reporter, common_options, tell


@click.command("format")
@click.argument("judged", required=False, metavar="JUDGED", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of samples to write.  [required]")
@click.option(
    "--template",
    "template_name",
    default="comment-response",
    show_default=True,
    help="A built-in template, a TOML file of your own, or chat: the base's own chat template.",
)
@click.option("--list", "is_list", is_flag=True, help="Show each built-in template, with --base its chat template too, and leave.")
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
    judged: Path | None,
    out: Path | None,
    template_name: str,
    is_list: bool,
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
    if is_list:
        return _list(base, as_json)
    if judged is None:
        raise click.MissingParameter(ctx=click.get_current_context(), param_hint="'JUDGED'", param_type="argument")
    if out is None:
        raise click.MissingParameter(ctx=click.get_current_context(), param_hint="'--out'", param_type="option")
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


def _list(base: str | None, as_json: bool) -> dict[str, Any]:
    """Shows the templates that can be chosen."""
    from curate.templates import listed_templates, template_lines

    templates = list(listed_templates(base))
    if not as_json:
        width = get_terminal_size().columns
        tell("\n\n".join("\n".join(template_lines(template, width)).rstrip("\n") for template in templates))
    return {"templates": list(map(asdict, templates))}
