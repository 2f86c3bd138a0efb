"""lorum import."""

import datetime
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options, counted, tell
from curate.sources.catalogue import FILES
from formats.errors import UserError

DAY = click.DateTime(["%Y-%m-%d"])


def day(value: datetime.datetime | None) -> datetime.date | None:
    """The day of an option of type `DAY`."""
    return value.date() if value else None


class _ListsSources(click.Command):
    """A command whose help lists the file sources."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Sources, told by content"):
            formatter.write_dl(list(FILES.items()))


@click.command("import", cls=_ListsSources)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of posts to write, or to add to.")
@click.option("--subreddit", "--community", "communities", multiple=True, help="Keep this community only, in any case. May be repeated.")
@click.option("--since", type=DAY, metavar="YYYY-MM-DD", help="Keep posts written on this day or later.")
@click.option("--until", type=DAY, metavar="YYYY-MM-DD", help="Keep posts written before this day.")
@click.option(
    "--map", "maps", multiple=True, metavar="OURS=THEIRS", help="For tables: which column is ours, as in text=body. May be repeated."
)
@click.option("--source", type=click.Choice(list(FILES)), help="Read all files as this kind, whatever they look like.")
@common_options
def import_command(
    files: tuple[str, ...],
    out: Path,
    communities: tuple[str, ...],
    since: datetime.datetime | None,
    until: datetime.datetime | None,
    maps: tuple[str, ...],
    source: str | None,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Import dumps and tables into a folder of posts.

    FILE is a path, a folder, a glob in quotes, a URL that fsspec opens, hub:USER/NAME, or - for standard input. What the folder holds
    already stays: files that were imported before are not read again, and of a post that comes again the newest record is kept. Records
    that are no post go to rejects.jsonl with file, row and reason.

    \b
    Example:
      lorum import KettleCourt_*.zst --out posts
      lorum import answers.csv --map text=answer --map prompt=question --out posts
    """
    from curate.gather import import_files
    from curate.sources.source import Wanted

    wanted = Wanted(communities, day(since), day(until))
    with Reporter(quiet) as progress:
        gathered = import_files(files, out, wanted, progress, columns=_columns(maps), source=source, add=True)
        for name in gathered.passed_over:
            progress.say(f"passed over {name}: no source recognises it")
    if not as_json:
        kinds = f"{counted(gathered.comments, 'comment')}, {counted(gathered.submissions, 'submission')}"
        gone = [counted(gathered.rejects, "reject")]
        gone += [f"{counted(gathered.replaced, 'older record')} of these"] if gathered.replaced else []
        gone += [f"{gathered.forgotten:,} forgotten"] if gathered.forgotten else []
        gone += [f"{gathered.not_asked_for:,} not asked for"]
        tell(f"{counted(gathered.lines, 'record')} = {counted(gathered.posts, 'post')} ({kinds}) + {' + '.join(gone)} -> {out}")
    return asdict(gathered)


def _columns(maps: tuple[str, ...]) -> dict[str, str]:
    columns = {}
    for given in maps:
        ours, equals, theirs = given.partition("=")
        if not equals or not ours.strip():
            raise UserError(f"--map {given}: expected our name = the table's, as in text=body; nothing behind the = leaves ours out")
        columns[ours.strip()] = theirs.strip()
    return columns
