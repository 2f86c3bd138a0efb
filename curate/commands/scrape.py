"""lorum scrape."""

import datetime
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.commands.gather import DAY, day
from curate.console import Reporter, common_options, counted, tell
from curate.sources.catalogue import LIVE
from curate.sources.requests.discourse import PERIODS
from curate.sources.requests.hackernews import ALGOLIA, FIREBASE, LISTS, ORDERS, TAGS
from curate.sources.requests.lemmy import SORTS as LEMMY_SORTS
from curate.sources.requests.reddit import SEARCH_SORTS, SORTS, TIMES

FAILURES_SHOWN = 5

OUT = click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of posts to write, or to add to.")

SINCE = click.option("--since", type=DAY, metavar="YYYY-MM-DD", help="Threads opened on this day or later.")
UNTIL = click.option("--until", type=DAY, metavar="YYYY-MM-DD", help="Threads opened before this day.")


class _AsListed(click.Group):
    """A group whose help keeps the order of the sources."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The sources, in the order of the catalogue."""
        return list(LIVE)


@click.group("scrape", cls=_AsListed)
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
        brought = f"{fetched.new:,} new, {fetched.newer:,} newer than before"
        tell(f"fetched {counted(fetched.posts, 'post')}; {out} holds {gathered.posts:,} ({brought})")
        for failure in fetched.failures[:FAILURES_SHOWN]:
            tell(f"  failed: {failure['what']}: {failure['reason']}")
        if len(fetched.failures) > FAILURES_SHOWN:
            tell(f"  and {len(fetched.failures) - FAILURES_SHOWN:,} more, listed by --json")
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
    from curate.sources.requests.reddit import Request

    sort = sort or ("new" if search is None else "relevance")
    return _scrape("reddit", Request(subreddits, sort, window, limit, search, users, threads, comments, site), out, as_json, quiet)


@scrape_command.command("hackernews", short_help=LIVE["hackernews"])
@click.option("--search", metavar="WORDS", help='Stories that a search finds; "" finds all.')
@click.option("--list", "listed", type=click.Choice(LISTS), help="Stories of a list, 500 at most.")
@click.option("--user", metavar="NAME", help="Stories in which this user wrote, with all their comments.")
@click.option("--id", "ids", type=click.IntRange(1), multiple=True, help="A single item and what answers it. May be repeated.")
@click.option("--tag", default="story", show_default=True, type=click.Choice(TAGS), help="Which stories --search finds.")
@click.option("--by", default="date", show_default=True, type=click.Choice(ORDERS), help="Relevance ends at 1,000 stories.")
@click.option("--min-comments", default=0, show_default=True, type=click.IntRange(0), help="Of the stories that --search finds.")
@SINCE
@UNTIL
@click.option("--limit", type=click.IntRange(1), help="Stories at most. [default: all]")
@click.option("--algolia-url", default=ALGOLIA, hidden=True)
@click.option("--firebase-url", default=FIREBASE, hidden=True)
@OUT
@common_options
def hackernews(
    search: str | None,
    listed: str | None,
    user: str | None,
    ids: tuple[int, ...],
    tag: str,
    by: str,
    min_comments: int,
    since: datetime.datetime | None,
    until: datetime.datetime | None,
    limit: int | None,
    algolia_url: str,
    firebase_url: str,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Fetch stories of Hacker News with all their comments: of a search, a list, a user, or single ones.

    Needs no account. Scores of comments are not public. Run again, it fetches what is new, and stories that got more comments.

    \b
    Examples:
      lorum scrape hackernews --search kettle --min-comments 5 --limit 50 --out posts
      lorum scrape hackernews --list best --out posts
    """
    from curate.sources.requests.hackernews import Request

    request = Request(search, tag, by, user, listed, ids, day(since), day(until), min_comments, limit, algolia_url, firebase_url)
    return _scrape("hackernews", request, out, as_json, quiet)


@scrape_command.command("discourse", short_help=LIVE["discourse"])
@click.argument("site", metavar="URL")
@click.option("--category", metavar="PATH", help="Topics of a category, as in its address behind /c/: brewing, or tea/green/7.")
@click.option("--tag", metavar="NAME", help="Topics with this tag.")
@click.option("--top", type=click.Choice(PERIODS), help="The top topics of a period, instead of the latest.")
@click.option("--topic", "topics", type=click.IntRange(1), multiple=True, metavar="ID", help="A single topic. May be repeated.")
@SINCE
@UNTIL
@click.option("--limit", type=click.IntRange(1), help="Topics at most. [default: all]")
@OUT
@common_options
def discourse(
    site: str,
    category: str | None,
    tag: str | None,
    top: str | None,
    topics: tuple[int, ...],
    since: datetime.datetime | None,
    until: datetime.datetime | None,
    limit: int | None,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Fetch topics of a Discourse forum with all their posts: the latest, of a category, with a tag, or single ones.

    URL is the forum's address. A forum for members only needs an API key, in DISCOURSE_API_KEY and DISCOURSE_API_USERNAME. Run again, it
    fetches the topics that were bumped since.

    \b
    Example:
      lorum scrape discourse https://forum.example --category brewing --limit 100 --out posts
    """
    from curate.sources.requests.discourse import Request

    return _scrape("discourse", Request(site, category, tag, top, topics, day(since), day(until), limit), out, as_json, quiet)


@scrape_command.command("lemmy", short_help=LIVE["lemmy"])
@click.argument("instance", metavar="URL")
@click.argument("communities", nargs=-1, required=True, metavar="COMMUNITY…")
@click.option("--sort", default="new", show_default=True, type=click.Choice(list(LEMMY_SORTS)), help="Which posts come first.")
@SINCE
@UNTIL
@click.option("--limit", type=click.IntRange(1), help="Posts of each community at most. [default: all]")
@OUT
@common_options
def lemmy(
    instance: str,
    communities: tuple[str, ...],
    sort: str,
    since: datetime.datetime | None,
    until: datetime.datetime | None,
    limit: int | None,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Fetch posts of a Lemmy instance's communities with all their comments.

    URL is the instance's address; a COMMUNITY is NAME, or NAME@INSTANCE for one of another instance. Needs no account. Run again, it
    fetches the posts that were commented on or edited since.

    \b
    Example:
      lorum scrape lemmy https://lemmy.example tea kettles@other.example --limit 100 --out posts
    """
    from curate.sources.requests.lemmy import Request

    return _scrape("lemmy", Request(instance, communities, sort, day(since), day(until), limit), out, as_json, quiet)
