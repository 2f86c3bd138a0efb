import datetime
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from curate.cli import main
from curate.journal import request_key
from curate.sources.requests.checks import checked_address
from curate.sources.requests.discourse import Request as AskDiscourse
from curate.sources.requests.hackernews import Request as AskHackerNews
from curate.sources.requests.lemmy import Request as AskLemmy
from curate.sources.requests.recipe import read_request
from curate.sources.requests.reddit import Request as AskReddit
from curate.sources.requests.reddit import walks_of
from formats.errors import UserError

FORUM = "https://forum.example"


@pytest.mark.parametrize(
    ("address", "used"),
    [
        ("forum.example", "https://forum.example"),
        (" https://Forum.Example/ ", "https://forum.example"),
        ("http://forum.example:8080/talk/", "http://forum.example:8080/talk"),
    ],
)
def test_address(address: str, used: str) -> None:
    assert checked_address(address) == used


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://forum.example", "ftp://forum.example: not an address of a site; expected one like https://forum.example"),
        ("https://", "https://: not an address of a site; expected one like https://forum.example"),
        ("http://[forum", "an address that cannot be read; expected one like https://forum.example"),
        ("https://ann:s3cret@forum.example", "forum.example: the address holds a user's name or password; leave them out"),
        ("ann:s3cret@forum.example", "forum.example: the address holds a user's name or password; leave them out"),
        ("ftp://ann:s3cret@forum.example", "forum.example: the address holds a user's name or password; leave them out"),
        ("https://ann:s3/cret@forum.example", "an address that cannot be read; expected one like https://forum.example"),
        (
            "https://forum.example/?api_key=s3cret",
            "forum.example: the address holds parameters (behind ? or #), which may be secrets; leave them out",
        ),
    ],
)
def test_no_address(address: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        checked_address(address)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "arguments",
    [
        ["discourse", "https://ann:s3cret@forum.example"],
        ["lemmy", "https://lemmy.example/?api_key=s3cret", "tea"],
        ["hackernews", "--search", "x", "--algolia-url", "https://ann:s3cret@forum.example"],
        ["reddit", "kettle court s3cret"],
        ["reddit"],
    ],
)
def test_nothing_of_a_refused_request_reaches_the_disk(arguments: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["scrape", *arguments, "--out", str(tmp_path / "posts")])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "hackernews", "search": "", "limit": -3}, "hackernews: limit: found -3, expected 1 or more"),
        (
            {"source": "hackernews", "search": "", "tag": "bogus"},
            "hackernews: tag: found 'bogus', expected one of story, ask_hn, show_hn, poll, job, front_page",
        ),
        ({"source": "hackernews", "search": "", "by": "sideways"}, "hackernews: by: found 'sideways', expected one of date, relevance"),
        ({"source": "hackernews", "listed": "worst"}, "hackernews: listed: found 'worst', expected one of top, new, best, ask, show, job"),
        ({"source": "hackernews", "search": "", "min_comments": -1}, "hackernews: min_comments: found -1, expected 0 or more"),
        ({"source": "hackernews", "ids": [5, 0]}, "hackernews: ids: found 0, expected 1 or more"),
        (
            {"source": "discourse", "site": FORUM, "top": "hourly"},
            "discourse: top: found 'hourly', expected one of all, yearly, quarterly, monthly, weekly, daily",
        ),
        ({"source": "discourse", "site": FORUM, "topics": [-1]}, "discourse: topics: found -1, expected 1 or more"),
        ({"source": "discourse", "site": FORUM, "limit": 0}, "discourse: limit: found 0, expected 1 or more"),
        (
            {"source": "discourse", "site": FORUM, "category": "/"},
            "discourse: category: found '/', expected what stands behind /c/ or /tag/ in its address",
        ),
        (
            {"source": "discourse", "site": FORUM, "since": datetime.date(2023, 5, 2), "until": datetime.date(2023, 5, 2)},
            "discourse: since 2023-05-02 and until 2023-05-02: no day lies between them, as until is not included",
        ),
        (
            {"source": "lemmy", "instance": FORUM, "communities": ["tea"], "sort": "sideways"},
            "lemmy: sort: found 'sideways', expected one of new, active, hot, top, most_comments, old",
        ),
        ({"source": "lemmy", "instance": FORUM, "communities": ["tea"], "limit": 0}, "lemmy: limit: found 0, expected 1 or more"),
        ({"source": "lemmy", "instance": FORUM, "communities": ["!"]}, "lemmy: name a community, as in tea or tea@other.example"),
        ({"source": "reddit", "subreddits": ["Tea"], "limit": 0}, "reddit: limit: found 0, expected 1 or more"),
        (
            {"source": "reddit", "subreddits": ["Tea"], "sort": "relevance"},
            "reddit: sort: found 'relevance', expected one of hot, new, top, rising, controversial",
        ),
        (
            {"source": "reddit", "search": "x", "sort": "rising"},
            "reddit: sort: found 'rising', expected one of relevance, hot, top, new, comments",
        ),
        (
            {"source": "reddit", "subreddits": ["Tea"], "time": "decade"},
            "reddit: time: found 'decade', expected one of hour, day, week, month, year, all",
        ),
        ({"source": "reddit"}, "nothing to scrape: name a subreddit, a search, a user or a thread"),
        ({"source": "reddit", "subreddits": ["cold tea"]}, "'cold tea' is no name of a subreddit; it is written like r/name or name"),
        ({"source": "reddit", "users": ["a/b"]}, "'a/b' is no name of a redditor; it is written like u/name or name"),
        (
            {"source": "reddit", "threads": ["https://www.reddit.com/r/Tea/"]},
            "'https://www.reddit.com/r/Tea/' is no thread's id or address; it is written like 1abcd2 or https://redd.it/1abcd2",
        ),
    ],
)
def test_a_recipe_is_checked_as_the_command_line_is(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        read_request(settings)
    assert str(error.value) == f"gather.scrape, {message}"


@pytest.mark.parametrize(
    ("source", "one", "same"),
    [
        ("reddit", AskReddit(("KettleCourt",)), AskReddit(("r/kettlecourt/", "/r/KettleCourt"))),
        ("reddit", AskReddit(("Tea",), users=("Ada",)), AskReddit(("https://www.reddit.com/r/tea/",), users=("/u/ada",))),
        ("reddit", AskReddit(threads=("t3_1abcd2",)), AskReddit(threads=("https://redd.it/1abcd2",))),
        ("discourse", AskDiscourse(FORUM, "brewing/5"), AskDiscourse(" Forum.Example/", "/brewing/5/")),
        ("lemmy", AskLemmy(FORUM, ("tea",)), AskLemmy(f"{FORUM}/", ("!tea", "tea"))),
        ("hackernews", AskHackerNews("x"), AskHackerNews("x", algolia="https://hn.algolia.com/api/v1/")),
    ],
)
def test_what_is_written_otherwise_is_the_same_scrape(source: str, one: Any, same: Any) -> None:
    assert json.dumps(asdict(one), default=str) == json.dumps(asdict(same), default=str)
    assert request_key(source, one) == request_key(source, same)


def test_names_of_reddit_are_shown_as_they_were_written() -> None:
    walks = walks_of(AskReddit(("r/KettleCourt",), users=("u/Ada",)))
    assert [(walk.name, walk.path, walk.key) for walk in walks] == [
        ("r/KettleCourt", "r/KettleCourt/new", "r/kettlecourt"),
        ("u/Ada", "user/Ada/comments", "u/ada"),
    ]
