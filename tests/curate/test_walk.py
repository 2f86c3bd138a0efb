import contextlib
import copy
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

from curate.sources import discourse, hackernews, lemmy
from curate.sources.fetching import walk
from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.fetching.rest import Params, RefusedError, Rest
from curate.sources.fetching.walk import Thread
from curate.sources.requests.discourse import Request as AskDiscourse
from curate.sources.requests.hackernews import Request as AskHackerNews
from curate.sources.requests.lemmy import Request as AskLemmy
from curate.sources.source import Failure, Page
from formats.errors import UserError
from tests.servers.discourse import Discourse
from tests.servers.hackernews import HackerNews
from tests.servers.json_server import JsonServer
from tests.servers.lemmy import Lemmy

State = dict[str, Any]


def listing(place: Any) -> tuple[list[Thread], Any]:
    """3,000 threads, 100 at a place."""
    start = place or 0
    return [Thread(str(number), 0) for number in range(start, start + 100)], start + 100 if start < 2900 else None


def one_post(thread: Thread) -> Iterator[list[dict[str, Any]]]:
    yield [{"id": thread.key}]


def test_the_state_is_saved_ever_less_often_so_that_saving_it_stays_cheap() -> None:
    state: State = {}
    saved = [(len(page.posts), len(json.dumps(state))) for page in walk.walk("forum", listing, one_post, state, None)]
    assert sum(posts for posts, _ in saved) == 3000
    assert [posts for posts, _ in saved[:3] + saved[-4:-1]] == [1, 1, 1, 6, 6, 6]
    assert sum(size for _, size in saved) < walk.SAVES_A_DOUBLING * 3 * len(json.dumps(state))


def test_a_limit_ends_within_a_place_and_a_greater_one_goes_on() -> None:
    state: State = {}
    assert sum(len(page.posts) for page in walk.walk("forum", listing, one_post, state, 150)) == 150
    assert sum(len(page.posts) for page in walk.walk("forum", listing, one_post, state, 250)) == 100


def test_a_listing_without_an_end_is_left() -> None:
    found = list(walk.walk("forum", lambda place: ([Thread("1", 0)], (place or 0) + 1), one_post, {}, None))
    assert [post for page in found for post in page.posts] == [{"id": "1"}]
    assert found[-1].failures == [Failure("the listing", "forum: gives the same threads again and again; what follows was not fetched")]


def test_a_thread_that_breaks_off_is_not_known() -> None:
    def fetch(thread: Thread) -> Iterator[list[dict[str, Any]]]:
        yield [{"id": thread.key}]
        if thread.key == "1":
            raise RefusedError("gone", 404)

    state: State = {}
    found = list(walk.walk("forum", lambda place: ([Thread("1", 5), Thread("2", 6)], None), fetch, state, None))
    assert ([post["id"] for page in found for post in page.posts], state) == (["1", "2"], {"known": {"2": 6}})
    assert [page.failures for page in found] == [[Failure("thread 1", "gone")], []]


def test_a_thread_that_failed_behind_unchanged_ones_is_asked_for_again() -> None:
    markers = {str(number): 9 - number for number in range(6)}
    refused: set[str] = set()

    def by_activity(place: Any) -> tuple[list[Thread], Any]:
        """Two threads at a place."""
        start = place or 0
        latest = sorted((Thread(key, marker) for key, marker in markers.items()), key=lambda thread: -thread.marker)
        return latest[start : start + 2], start + 2 if start < 4 else None

    def fetch(thread: Thread) -> Iterator[list[dict[str, Any]]]:
        if thread.key in refused:
            raise RefusedError("busy", 500)
        yield from one_post(thread)

    def run() -> list[str]:
        return [post["id"] for page in walk.walk("forum", by_activity, fetch, state, None, latest_first=True) for post in page.posts]

    state: State = {}
    assert run() == ["0", "1", "2", "3", "4", "5"]
    markers |= {"5": 20, "4": 21, "3": 22}
    refused.add("5")
    assert run() == ["3", "4"]
    refused.clear()
    assert run() == ["5"]
    assert state == {"known": {"0": 9, "1": 8, "2": 7, "3": 22, "4": 21, "5": 20}, "done_to": None}


@pytest.mark.parametrize(
    ("refusal", "first", "later"),
    [
        (
            RefusedError("forum/list: HTTP 403 (text/html)", 403),
            "forum/list: HTTP 403 (text/html); forum does not show this: check its name, and whether it is open to the public",
            "forum/list: HTTP 403 (text/html); what was fetched is kept: run the same command again later",
        ),
        (
            KeyError("topics"),
            "forum: answers in another shape than its API (KeyError('topics')); is this the address of such a forum?",
            "forum: answers in another shape than its API (KeyError('topics')); what was fetched is kept: run the same command again later",
        ),
    ],
)
def test_a_listing_that_is_refused_is_a_mistake_at_first_and_a_hitch_later(refusal: Exception, first: str, later: str) -> None:
    def refused(place: Any) -> tuple[list[Thread], Any]:
        raise refusal

    def breaks_off(place: Any) -> tuple[list[Thread], Any]:
        return refused(place) if place else listing(place)

    with pytest.raises(UserError) as mistake:
        list(walk.walk("forum", refused, one_post, {}, None))
    assert str(mistake.value) == first
    found: list[Page] = []
    state: State = {}
    with pytest.raises(SourceDownError) as hitch:
        found.extend(walk.walk("forum", breaks_off, one_post, state, None))
    assert str(hitch.value) == later
    assert [post["id"] for page in found for post in page.posts] == [str(number) for number in range(100)]
    assert state["run"] == {"place": 100, "taken": 100, "failed": 0}


def test_what_came_before_the_source_went_down_is_kept() -> None:
    def fetch(thread: Thread) -> Iterator[list[dict[str, Any]]]:
        if thread.key == "2903":
            raise SourceDownError("no answer")
        yield from one_post(thread)

    found: list[Page] = []
    with pytest.raises(SourceDownError):
        found.extend(walk.walk("forum", listing, fetch, {}, None))
    assert [post["id"] for page in found for post in page.posts] == [str(number) for number in range(2903)]


def moment(second: int) -> str:
    return f"2023-11-14T22:13:{second:02}.000Z"


STORY = {"id": 1, "type": "story", "by": "ann", "time": 9, "title": "Kettle", "text": "Hot &amp; cold", "kids": [2]}
COMMENT = {"id": 2, "type": "comment", "by": "ben", "time": 10, "parent": 1, "text": "Tea."}
POSTS = [{"id": 100 + n, "post_number": n, "username": "ann", "user_id": 1, "created_at": moment(n), "raw": "Tea."} for n in (1, 2, 3)]
DATES = {"created_at": moment(0), "bumped_at": moment(1)}
TOPIC = {
    "id": 1,
    "title": "Kettle",
    "slug": "kettle",
    "category_id": 7,
    "tags": ["tea"],
    "posts_count": 3,
    "user_id": 1,
    **DATES,
    "posts": POSTS,
}
CATEGORIES = {7: {"id": 7, "slug": "kettles", "parent_category_id": 5}, 5: {"id": 5, "slug": "tea", "parent_category_id": 7}}
ANN = {"name": "ann", "ap_id": "https://kettles.example/u/ann"}
WRITTEN = {"creator_id": 1, "published_at": moment(1), "score": 1, "upvotes": 1, "downvotes": 0}
POST = {
    "id": 1,
    "name": "Kettle",
    "body": "Hot",
    "ap_id": "https://kettles.example/post/1",
    "featured_community": False,
    "comments": 1,
    **WRITTEN,
}
REPLY = {"id": 5, "post_id": 1, "path": "0.5", "content": "Tea.", "local": True, "ap_id": "https://kettles.example/comment/5", **WRITTEN}
VIEW = {"post": POST, "creator": ANN, "community": {"name": "tea", "ap_id": "https://kettles.example/c/tea"}}


def sites() -> dict[str, tuple[ModuleType, Any, JsonServer]]:
    news, unindexed = HackerNews(STORY, COMMENT), HackerNews(STORY, COMMENT)
    forum, mega = Discourse(TOPIC), Discourse(TOPIC)
    old, new = Lemmy(3), Lemmy(4)
    unindexed.unindexed, unindexed.lists, mega.mega = {1}, {"top": [1]}, {1}
    for server in (forum, mega):
        server.categories = copy.deepcopy(CATEGORIES)
    for instance in (old, new):
        instance.posts, instance.comments = {1: VIEW}, [{"comment": REPLY, **VIEW}]
    address = "http://forum.example"
    apis = {"algolia": f"{address}/api/v1", "firebase": f"{address}/v0"}
    return {
        "search": (hackernews, AskHackerNews("", **apis), news),
        "user": (hackernews, AskHackerNews(user="ann", **apis), news),
        "list": (hackernews, AskHackerNews(listed="top", **apis), unindexed),
        "latest": (discourse, AskDiscourse(address), forum),
        "topic": (discourse, AskDiscourse(address, topics=(1,)), mega),
        "version 3": (lemmy, AskLemmy(address, ("tea",)), old),
        "version 4": (lemmy, AskLemmy(address, ("tea",)), new),
    }


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    for key, held in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(held, (*above, key))


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    value = copy.deepcopy(value)
    held = value
    for key in place[:-1]:
        held = held[key]
    held[place[-1]] = new
    return value


@pytest.mark.parametrize("name", list(sites()))
def test_whatever_an_answer_holds_the_scrape_says_so_or_goes_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, request, server = sites()[name]
    answers: list[Any] = []
    change: tuple[int, tuple[Any, ...], Any] | None = None

    def get(api: Rest, path: str, params: Params = ()) -> Any:
        pairs = params.items() if isinstance(params, dict) else params
        status, found = server.answer(urlsplit(api.base).path + path, [(key, str(value)) for key, value in pairs])
        answers.append(json.loads(json.dumps(found)))
        assert len(answers) < 30, "the scrape does not end"
        if status >= 400:
            raise RefusedError("not there", status)
        return changed(answers[-1], *change[1:]) if change and change[0] == len(answers) - 1 else answers[-1]

    monkeypatch.setattr(Rest, "get", get)
    patience = Patience(lambda what, done, total: None)
    assert sum(len(page.posts) for page in module.pages(request, {}, patience)) in (2, 3)
    for number, answer in enumerate(list(answers)):
        for place in places(answer):
            for new in (None, -1, "kettle", [], {}):
                answers.clear()
                change = (number, place, new)
                with contextlib.suppress(UserError, SourceDownError):
                    json.dumps([page.posts for page in module.pages(request, {}, patience)])
