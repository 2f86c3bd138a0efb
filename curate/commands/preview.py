"""lorum preview."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from curate.console import Reporter, common_options, counted, tell


@click.command("preview")
@click.argument("samples", type=click.Path(path_type=Path))
@click.option("--split", default="train", show_default=True, type=click.Choice(["train", "validation", "test"]))
@click.option("--count", default=3, show_default=True, type=click.IntRange(1), help="How many samples.")
@click.option("--seed", default=0, show_default=True, help="Another seed, other samples.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="The sample of this reply, of any split; may be given several times.")
@click.option("--base", help="A base model: its tokenizer counts the tokens and names the end token.")
@click.option("--tokens", is_flag=True, help="Every token with its id and its loss mask; needs --base.")
@click.option("--plain", "is_plain", is_flag=True, help="The texts alone, for pipes: a form feed (\\f) stands between two samples.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write all samples as one page to look at.")
@click.option("--max-tokens", default=None, type=click.IntRange(8), help="For the contract on the page. [default: the trainer's]")
@common_options
@click.pass_context
def preview_command(
    ctx: click.Context,
    samples: Path,
    split: str,
    count: int,
    seed: int,
    ids: tuple[str, ...],
    base: str | None,
    tokens: bool,
    is_plain: bool,
    html: Path | None,
    max_tokens: int | None,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Show samples with their boundaries marked.

    On the terminal every line has a sign in front for what it is (a boundary, who speaks, the reply, the stop) and a bar that is heavy
    where it is learned, so that it reads without colours as well. With --html, one page holds all samples, to search and to filter;
    with --base it shows every token and the result of the stop contract too.

    \b
    Example:
      lorum preview samples --count 5
      lorum preview samples --id t1_abc --base smollm2-135m --tokens
      lorum preview samples --html samples.html --base smollm2-135m
    """
    from curate.preview import draw_samples, find_samples, plain, print_samples, reader_of, write_sample_page
    from formats.errors import UserError

    chosen = {"--split": "split", "--count": "count", "--seed": "seed", "--id": "ids", "--tokens": "tokens", "--plain": "is_plain"}
    given = [option for option, name in chosen.items() if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if html is not None and given:
        raise UserError(f"--html with {given[0]}: the page holds all samples, to search and to filter; leave {given[0]} out")
    if is_plain and (tokens or as_json):
        raise UserError(f"--plain with {'--tokens' if tokens else '--json'}: the texts alone, or more of them; leave one out")
    if tokens and base is None:
        raise UserError("--tokens shows how a base model's tokenizer cuts samples; name one with --base, as smollm2-135m")
    reader = None if base is None else reader_of(base)
    if html is not None:
        from train.settings import TrainSettings

        with Reporter(quiet) as progress:
            written = write_sample_page(samples, html, reader, max_tokens or TrainSettings().max_tokens, progress)
        if not as_json:
            tell(f"{counted(written.samples, 'sample')}, {written.bytes / 1e6:,.1f} MB -> {written.page}")
        return asdict(written)
    rows = find_samples(samples, ids) if ids else draw_samples(samples, count, split, seed)
    if rows.is_empty():
        raise UserError(f"{samples}: its split {split} holds no sample; name another with --split")
    if is_plain:
        click.echo(plain(rows), nl=False)
    elif not as_json:
        print_samples(samples, rows, reader, tokens=tokens)
    return {"split": None if ids else split, "samples": rows.to_dicts()}
