"""lorum adapters list, info, mix."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click

from curate.console import common_options, tell
from curate.lazy_group import LazyGroup

METHODS = ["cat", "svd", "linear", "ties", "dare_ties", "dare_linear", "magnitude_prune"]
"""As in train.shelf.mix_methods, which takes seconds to import."""

COMMANDS = {
    "list": ("curate.commands.adapters", "List the adapters of runs, of folders, or of the Hub."),
    "info": ("curate.commands.adapters", "Show one adapter whole."),
    "mix": ("curate.commands.adapters", "Mix adapters into a new one."),
    "merge": ("curate.commands.merge", "Merge an adapter into its base: a model that any program reads."),
}
"""Every command on adapters with the module that holds it and its one line of help."""


@click.group("adapters", cls=LazyGroup, lazy=COMMANDS)
def adapters_command() -> None:
    """Look at the shelf of adapters, mix and merge them.

    An adapter is named by its folder, by its run's name or folder, or as user/name of the Hub.

    \b
    Example:
      lorum adapters list
    """


@click.command("list")
@click.argument("places", metavar="[DIR]...", nargs=-1)
@common_options
def list_command(places: tuple[str, ...], as_json: bool, quiet: bool) -> dict[str, Any]:
    """List the adapters of runs, of folders, or of the Hub.

    Without a DIR those of runs/ are listed: name, base, template, stop, rank, size, the samples that it was trained on, the share of
    held-out prompts whose answers stopped, the mean toxicity of these answers, and the day on which it was written.

    \b
    Example:
      lorum adapters list runs ~/adapters
    """
    from curate.shelf_lines import shelf_lines
    from train.shelf.describing import describe_all
    from train.shelf.finding import RUNS, shelved

    found = describe_all(shelved(places or (str(RUNS),)))
    if not as_json:
        tell("\n".join(shelf_lines(found)))
    return {"adapters": [one.to_dict() for one in found]}


@click.command("info")
@click.argument("adapter")
@common_options
def info_command(adapter: str, as_json: bool, quiet: bool) -> dict[str, Any]:
    """Show one adapter whole.

    Its settings and decoding, what was measured of it, its files with their sizes, and whether these agree on where a reply stops.

    \b
    Example:
      lorum adapters info kettle-court
    """
    from curate.shelf_lines import Whole, whole_lines
    from train.adapters.agreement import check_adapter
    from train.adapters.folder import read_adapter
    from train.shelf.describing import describe, files_of, noted_evaluation
    from train.shelf.finding import named

    ((name, folder),) = named([adapter]).items()
    read = read_adapter(folder)
    points = [asdict(point) for point in check_adapter(folder).points]
    whole = Whole(
        describe(name, folder),
        read.settings.model_dump(),
        read.decoding.model_dump(),
        files_of(folder),
        points,
        noted_evaluation(folder),
    )
    if not as_json:
        tell("\n".join(whole_lines(whole)))
    return whole.to_dict()


@click.command("mix")
@click.argument("parts", metavar="ADAPTER=WEIGHT...", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the mix to write.")
@click.option("--method", default="cat", show_default=True, type=click.Choice(METHODS), help="How matrices become one; cat is exact.")
@click.option(
    "--density",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the numbers that ties, dare_… and magnitude_prune keep. [default: 0.5]",
)
@click.option("--rank", type=click.IntRange(1), help="Rank of the mix by svd. [default: the highest of the adapters]")
@click.option("--seed", type=click.IntRange(0), help="Of what dare_… keeps. [default: 0]")
@common_options
def mix_command(
    parts: tuple[str, ...],
    out: Path,
    method: str,
    density: float | None,
    rank: int | None,
    seed: int | None,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Mix adapters into a new one.

    They need the same base, the same template and the same stop. The default method, cat, adds what they change exactly, at the sum of
    their ranks; svd comes nearest to it at a lower one; the others are rougher and need equal ranks. The mix is an adapter like any
    other: evaluate it with `lorum eval`, as its stops are not those of its parts.

    \b
    Example:
      lorum adapters mix kettle-court=0.7 cooks=0.3 --out mixes/dinner
    """
    from curate.typed_mix import parse_mix
    from formats.errors import UserError
    from train.shelf.finding import named
    from train.shelf.mix_methods import RANDOM, THINNING, Blend, Method
    from train.shelf.mixing import Part, mix_adapters

    for option, value, goes in (("--density", density, THINNING), ("--rank", rank, ("svd",)), ("--seed", seed, RANDOM)):
        if value is not None and method not in goes:
            raise UserError(f"{option} goes with {', '.join(goes)}, not with {method}; leave it out, or take another --method")
    weights = parse_mix(parts, "mix")
    folders = named(list(weights))
    mixed = mix_adapters(
        [Part(name, folder, weight) for (name, folder), weight in zip(folders.items(), weights.values(), strict=True)],
        out,
        Blend(cast(Method, method), 0.5 if density is None else density, rank, seed or 0),
    )
    if not as_json:
        tell(f"{method} of {', '.join(folders)}: rank {mixed.rank}, {mixed.parameters:,} parameters\n-> {mixed.folder}")
    return {**asdict(mixed), "folder": str(mixed.folder), "method": method}
