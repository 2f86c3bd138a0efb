"""What can be asked of Reddit's API, and the listings to walk for it. PRAW is loaded only where it must be: help needs the names."""

import re
from dataclasses import dataclass, field
from typing import Self

from curate.sources.requests.checks import check_choice, check_least
from formats.errors import UserError

SORTS = ("hot", "new", "top", "rising", "controversial")
SEARCH_SORTS = ("relevance", "hot", "top", "new", "comments")
TIMES = ("hour", "day", "week", "month", "year", "all")


class Name(str):
    """A name of Reddit's as it identifies: in lower case. `shown` is how it was written."""

    shown: str

    def __new__(cls, given: str) -> Self:
        """A name from how it is written."""
        name = super().__new__(cls, given.lower())
        name.shown = given
        return name


@dataclass(frozen=True)
class Request:
    """What is asked for; in other cases and with other prefixes of its names it is the same.

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

    Raises:
        UserError: it names nothing, or something that is no name.
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

    def __post_init__(self) -> None:
        if not self.subreddits and self.search is None and not self.users and not self.threads:
            raise UserError("nothing to scrape: name a subreddit, a search, a user or a thread")
        check_choice("reddit: sort", self.sort, SORTS if self.search is None else SEARCH_SORTS)
        check_choice("reddit: time", self.time, TIMES)
        check_least("reddit: limit", self.limit)
        subreddits = [_name(name, "r", r"\w{2,}(\+\w{2,})*", "subreddit") for name in self.subreddits]
        users = [_name(name, "u", r"[\w-]{3,20}", "redditor") for name in self.users]
        named = {"subreddits": subreddits, "users": users, "threads": map(_thread_id, self.threads)}
        for kind, names in named.items():
            object.__setattr__(self, kind, tuple(dict.fromkeys(names)))


@dataclass(frozen=True)
class Walk:
    """A listing to walk.

    Args:
        name: for messages.
        path: where it lies, below the API's address, with its parameters.
        ids: of submissions, without prefixes, that stand in for a listing.
        user: whether it holds a redditor's comments; submissions otherwise.
    """

    name: str
    path: str = ""
    params: dict[str, str | int] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    user: bool = False

    @property
    def key(self) -> str:
        """For states: the name in any case is the same."""
        return self.name.lower()


def walks_of(request: Request) -> list[Walk]:
    """The listings to walk for a request, each once."""
    from praw.endpoints import API_PATH

    walks = []
    names = [_shown(name) for name in request.subreddits]
    if request.search is not None:
        params: dict[str, str | int] = {"q": request.search, "sort": request.sort, "t": request.time, "syntax": "lucene"}
        for name in names or ["all"]:
            inside = {**params, "restrict_sr": "false" if name == "all" else "true"}
            walks.append(Walk(f"search in r/{name}", API_PATH["search"].format(subreddit=name), inside))
    else:
        timed: dict[str, str | int] = {"t": request.time} if request.sort in ("top", "controversial") else {}
        walks += [Walk(f"r/{name}", API_PATH["subreddit"].format(subreddit=name) + request.sort, timed) for name in names]
    for name in map(_shown, request.users):
        walks.append(Walk(f"u/{name}", API_PATH["user"].format(user=name) + "comments", {"sort": "new"}, user=True))
    if request.threads:
        walks.append(Walk("threads", ids=request.threads))
    return walks


def _shown(name: str) -> str:
    return name.shown if isinstance(name, Name) else name


def _name(given: str, prefix: str, pattern: str, kind: str) -> str:
    name = re.sub(rf"^(https?://(\w+\.)?reddit\.com)?/?({prefix}|{kind}|user)/|/$", "", given.strip())
    if not re.fullmatch(pattern, name, re.ASCII):
        raise UserError(f"{given!r} is no name of a {kind}; it is written like {prefix}/name or name")
    return Name(name)


def _thread_id(given: str) -> str:
    if re.fullmatch(r"(t3_)?[0-9a-z]{1,13}", given):
        return given.removeprefix("t3_")
    from praw.exceptions import InvalidURL
    from praw.models import Submission

    try:
        return Submission.id_from_url(given)
    except InvalidURL:
        raise UserError(f"{given!r} is no thread's id or address; it is written like 1abcd2 or https://redd.it/1abcd2") from None
