"""lorum forget."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curate.console import Reporter, common_options, counted, tell

if TYPE_CHECKING:
    from curate.forgetting.plan import Removed

UNKNOWN_SHOWN = 5


@click.command("forget")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--author", "authors", multiple=True, metavar="NAME", help="All posts of this author, in any case. May be repeated.")
@click.option("--list", "lists", multiple=True, metavar="FILE", help="Ids, one a line or in a CSV's or JSONL's id column. May be repeated.")
@click.option("--ask", type=click.Choice(["reddit"]), help="Ask the source which posts still stand, and forget those that do not.")
@click.option("--site", metavar="SECTION", help="For --ask: the section of praw.ini with the credentials.")
@click.option(
    "--also", multiple=True, type=click.Path(path_type=Path), help="Judged posts, samples, an adapter or a run elsewhere. May be repeated."
)
@click.option("--yes", is_flag=True, help="With --ask: forget them even though most are gone there.")
@click.option("--dry-run", is_flag=True, help="Remove nothing, and say what would be.")
@common_options
def forget_command(
    folder: Path,
    ids: tuple[str, ...],
    authors: tuple[str, ...],
    lists: tuple[str, ...],
    ask: str | None,
    site: str | None,
    also: tuple[Path, ...],
    yes: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Remove posts from a run and keep them out of it.

    FOLDER is a run, or a folder of posts; judged and samples beside one called posts belong to it. The posts go with their text, their
    judgements and scores, the samples that hold them, and the report's examples; no later import lets them back in. An adapter that was
    trained on them is named: weights cannot forget, so train again. A command that was stopped goes on when it is given again.

    \b
    Examples:
      lorum forget runs/kettle-court t1_abc12 --author kettle_judge
      lorum forget runs/kettle-court --list removed.csv.gz
      lorum forget runs/kettle-court --ask reddit
    """
    from curate.forget import forget

    with Reporter(quiet) as progress:
        removed = forget(folder, ids, authors, lists, also, progress, ask=ask, site=site, dry_run=dry_run, yes=yes)
    if not as_json:
        tell("\n".join(_lines(removed, dry_run)))
    return {**asdict(removed), "dry_run": dry_run}


def _lines(removed: "Removed", dry_run: bool) -> list[str]:
    """What was removed, in lines."""
    lines = [f"asked about {counted(removed.asked, 'post')}"] if removed.asked else []
    if removed.not_asked:
        lines.append(f"not asked about {counted(removed.not_asked, 'post')}, of other sources or with ids that are not Reddit's")
    if removed.is_nothing():
        lines.append("nothing to remove")
    else:
        samples = ", ".join(f"{split} {count:,}" for split, count in removed.samples.items())
        counts = {
            counted(removed.judged, "judged post"): removed.judged,
            f"{counted(sum(removed.samples.values()), 'sample')} ({samples})": sum(removed.samples.values()),
            counted(removed.scores, "score"): removed.scores,
            f"{counted(removed.examples, 'example')} of the evaluation": removed.examples,
            f"{counted(removed.journal, 'record')} of what was scraped": removed.journal,
            f"the text of {counted(removed.rejects, 'reject')} that may quote them": removed.rejects,
        }
        lines.append(f"{'would remove' if dry_run else 'removed'} {counted(removed.posts, 'post')}")
        lines += [f"  {what}" for what, count in counts.items() if count]
    if removed.copies:
        lines.append(f"{counted(removed.copies, 'judged post')} had been dropped as repeating them: filter and format again to judge anew")
    for folder in removed.unfinished:
        lines.append(f"{folder}, left by a stopped run, {'would be' if dry_run else 'was'} removed as a whole")
    for adapter in removed.adapters:
        lines.append(f"{adapter} was trained on samples that are among them; weights cannot forget: train again")
    for adapter in removed.older_adapters:
        lines.append(f"{adapter} may have been trained on them, on other samples than are there; weights cannot forget: train again")
    for folder in removed.beside:
        lines.append(f"{folder} was not looked through; if it was made from these posts, name it with --also")
    if removed.before:
        lines.append(f"forgotten before: {removed.before:,}")
    if removed.unknown:
        more = f" and {len(removed.unknown) - UNKNOWN_SHOWN:,} more" if len(removed.unknown) > UNKNOWN_SHOWN else ""
        lines.append(f"not found here: {', '.join(removed.unknown[:UNKNOWN_SHOWN])}{more}")
    return lines
