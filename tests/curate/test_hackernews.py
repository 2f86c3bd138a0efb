import datetime
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from curate.cli import main
from curate.sources import hackernews
from curate.sources.fetching import walk
from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.hackernews import pages
from curate.sources.requests.hackernews import Request
from curate.sources.source import Failure, Page
from formats.errors import UserError
from tests.servers.hackernews import HackerNews, Item
from tests.servers.json_server import Fault

NOON = 1_700_000_000
FETCHED = 1_800_000_000
State = dict[str, Any]


def story(number: int, title: str = "A kettle", **fields: Any) -> Item:
    return {"id": number, "type": "story", "by": "ann", "time": NOON + number, "title": title, "score": 5, "descendants": 0, **fields}


def comment(number: int, parent: int, text: str = "It boils.", **fields: Any) -> Item:
    return {"id": number, "type": "comment", "by": "ben", "time": NOON + number, "parent": parent, "text": text, **fields}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[HackerNews]:
    monkeypatch.setattr(time, "time", lambda: FETCHED)
    with HackerNews() as running:
        running.add(story(1, "Ask HN: Which kettle?", text="Iron &amp; steel<p>or <i>copper</i>?", score=9))
        running.add(comment(2, 1, "<p>Copper.</p>"), comment(3, 2, "Thanks!", by="ann"), comment(4, 1, "Steel.", by="cat"))
        running.add(story(5, "Kettles & spouts", url="https://kettles.example/spouts"), story(6, "Teapots", by="dan"))
        yield running


def patience(slept: list[float] | None = None) -> Patience:
    return Patience(lambda what, done, total: None, tries=3, sleep=(slept if slept is not None else []).append)


def ask(site: HackerNews, **fields: Any) -> Request:
    return Request(algolia=site.algolia, firebase=site.firebase, **fields)


def scrape(site: HackerNews, state: State | None = None, **fields: Any) -> list[Page]:
    return list(pages(ask(site, **fields), {} if state is None else state, patience()))


def ids(found: list[Page]) -> list[str]:
    return [post["id"] for page in found for post in page.posts]


def row(number: int, **fields: Any) -> dict[str, Any]:
    shared = {
        "id": f"hn_{number}",
        "thread_id": "hn_1",
        "parent_id": None,
        "kind": "comment",
        "source": "hackernews",
        "community": "hackernews",
        "permalink": f"https://news.ycombinator.com/item?id={number}",
        "author": "ben",
        "is_submitter": False,
        "created_at": NOON + number,
        "retrieved_at": FETCHED,
        "title": None,
        "url": None,
        "score": None,
        "num_replies": None,
        "promoted": None,
        "removal": "none",
    }
    return shared | fields


ROOT = row(
    1,
    kind="submission",
    author="ann",
    is_submitter=None,
    title="Ask HN: Which kettle?",
    text="Iron & steel\n\nor copper?",
    score=9,
    num_replies=3,
)
REPLIES = [
    row(2, parent_id="hn_1", text="Copper."),
    row(3, parent_id="hn_2", author="ann", is_submitter=True, text="Thanks!"),
    row(4, parent_id="hn_1", author="cat", text="Steel."),
]


def by_id(posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(posts, key=lambda post: int(post["id"][3:]))


def test_a_story_with_all_its_comments(site: HackerNews) -> None:
    found = scrape(site, search="which kettle")
    assert [by_id(page.posts) for page in found] == [[ROOT, *REPLIES]]
    assert site.requests == [
        "/api/v1/search_by_date?query=which+kettle&tags=story&hitsPerPage=100&page=0",
        "/api/v1/items/1",
    ]


def test_the_official_api_gives_the_same_rows_item_by_item(site: HackerNews) -> None:
    site.unindexed = {1}
    site.items[1]["descendants"] = 3
    found = scrape(site, ids=(1,))
    assert by_id([post for page in found for post in page.posts]) == [ROOT, *REPLIES]
    assert site.requests == ["/v0/item/1.json", "/api/v1/items/1", "/v0/item/4.json", "/v0/item/2.json", "/v0/item/3.json"]


def test_a_single_comment_knows_its_story(site: HackerNews) -> None:
    below = [REPLIES[0] | {"is_submitter": None}, REPLIES[1] | {"is_submitter": None}]
    assert by_id(scrape(site, ids=(2,))[0].posts) == below
    site.unindexed = {2}
    assert by_id([post for page in scrape(site, ids=(2,)) for post in page.posts]) == REPLIES[:2]


def test_deleted_and_dead_items(site: HackerNews) -> None:
    site.add(comment(7, 4, deleted=True), comment(8, 4, "buy kettles", dead=True))
    del site.items[7]["by"], site.items[7]["text"]
    gone = {"author": None, "is_submitter": None, "created_at": None, "text": ""}
    rows = {post["id"]: post for post in scrape(site, ids=(1,))[0].posts}
    assert rows["hn_7"] == row(7, parent_id="hn_4", removal="unknown", **gone)
    assert rows["hn_8"] == row(8, parent_id="hn_4", removal="unknown", **gone)
    site.unindexed = {1}
    rows = {post["id"]: post for page in scrape(site, ids=(1,)) for post in page.posts}
    assert rows["hn_7"] == row(7, parent_id="hn_4", removal="author", **gone) | {"created_at": NOON + 7}
    assert rows["hn_8"] == row(8, parent_id="hn_4", removal="moderator", text="buy kettles")


def test_jobs_and_polls(site: HackerNews) -> None:
    options = [
        {"id": n, "type": "pollopt", "by": "ann", "time": NOON, "parent": 9, "text": t, "score": 3} for n, t in ((10, "iron"), (11, "tin"))
    ]
    site.items |= {option["id"]: option for option in options}
    site.add(story(9, "Poll: the best?", type="poll", parts=[10, 11], text="Vote."), story(12, "Kettle smith", type="job"))
    for unindexed in (set(), {9, 12}):
        site.unindexed = unindexed
        poll, job = (post for page in scrape(site, ids=(9, 12)) for post in page.posts)
        assert (poll["kind"], poll["text"], poll["promoted"]) == ("submission", "Vote.\n\n- iron\n- tin", None)
        assert (job["kind"], job["title"], job["promoted"]) == ("submission", "Kettle smith", True)


PLACES = ((0, 0), (0, 26), (1, 26), (0, 25), (1, 25))
"""The pages of a search by date of ten stories, four of which were written in one second; its second."""


def test_search_by_date_goes_beyond_the_hits_that_a_query_shows(site: HackerNews, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hackernews, "HITS", 3)
    site.add(*(story(number, f"Spout {number}", time=NOON + number // 4) for number in range(100, 110)))
    found = scrape(site, search="spout ")
    assert sorted(ids(found)) == [f"hn_{number}" for number in range(100, 110)]
    assert site.asked("/api/v1/items/") == 10
    places = [target.partition("page=")[2] for target in site.requests if "search" in target]
    assert places == [f"{place}&numericFilters=created_at_i%3C%3D{NOON + second}" if second else str(place) for place, second in PLACES]


def test_search_by_relevance_ends_where_the_api_does(site: HackerNews, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hackernews, "HITS", 2)
    monkeypatch.setattr(hackernews, "_MOST_RELEVANT", 4)
    site.add(*(story(number, "Spout", score=number) for number in range(100, 110)))
    assert ids(scrape(site, search="spout", by="relevance")) == ["hn_109", "hn_108", "hn_107", "hn_106"]
    assert [target for target in site.requests if "/search?" in target] == [
        "/api/v1/search?query=spout&tags=story&hitsPerPage=2&page=0",
        "/api/v1/search?query=spout&tags=story&hitsPerPage=2&page=1",
    ]


def test_days_and_comments_are_asked_for(site: HackerNews) -> None:
    site.add(story(20, "Old kettle", time=NOON - 9 * 86_400), story(21, "New kettle", time=NOON + 9 * 86_400))
    days = {"since": datetime.date(2023, 11, 14), "until": datetime.date(2023, 11, 15)}
    assert sorted(ids(scrape(site, search="kettle", **days))) == ["hn_1", "hn_2", "hn_3", "hn_4", "hn_5"]
    assert ids(scrape(site, search="kettle", since=datetime.date(2023, 11, 23))) == ["hn_21"]
    assert ids(scrape(site, ids=(1, 20, 21), until=datetime.date(2023, 11, 14))) == ["hn_20"]
    assert "hn_5" not in ids(scrape(site, search="kettle", min_comments=1))


def test_threads_of_a_user_are_fetched_once_and_again_when_they_wrote_more(site: HackerNews) -> None:
    site.add(comment(7, 5, by="ann"), comment(8, 5, by="ann"))
    state: State = {}
    assert sorted(ids(scrape(site, state, user="ann")))[:3] == ["hn_1", "hn_2", "hn_3"]
    assert [target for target in site.requests if "items" in target] == ["/api/v1/items/5", "/api/v1/items/1"]
    site.add(comment(9, 6, by="ann"))
    assert ids(scrape(site, state, user="ann")) == ["hn_6", "hn_9"]


def test_lists_and_what_a_second_run_fetches(site: HackerNews) -> None:
    site.lists["top"] = [5, 1, 99]
    site.items[1]["descendants"] = 3
    state: State = {}
    found = scrape(site, state, listed="top", limit=3)
    assert ids(found)[0] == "hn_5"
    assert len(ids(found)) == 5
    assert [failure for page in found for failure in page.failures] == [
        Failure("thread 99", f"{site.host}/api/v1/items/99: HTTP 404 (Not Found)")
    ]
    site.lists["top"] = [5, 1]
    site.items[5]["descendants"] = 1
    site.add(comment(30, 5))
    site.requests.clear()
    assert ids(scrape(site, state, listed="top", limit=3)) == ["hn_5", "hn_30"]
    assert site.requests == ["/v0/topstories.json", "/v0/item/5.json", "/v0/item/1.json", "/api/v1/items/5"]


def test_limit_counts_threads(site: HackerNews) -> None:
    assert ids(scrape(site, search="", limit=2)) == ["hn_6", "hn_5"]


def test_a_stopped_scrape_goes_on_where_it_was(site: HackerNews, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hackernews, "HITS", 3)
    site.add(*(story(number, "Spigot") for number in range(100, 110)))
    whole = sorted(ids(scrape(site, search="spigot")))
    for stop in range(1, 10):
        state: State = {}
        before: list[Page] = []
        for page in pages(ask(site, search="spigot"), state, patience()):
            before.append(page)
            if len(before) == stop:
                break
        kept = json.loads(json.dumps(state))
        site.requests.clear()
        after = scrape(site, kept, search="spigot")
        assert sorted(ids(before) + ids(after)) == whole
        assert site.asked("/api/v1/items/") == 10 - stop
        assert "run" not in kept


def test_what_fails_is_told_and_tried_again_by_the_next_run(site: HackerNews) -> None:
    site.faults = [
        Fault("/items/1", 500, times=3),
        Fault("/items/5", 200, b'[{"id": 5}]', "application/json"),
        Fault("/items/6", 429, headers={"Retry-After": "3"}),
    ]
    state: State = {}
    found = scrape(site, state, search="")
    assert ids(found) == ["hn_6"]
    assert [failure for page in found for failure in page.failures] == [
        Failure(
            "thread 5",
            "Hacker News: an answer of another shape than the API's (AttributeError(\"'list' object has no attribute 'get'\"))",
        ),
        Failure("thread 1", f"{site.host}/api/v1/items/1: HTTP 500, 3 times in a row"),
    ]
    assert sorted(ids(scrape(site, state, search=""))) == ["hn_1", "hn_2", "hn_3", "hn_4", "hn_5"]


def test_a_site_that_is_down_stops_the_scrape_but_loses_nothing(site: HackerNews) -> None:
    site.faults = [Fault("/items/1", 503, times=3)]
    state: State = {}
    found: list[Page] = []
    with pytest.raises(SourceDownError, match="HTTP 503, 3 times in a row"):
        found.extend(pages(ask(site, search=""), state, patience()))
    assert ids(found) == ["hn_6", "hn_5"]
    assert sorted(ids(scrape(site, state, search=""))) == ["hn_1", "hn_2", "hn_3", "hn_4"]


def test_a_long_thread_comes_in_pages(site: HackerNews, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "POSTS_A_PAGE", 2)
    site.unindexed = {1}
    assert [len(page.posts) for page in scrape(site, ids=(1,))] == [2, 2, 0]


@pytest.mark.parametrize("fields", [{}, {"search": "kettle", "listed": "top"}])
def test_one_question_at_a_time(site: HackerNews, fields: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"hackernews: ask for one of a search \(--search\), a user"):
        scrape(site, **fields)


def test_another_site(site: HackerNews) -> None:
    site.faults = [Fault("/search_by_date", 200, b'{"message": "hello"}', "application/json")]
    with pytest.raises(UserError) as error:
        scrape(site, search="")
    assert str(error.value) == "Hacker News: answers in another shape than its API (KeyError('hits')); is this the address of such a forum?"


def test_a_search_that_is_refused(site: HackerNews) -> None:
    site.faults = [Fault("/search_by_date", 403)]
    with pytest.raises(UserError) as error:
        scrape(site, search="")
    assert str(error.value) == (
        f"{site.host}/api/v1/search_by_date: HTTP 403 (text/html); Hacker News does not show this: "
        "check its name, and whether it is open to the public"
    )


def test_an_item_that_one_api_refuses_comes_from_the_other(site: HackerNews) -> None:
    site.faults = [Fault("/v0/item/1", 403)]
    found = scrape(site, ids=(1, 6))
    assert sorted(ids(found)) == ["hn_1", "hn_2", "hn_3", "hn_4", "hn_6"]
    assert [failure for page in found for failure in page.failures] == []


def test_the_command(site: HackerNews, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hackernews, "_PAUSE_S", 0)
    site.faults = [Fault("/items/5", 200, b"[]", "application/json")]
    command = ["scrape", "hackernews", "--search", "kettle", "--limit", "5", "--algolia-url", site.algolia, "--firebase-url", site.firebase]
    result = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "posts"), "--quiet"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"fetched 4 posts; {tmp_path / 'posts'} holds 4 (4 new, 0 newer than before)",
        "  failed: thread 5: Hacker News: an answer of another shape than the API's "
        "(AttributeError(\"'list' object has no attribute 'get'\"))",
    ]
