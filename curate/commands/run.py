"""lorum curate-and-train."""

from pathlib import Path
from typing import Any

import click

from curate import STAGES
from curate.console import Reporter, common_options


@click.command("curate-and-train")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/NAME]")
@click.option("--until", type=click.Choice(STAGES), default="eval", show_default=True, help="Stop after this stage.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe: train.max_steps=200.")
@common_options
def curate_and_train_command(
    recipe: Path, out: Path | None, until: str, changes: tuple[str, ...], as_json: bool, quiet: bool
) -> dict[str, Any]:
    """Do all of it: from a recipe to an adapter.

    Imports, filters, formats, checks, trains and evaluates. A run that was stopped, however it was stopped, goes on where it was; stages
    whose settings and input did not change are not done again.

    \b
    Example:
      lorum curate-and-train sample_data/recipe.toml --set train.max_steps=200
    """
    from curate.pipeline import run
    from curate.recipe import Recipe
    from curate.report import print_run

    plan = Recipe.read(recipe, changes)
    folder = out or Path("runs") / plan.name
    with Reporter(quiet) as progress:
        record = run(plan, folder, progress, until)
    if not as_json:
        print_run(record, folder)
    return record
