import datetime
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from curate.cli import main
from curate.sources import lemmy
from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.lemmy import pages
from curate.sources.requests.lemmy import Request
from curate.sources.source import Failure, Page
from formats.errors import UserError
from tests.servers.json_server import Fault
from tests.servers.lemmy import Item, Lemmy

NOON = 1_700_000_000
FETCHED = 1_800_000_000
HOME = "https://kettles.example"
State = dict[str, Any]


def moment(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.123456Z")


def person(name: str, number: int, home: str = HOME, **fields: Any) -> Item:
    return {"id": number, "name": name, "ap_id": f"{home}/u/{name}", "local": home == HOME, "deleted": False, **fields}


ANN, BEN = person("ann", 1), person("ben", 2, "https://cups.example")
TEA = {"id": 1, "name": "tea", "ap_id": f"{HOME}/c/tea"}


def post(number: int, **fields: Any) -> Item:
    item = {
        "id": number,
        "name": f"Post {number}",
        "body": f"Opens *{number}*.",
        "creator_id": 1,
        "removed": False,
        "deleted": False,
        "nsfw": False,
        "ap_id": f"{HOME}/post/{number}",
        "published_at": moment(NOON + number),
        "featured_community": False,
        "featured_local": False,
        "comments": 0,
        "score": 3,
        "upvotes": 4,
        "downvotes": 1,
        "newest_comment_time_at": moment(NOON + number),
    }
    return {"post": item | fields, "creator": ANN, "community": TEA, "tags": [{"name": "iron", "display_name": "Iron"}]}


def comment(number: int, path: str, thread: int = 1, creator: Item = BEN, view: Item | None = None, **fields: Any) -> Item:
    item = {
        "id": number,
        "creator_id": creator["id"],
        "post_id": thread,
        "content": "It **boils**.",
        "removed": False,
        "deleted": False,
        "ap_id": f"{HOME}/comment/{number}",
        "local": True,
        "path": path,
        "distinguished": False,
        "published_at": moment(NOON + 100 + number),
        "score": 2,
        "child_count": 0,
    }
    return {"comment": item | fields, "creator": creator, "post": post(thread)["post"], "community": TEA, **(view or {})}


@pytest.fixture(params=[3, 4])
def instance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lemmy]:
    monkeypatch.setattr(time, "time", lambda: FETCHED)
    with Lemmy(request.param) as running:
        running.posts = {number: post(number) for number in range(1, 6)}
        yield running


def patience() -> Patience:
    return Patience(lambda what, done, total: None, tries=3, sleep=lambda seconds: None)


def scrape(instance: Lemmy, state: State | None = None, communities: tuple[str, ...] = ("tea",), **fields: Any) -> list[Page]:
    return list(pages(Request(instance.address, communities, **fields), {} if state is None else state, patience()))


def posts_of(found: list[Page]) -> list[dict[str, Any]]:
    return [row for page in found for row in page.posts]


def ids(found: list[Page]) -> list[str]:
    return [row["id"].partition("/")[2] for row in posts_of(found)]


def row(instance: Lemmy, number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"lm_kettles.example/comment/{number}",
        "source": "lemmy",
        "community": "tea@kettles.example",
        "author": "ben@cups.example",
        "author_id": "https://cups.example/u/ben",
        "created_at": NOON + 100 + number,
        "edited_at": None,
        "retrieved_at": FETCHED,
        "score": 2,
        "removal": "none",
        "thread_id": "lm_kettles.example/post/1",
        "parent_id": "lm_kettles.example/post/1",
        "kind": "comment",
        "permalink": f"{instance.address}/comment/{number}",
        "is_submitter": False,
        "text": "It **boils**.",
        "num_replies": 0,
        "nsfw": False,
        "distinguished": None,
        **fields,
    }


def test_a_post_with_all_its_comments(instance: Lemmy) -> None:
    instance.posts = {1: post(1, url="https://kettles.example/x", comments=6, featured_local=True, updated_at=moment(NOON + 50))}
    away = "https://cups.example/comment/77"
    instance.comments = [
        comment(12, "0.12", ap_id=away, local=False, child_count=1),
        comment(13, "0.12.13", creator=ANN, updated_at=moment(NOON + 500)),
        comment(14, "0.14", content="", removed=True),
        comment(15, "0.15", content="", deleted=True),
        comment(16, "0.16", distinguished=True, view={"creator_is_admin": True}),
        comment(17, "0.17", distinguished=True),
        comment(18, "0.11.18", creator=person("cat", 3, deleted=True)),
    ]
    post_row = {
        "id": "lm_kettles.example/post/1",
        "source": "lemmy",
        "community": "tea@kettles.example",
        "author": "ann@kettles.example",
        "author_id": f"{HOME}/u/ann",
        "created_at": NOON + 1,
        "edited_at": NOON + 50,
        "retrieved_at": FETCHED,
        "score": 3,
        "removal": "none",
        "thread_id": "lm_kettles.example/post/1",
        "kind": "submission",
        "permalink": f"{instance.address}/post/1",
        "title": "Post 1",
        "text": "Opens *1*.",
        "url": "https://kettles.example/x",
        "flair": "Iron" if instance.version == 4 else None,
        "upvote_ratio": 0.8,
        "num_replies": 6,
        "nsfw": False,
        "stickied": True,
    }
    deleted = {"author": None, "author_id": f"{HOME}/u/cat"}
    assert posts_of(scrape(instance)) == [
        post_row,
        row(instance, 12, id="lm_cups.example/comment/77", num_replies=1),
        row(
            instance,
            13,
            parent_id="lm_cups.example/comment/77",
            author="ann@kettles.example",
            author_id=f"{HOME}/u/ann",
            is_submitter=True,
            edited_at=NOON + 500,
        ),
        row(instance, 14, text="", removal="moderator"),
        row(instance, 15, text="", removal="author"),
        row(instance, 16, distinguished="admin"),
        row(instance, 17, distinguished="moderator"),
        row(instance, 18, parent_id=f"lm_{instance.host}/comment/11", **deleted),
    ]
    every, new, old = ("all", "new", "old") if instance.version == 4 else ("All", "New", "Old")
    assert instance.requests == [
        *(["/api/v4/site"] if instance.version == 4 else ["/api/v4/site", "/api/v3/site"]),
        f"/api/v{instance.version}/post/list?community_name=tea&type_={every}&sort={new}&limit=50",
        f"/api/v{instance.version}/comment/list?post_id=1&type_={every}&sort={old}&limit=50",
    ]


@pytest.mark.parametrize("cursors", [True, False])
def test_many_posts_and_comments(instance: Lemmy, monkeypatch: pytest.MonkeyPatch, cursors: bool) -> None:
    monkeypatch.setattr(lemmy, "_AT_ONCE", 2)
    instance.cursors = cursors
    instance.posts[3] = post(3, comments=5)
    instance.comments = [comment(30 + number, f"0.{30 + number}", thread=3) for number in range(5)]
    comments = [f"comment/{30 + number}" for number in range(5)]
    assert ids(scrape(instance)) == ["post/5", "post/4", "post/3", *comments, "post/2", "post/1"]
    assert instance.asked(f"/api/v{instance.version}/post/list") == 3
    assert instance.asked(f"/api/v{instance.version}/comment/list?post_id=3") == 3


def test_an_instance_that_gives_fewer_comments_than_asked_for(instance: Lemmy) -> None:
    instance.most = 2
    instance.posts = {3: post(3, comments=5)}
    instance.comments = [comment(30 + number, f"0.{30 + number}", thread=3) for number in range(4)]
    found = scrape(instance)
    assert ids(found) == ["post/3", *(f"comment/{30 + number}" for number in range(4))]
    assert instance.asked(f"/api/v{instance.version}/comment/list") == 3


def test_a_second_run_fetches_what_was_commented_on_or_edited(instance: Lemmy) -> None:
    state: State = {}
    scrape(instance, state)
    instance.posts[2] = post(2, comments=1, newest_comment_time_at=moment(NOON + 900))
    instance.comments = [comment(21, "0.21", thread=2)]
    instance.posts[4] = post(4, updated_at=moment(NOON + 901))
    instance.requests.clear()
    assert ids(scrape(instance, state)) == ["post/4", "post/2", "comment/21"]
    assert instance.asked(f"/api/v{instance.version}/comment/list") == 2


def test_days(instance: Lemmy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lemmy, "_AT_ONCE", 2)
    for number in (1, 2, 3):
        instance.posts[number]["post"]["published_at"] = moment(NOON - 9 * 86_400 + number)
    instance.posts[1]["post"]["featured_community"] = True
    assert ids(scrape(instance, since=datetime.date(2023, 11, 14))) == ["post/5", "post/4"]
    assert instance.asked(f"/api/v{instance.version}/post/list") == 2
    assert ids(scrape(instance, until=datetime.date(2023, 11, 14))) == ["post/1", "post/3", "post/2"]


def test_a_stopped_scrape_goes_on_where_it_was(instance: Lemmy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lemmy, "_AT_ONCE", 2)
    cups = {"id": 2, "name": "cups", "ap_id": f"{HOME}/c/cups"}
    instance.posts |= {number: post(number) | {"community": cups} for number in (7, 8, 9)}
    both = ("tea", "cups")
    for stop in range(1, 8):
        state: State = {}
        before: list[Page] = []
        for page in pages(Request(instance.address, both), state, patience()):
            before.append(page)
            if len(before) == stop:
                break
        kept = json.loads(json.dumps(state))
        instance.requests.clear()
        after = scrape(instance, kept, both)
        assert ids(before) + ids(after) == [f"post/{number}" for number in (5, 4, 3, 2, 1, 9, 8, 7)]
        assert instance.asked(f"/api/v{instance.version}/comment/list") == 8 - stop


def test_limit_is_of_each_community(instance: Lemmy) -> None:
    instance.posts |= {number: post(number) | {"community": TEA | {"name": "cups"}} for number in (7, 8, 9)}
    assert ids(scrape(instance, None, ("tea", "cups"), limit=2)) == ["post/5", "post/4", "post/9", "post/8"]


def test_waits_where_the_instance_says_so_in_its_own_words(instance: Lemmy) -> None:
    instance.faults = [Fault("comment/list", 400, b'{"error":"rate_limit_error"}', "application/json", times=2)]
    assert len(ids(scrape(instance))) == 5


def test_comments_that_fail_are_told_and_the_scrape_goes_on(instance: Lemmy) -> None:
    instance.faults = [Fault("post_id=4", 400, b'{"error":"unknown"}', "application/json")]
    state: State = {}
    found = scrape(instance, state)
    assert [failure for page in found for failure in page.failures] == [
        Failure("thread 4", f"{instance.host}/api/v{instance.version}/comment/list: HTTP 400 (unknown)")
    ]
    assert ids(scrape(instance, state)) == ["post/4"]


def test_a_listing_that_breaks_off_goes_on_later(instance: Lemmy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lemmy, "_AT_ONCE", 2)
    instance.faults = [Fault("page_cursor=P2", 400)]
    state: State = {}
    found: list[Page] = []
    with pytest.raises(SourceDownError, match="what was fetched is kept: run the same command again later"):
        found.extend(pages(Request(instance.address, ("tea",)), state, patience()))
    assert ids([*found, *scrape(instance, state)]) == ["post/5", "post/4", "post/3", "post/2", "post/1"]


def test_no_such_community_and_no_such_instance(instance: Lemmy) -> None:
    with pytest.raises(UserError) as error:
        scrape(instance, communities=("pots",))
    assert str(error.value) == f"{instance.host}: knows no community pots; name it as NAME, or NAME@INSTANCE for another's"
    with pytest.raises(UserError, match="lemmy: name a community, as in tea"):
        scrape(instance, communities=())
    instance.private = True
    with pytest.raises(UserError, match="is private, only its members may read it"):
        scrape(instance)
    instance.version = 7
    with pytest.raises(UserError, match="has no Lemmy API, neither version 4 nor 3; give the address of a Lemmy instance"):
        scrape(instance)
    instance.faults = [Fault(status=404, body=b'{"error_type":"not_found"}', kind="application/json", times=2)]
    with pytest.raises(UserError, match="has no Lemmy API"):
        scrape(instance)


def test_the_command(instance: Lemmy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lemmy, "_PAUSE_S", 0)
    command = ["scrape", "lemmy", instance.address, "tea", "--limit", "2", "--quiet", "--out", str(tmp_path / "posts")]
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"fetched 2 posts; {tmp_path / 'posts'} holds 2 (2 new, 0 newer than before)\n"
