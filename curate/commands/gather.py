"""lorum import."""

import datetime
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options

DAY = click.DateTime(["%Y-%m-%d"])


def day(value: datetime.datetime | None) -> datetime.date | None:
    """The day of an option of type `DAY`."""
    return value.date() if value else None


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of posts to write.")
@click.option("--subreddit", "subreddits", multiple=True, help="Keep this community only, in any case. May be repeated.")
@click.option("--since", type=DAY, help="Keep posts written on this day or later.")
@click.option("--until", type=DAY, help="Keep posts written before this day.")
@common_options
def import_command(
    files: tuple[Path, ...],
    out: Path,
    subreddits: tuple[str, ...],
    since: datetime.datetime | None,
    until: datetime.datetime | None,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Import dump files into a folder of posts.

    Reads Reddit's archives (.zst with any window, .gz, .bz2, .xz or plain NDJSON; comments and submissions), told apart by content.
    Lines that are no post go to rejects.jsonl with file, row and reason.

    \b
    Example:
      lorum import KettleCourt_*.zst --out posts
    """
    from curate.gather import Wanted, import_files

    with Reporter(quiet) as progress:
        gathered = import_files(files, out, Wanted(subreddits, day(since), day(until)), progress)
    if not as_json:
        click.echo(
            f"{gathered.lines:,} lines = {gathered.posts:,} posts ({gathered.comments:,} comments, {gathered.submissions:,} submissions) "
            f"+ {gathered.rejects:,} rejects + {gathered.not_asked_for:,} not asked for -> {out}"
        )
    return asdict(gathered)
