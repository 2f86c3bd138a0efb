"""lorum scrape."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options
from curate.sources.catalogue import LIVE
from curate.sources.reddit_request import SEARCH_SORTS, SORTS, TIMES

FAILURES_SHOWN = 5

OUT = click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of posts to write, or to add to.")


@click.group("scrape")
def scrape_command() -> None:
    """Fetch threads from a forum's API into a folder of posts.

    The same command goes on where it was stopped, and fetches only what is new once it is done.

    \b
    Example:
      lorum scrape reddit KettleCourt --sort top --time year --limit 200 --out posts
    """


def _scrape(source: str, request: Any, out: Path, as_json: bool, quiet: bool) -> dict[str, Any]:
    """Scrapes, prints what came of it, and returns what --json prints."""
    from curate.scrape import scrape

    with Reporter(quiet) as progress:
        fetched, gathered = scrape(source, request, out, progress)
    if not as_json:
        click.echo(f"fetched {fetched.posts:,} posts; {out} holds {gathered.posts:,} ({gathered.replaced:,} older records replaced)")
        for failure in fetched.failures[:FAILURES_SHOWN]:
            click.echo(f"  failed: {failure['what']}: {failure['reason']}")
        if len(fetched.failures) > FAILURES_SHOWN:
            click.echo(f"  and {len(fetched.failures) - FAILURES_SHOWN:,} more, listed by --json")
    return {"fetched": asdict(fetched), "posts": asdict(gathered)}


@scrape_command.command("reddit", short_help=LIVE["reddit"])
@click.argument("subreddits", nargs=-1, metavar="[NAME]...")
@click.option("--sort", type=click.Choice(list(dict.fromkeys(SORTS + SEARCH_SORTS))), help="[default: new, or relevance with --search]")
@click.option("--time", "window", default="all", show_default=True, type=click.Choice(TIMES), help="For top, controversial and --search.")
@click.option("--limit", type=click.IntRange(1), help="Threads of each listing. [default: all that Reddit gives, about 1,000]")
@click.option("--search", metavar="QUERY", help="Threads that a search finds, in the subreddits named or everywhere.")
@click.option("--user", "users", multiple=True, metavar="NAME", help="A redditor's comments, with what they answer. May be repeated.")
@click.option("--thread", "threads", multiple=True, metavar="ID", help="A single thread, by id or address. May be repeated.")
@click.option("--comments/--no-comments", default=True, show_default=True, help="Whether to fetch the comments of threads.")
@click.option("--site", metavar="SECTION", help="The section of praw.ini with the credentials.")
@OUT
@common_options
def reddit(
    subreddits: tuple[str, ...],
    sort: str | None,
    window: str,
    limit: int | None,
    search: str | None,
    users: tuple[str, ...],
    threads: tuple[str, ...],
    comments: bool,
    site: str | None,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Fetch threads from Reddit's API: of subreddits, a search, redditors, or single ones.

    Reads only. The credentials are PRAW's: client_id and client_secret in praw.ini, or praw_client_id and praw_client_secret in the
    environment. Reddit gives API access to approved applications; what is deleted on Reddit must be deleted here (lorum forget).

    \b
    Examples:
      lorum scrape reddit KettleCourt --sort top --time year --limit 200 --out posts
      lorum scrape reddit KettleCourt --search "cold tea" --out posts
      lorum scrape reddit --user kettle_judge --thread https://redd.it/1abcd2 --out posts
    """
    from curate.sources.reddit_request import Request

    sort = sort or ("new" if search is None else "relevance")
    return _scrape("reddit", Request(subreddits, sort, window, limit, search, users, threads, comments, site), out, as_json, quiet)
