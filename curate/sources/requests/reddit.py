"""What can be asked of Reddit's API, and the listings to walk for it. Loads PRAW only to walk, as the command line needs its names."""

import re
from dataclasses import dataclass, field

from formats.errors import UserError

SORTS = ("hot", "new", "top", "rising", "controversial")
SEARCH_SORTS = ("relevance", "hot", "top", "new", "comments")
TIMES = ("hour", "day", "week", "month", "year", "all")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Args:
        subreddits: names without r/; several can be joined by +.
        sort: of `SORTS`, or of `SEARCH_SORTS` with a search.
        time: of `TIMES`; counts for top, controversial and searches.
        limit: threads of each listing, or comments of each redditor; None: as many as Reddit gives, about 1,000.
        search: a query; in the subreddits, or everywhere if there are none.
        users: redditors whose comments are asked for.
        threads: ids or addresses of single threads.
        comments: whether the comments of threads are fetched, and what a redditor's comments answer.
        site: the section of praw.ini with the credentials.
    """

    subreddits: tuple[str, ...] = ()
    sort: str = "new"
    time: str = "all"
    limit: int | None = None
    search: str | None = None
    users: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    comments: bool = True
    site: str | None = None


@dataclass(frozen=True)
class Walk:
    """A listing to walk.

    Args:
        name: for messages and states.
        path: where it lies, below the API's address, with its parameters.
        ids: of submissions, without prefixes, that stand in for a listing.
        user: whether it holds a redditor's comments; submissions otherwise.
    """

    name: str
    path: str = ""
    params: dict[str, str | int] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    user: bool = False


def walks_of(request: Request) -> list[Walk]:
    """The listings to walk for a request, each once.

    Raises:
        UserError: the request names nothing, or something that is no name.
    """
    from praw.endpoints import API_PATH

    kind, sorts = ("a subreddit", SORTS) if request.search is None else ("a search", SEARCH_SORTS)
    if request.sort not in sorts:
        raise UserError(f"sort {request.sort!r} is none of {kind}: {', '.join(sorts)}")
    if request.time not in TIMES:
        raise UserError(f"time {request.time!r} is none of: {', '.join(TIMES)}")
    names = [_name(name, "r", r"\w{2,}(\+\w{2,})*", "subreddit") for name in request.subreddits]
    walks = []
    if request.search is not None:
        params: dict[str, str | int] = {"q": request.search, "sort": request.sort, "t": request.time, "syntax": "lucene"}
        for name in names or ["all"]:
            inside = {**params, "restrict_sr": "false" if name == "all" else "true"}
            walks.append(Walk(f"search in r/{name}", API_PATH["search"].format(subreddit=name), inside))
    else:
        timed: dict[str, str | int] = {"t": request.time} if request.sort in ("top", "controversial") else {}
        walks += [Walk(f"r/{name}", API_PATH["subreddit"].format(subreddit=name) + request.sort, timed) for name in names]
    for name in (_name(name, "u", r"[\w-]{3,20}", "redditor") for name in request.users):
        walks.append(Walk(f"u/{name}", API_PATH["user"].format(user=name) + "comments", {"sort": "new"}, user=True))
    if request.threads:
        walks.append(Walk("threads", ids=tuple(dict.fromkeys(map(_thread_id, request.threads)))))
    if not walks:
        raise UserError("nothing to scrape: name a subreddit, a search, a user or a thread")
    return list({walk.name.lower(): walk for walk in walks}.values())


def _name(given: str, prefix: str, pattern: str, kind: str) -> str:
    name = re.sub(rf"^(https?://(\w+\.)?reddit\.com)?/?({prefix}|{kind}|user)/|/$", "", given)
    if not re.fullmatch(pattern, name, re.ASCII):
        raise UserError(f"{given!r} is no name of a {kind}; it is written like {prefix}/name or name")
    return name


def _thread_id(given: str) -> str:
    from praw.exceptions import InvalidURL
    from praw.models import Submission

    if re.fullmatch(r"(t3_)?[0-9a-z]{1,13}", given):
        return given.removeprefix("t3_")
    try:
        return Submission.id_from_url(given)
    except InvalidURL:
        raise UserError(f"{given!r} is no thread's id or address; it is written like 1abcd2 or https://redd.it/1abcd2") from None
