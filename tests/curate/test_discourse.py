import datetime
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from curate.cli import main
from curate.sources import discourse
from curate.sources.discourse import pages
from curate.sources.discourse_post import _plain_markdown
from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.requests.discourse import Request
from curate.sources.source import Failure, Page
from formats.errors import UserError
from tests.servers.discourse import Discourse, Post, Topic
from tests.servers.json_server import Fault

NOON = 1_700_000_000
FETCHED = 1_800_000_000
State = dict[str, Any]


def moment(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def post(number: int, identity: int, raw: str = "It boils.", **fields: Any) -> Post:
    return {
        "id": identity,
        "post_number": number,
        "post_type": 1,
        "username": "ben",
        "user_id": 2,
        "created_at": moment(NOON + identity),
        "updated_at": moment(NOON + identity),
        "version": 1,
        "reply_count": 0,
        "reply_to_post_number": None,
        "raw": raw,
        "cooked": f"<p>{raw}</p>",
        "actions_summary": [],
        "admin": False,
        "moderator": False,
        "staff": False,
        "hidden": False,
        "user_deleted": False,
        "deleted_at": None,
        **fields,
    }


def topic(number: int, *posts: Post, bumped: int = 0, **fields: Any) -> Topic:
    first = post(1, number * 100, f"Opens {number}.", username="ann", user_id=1)
    return {
        "id": number,
        "title": f"Topic {number}",
        "slug": f"topic-{number}",
        "posts_count": 1 + len(posts),
        "created_at": moment(NOON + number),
        "bumped_at": moment(NOON + 1000 + (bumped or number)),
        "last_posted_at": moment(NOON + number),
        "category_id": 7,
        "user_id": 1,
        "tags": [],
        "posts": [first, *posts],
        **fields,
    }


@pytest.fixture
def forum(monkeypatch: pytest.MonkeyPatch) -> Iterator[Discourse]:
    monkeypatch.setattr(time, "time", lambda: FETCHED)
    monkeypatch.delenv("DISCOURSE_API_KEY", raising=False)
    monkeypatch.delenv("DISCOURSE_API_USERNAME", raising=False)
    with Discourse(*(topic(number) for number in range(1, 9))) as running:
        running.categories = {5: {"id": 5, "slug": "tea"}, 7: {"id": 7, "slug": "kettles", "parent_category_id": 5}}
        yield running


def patience() -> Patience:
    return Patience(lambda what, done, total: None, tries=3, sleep=lambda seconds: None)


def scrape(forum: Discourse, state: State | None = None, **fields: Any) -> list[Page]:
    return list(pages(Request(forum.address, **fields), {} if state is None else state, patience()))


def posts_of(found: list[Page]) -> list[dict[str, Any]]:
    return [row for page in found for row in page.posts]


def ids(found: list[Page]) -> list[str]:
    return [row["id"].rpartition("_")[2] for row in posts_of(found)]


def row(forum: Discourse, number: int, identity: int, text: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"dc_{forum.host}_{identity}",
        "thread_id": f"dc_{forum.host}_t9",
        "parent_id": f"dc_{forum.host}_900",
        "kind": "comment",
        "source": "discourse",
        "community": f"{forum.host}/tea/kettles",
        "permalink": f"{forum.address}/t/topic-9/9/{number}",
        "author": "ben",
        "author_id": "2",
        "is_submitter": False,
        "created_at": NOON + identity,
        "edited_at": None,
        "retrieved_at": FETCHED,
        "title": None,
        "text": text,
        "url": None,
        "flair": None,
        "score": 0,
        "num_replies": 0,
        "stickied": None,
        "distinguished": None,
        "removal": "none",
        **fields,
    }


def test_a_topic_with_all_its_posts(forum: Discourse) -> None:
    forum.topics[9] = topic(
        9,
        post(2, 901, "Copper.", actions_summary=[{"id": 2, "count": 4}, {"id": 3, "count": 1}], reply_count=2),
        post(3, 902, "Thanks!", username="ann", user_id=1, reply_to_post_number=2, version=3, updated_at=moment(NOON + 999)),
        post(4, 903, "", post_type=3, action_code="closed.enabled"),
        post(5, 904, "Kettles only, please.", post_type=2, moderator=True, staff=True),
        post(6, 905, "Steel.", admin=True, staff=True, reaction_users_count=6),
        post(8, 907, "Who said that?", reply_to_post_number=7),
        post(9, 908, "(post deleted by author)", user_deleted=True),
        post(10, 909, "Flagged.", hidden=True),
        post(11, 910, "Between us.", post_type=4),
        tags=["iron", {"id": 3, "name": "copper", "slug": "copper"}],
        featured_link="https://kettles.example",
        pinned=True,
    )
    state: State = {}
    opening = row(
        forum,
        1,
        900,
        "Opens 9.",
        kind="submission",
        parent_id=None,
        author="ann",
        author_id="1",
        is_submitter=None,
        title="Topic 9",
        url="https://kettles.example",
        flair="iron, copper",
        num_replies=9,
        stickied=True,
    )
    assert posts_of(scrape(forum, state, topics=(9,))) == [
        opening,
        row(forum, 2, 901, "Copper.", score=4, num_replies=2),
        row(
            forum,
            3,
            902,
            "Thanks!",
            parent_id=f"dc_{forum.host}_901",
            author="ann",
            author_id="1",
            is_submitter=True,
            edited_at=NOON + 999,
        ),
        row(forum, 5, 904, "Kettles only, please.", distinguished="moderator"),
        row(forum, 6, 905, "Steel.", distinguished="admin", score=6),
        row(forum, 8, 907, "Who said that?", parent_id=f"dc_{forum.host}_t9.7"),
        row(forum, 9, 908, "(post deleted by author)", removal="author"),
        row(forum, 10, 909, "Flagged.", removal="moderator"),
    ]
    assert state["passed_over"] == 2
    assert forum.requests == [
        "/t/9.json?include_raw=true",
        "/c/7/show.json",
        "/c/5/show.json",
        *(f"/t/9/posts.json?post_ids%5B%5D={a}&post_ids%5B%5D={a + 1}&include_raw=true" for a in (902,)),
        "/t/9/posts.json?post_ids%5B%5D=904&post_ids%5B%5D=905&include_raw=true",
        "/t/9/posts.json?post_ids%5B%5D=907&post_ids%5B%5D=908&include_raw=true",
        "/t/9/posts.json?post_ids%5B%5D=909&post_ids%5B%5D=910&include_raw=true",
    ]


def test_where_the_markdown_is_not_given_the_html_is_read(forum: Discourse) -> None:
    forum.raw = False
    forum.topics[1]["posts"][0]["cooked"] = "<p>Tea &amp; <b>kettles</b></p><blockquote><p>steep</p></blockquote>"
    assert posts_of(scrape(forum, topics=(1,)))[0]["text"] == "Tea & kettles\n\n> steep"


def test_a_topic_too_long_to_tell_its_stream(forum: Discourse) -> None:
    forum.topics[9] = topic(9, *(post(number, 900 + number) for number in range(2, 8)))
    forum.mega = {9}
    assert ids(scrape(forum, topics=(9,))) == ["900", "902", "903", "904", "905", "906", "907"]
    assert [target for target in forum.requests if "page=" in target] == [
        f"/t/9.json?page={page}&include_raw=true" for page in (2, 3, 4, 5)
    ]


def test_the_latest_topics_and_what_a_second_run_fetches(forum: Discourse) -> None:
    state: State = {}
    assert ids(scrape(forum, state)) == ["800", "700", "600", "500", "400", "300", "200", "100"]
    assert forum.asked("/latest.json") == 3
    assert forum.asked("/c/") == 2
    forum.topics[2] = topic(2, post(2, 201), bumped=500)
    forum.requests.clear()
    assert ids(scrape(forum, state)) == ["200", "201"]
    assert forum.requests == [
        "/latest.json?page=0&no_definitions=true",
        "/t/2.json?include_raw=true",
        "/latest.json?page=1&no_definitions=true",
    ]


def test_a_greater_limit_goes_on_behind_the_known_topics(forum: Discourse) -> None:
    state: State = {}
    assert ids(scrape(forum, state, limit=3)) == ["800", "700", "600"]
    assert ids(scrape(forum, state, limit=5)) == ["500", "400"]
    assert ids(scrape(forum, state)) == ["300", "200", "100"]


def test_a_category_a_tag_and_the_top(forum: Discourse) -> None:
    forum.topics[3]["category_id"], forum.topics[4]["tags"] = 5, ["iron"]
    assert ids(scrape(forum, category="tea")) == ["300"]
    assert ids(scrape(forum, category="tea/5/")) == ["300"]
    assert ids(scrape(forum, tag="iron")) == ["400"]
    assert ids(scrape(forum, top="yearly", limit=1)) == ["800"]
    assert [target for target in forum.requests if "/t/" not in target and "show" not in target] == [
        "/c/tea/l/latest.json?page=0&no_definitions=true",
        "/c/tea/5/l/latest.json?page=0&no_definitions=true",
        "/tag/iron/l/latest.json?page=0&no_definitions=true",
        "/top.json?page=0&no_definitions=true&period=yearly",
    ]


def test_days(forum: Discourse) -> None:
    for number in (1, 2, 3, 4, 5):
        forum.topics[number] |= {name: moment(NOON - 9 * 86_400 + number) for name in ("created_at", "bumped_at", "last_posted_at")}
    assert ids(scrape(forum, since=datetime.date(2023, 11, 14))) == ["800", "700", "600"]
    assert forum.asked("/latest.json") == 2
    assert ids(scrape(forum, until=datetime.date(2023, 11, 14))) == ["500", "400", "300", "200", "100"]


def test_a_stopped_scrape_goes_on_where_it_was(forum: Discourse) -> None:
    for stop in range(1, 8):
        state: State = {}
        before: list[Page] = []
        for page in pages(Request(forum.address), state, patience()):
            before.append(page)
            if len(before) == stop:
                break
        kept = json.loads(json.dumps(state))
        forum.requests.clear()
        after = scrape(forum, kept)
        assert ids(before) + ids(after) == ["800", "700", "600", "500", "400", "300", "200", "100"]
        assert forum.asked("/t/") == 8 - stop
        assert forum.requests[0] == f"/latest.json?page={(stop - 1) // 3}&no_definitions=true"


def test_a_stopped_second_run_does_not_take_its_own_topics_for_the_end_of_what_is_new(forum: Discourse) -> None:
    state: State = {}
    scrape(forum, state)
    for number in range(1, 7):
        forum.topics[number] = topic(number, post(2, number * 100 + 1), bumped=500 + number)
    second = pages(Request(forum.address), state, patience())
    assert ids([next(second), next(second), next(second)]) == ["600", "601", "500", "501", "400", "401"]
    second.close()
    assert ids(scrape(forum, state)) == ["300", "301", "200", "201", "100", "101"]


def test_a_topic_that_is_not_for_us_is_told_and_the_scrape_goes_on(forum: Discourse) -> None:
    private = b'{"errors":["You are not permitted to view the requested resource."],"error_type":"invalid_access"}'
    forum.faults = [Fault("/t/7.json", 403, private, "application/json"), Fault("/t/6.json", 404)]
    state: State = {}
    found = scrape(forum, state)
    assert ids(found) == ["800", "500", "400", "300", "200", "100"]
    assert [failure for page in found for failure in page.failures] == [
        Failure("thread 7", f"{forum.host}/t/7.json: HTTP 403 (You are not permitted to view the requested resource.)"),
        Failure("thread 6", f"{forum.host}/t/6.json: HTTP 404 (text/html)"),
    ]
    assert ids(scrape(forum, state)) == ["700", "600"]


def test_a_topic_that_breaks_off_keeps_what_came(forum: Discourse) -> None:
    forum.topics[9] = topic(9, post(2, 901), post(3, 902))
    forum.faults = [Fault("/t/9/posts.json", 403)]
    found = scrape(forum, limit=1)
    assert ids(found) == ["900", "901"]
    assert [failure.what for page in found for failure in page.failures] == ["thread 9"]


def test_only_for_members(forum: Discourse, monkeypatch: pytest.MonkeyPatch) -> None:
    forum.private = True
    for asked in ({}, {"topics": (1,)}):
        with pytest.raises(UserError, match=r"You need to be logged in .*; only members may read this, set DISCOURSE_API_KEY and"):
            scrape(forum, **asked)
    forum.private = False
    monkeypatch.setenv("DISCOURSE_API_KEY", "s3cret")
    monkeypatch.setenv("DISCOURSE_API_USERNAME", "ann")
    state: State = {}
    assert len(scrape(forum, state)) == 8
    assert (forum.headers[-1]["Api-Key"], forum.headers[-1]["Api-Username"]) == ("s3cret", "ann")
    assert "s3cret" not in json.dumps(state)


@pytest.mark.parametrize(
    ("asked", "fault", "message"),
    [
        ({"category": "cups"}, None, "{host}: has no category cups; give what stands behind /c/ or /tag/ in its address"),
        (
            {},
            Fault(status=200),
            "{host}/latest.json: answers with text/html that is no JSON, as a login page, a proxy or another kind of site does; "
            "is {address} the address of a Discourse forum?",
        ),
        (
            {},
            Fault(status=200, body=b"{}", kind="application/json"),
            "{host}: answers in another shape than its API (KeyError('topic_list')); is this the address of such a forum?",
        ),
    ],
)
def test_what_is_not_there(forum: Discourse, asked: dict[str, Any], fault: Fault | None, message: str) -> None:
    forum.faults = [fault] if fault else []
    with pytest.raises(UserError) as error:
        scrape(forum, **asked)
    assert str(error.value) == message.format(host=forum.host, address=forum.address)


def test_a_listing_that_breaks_off_goes_on_later(forum: Discourse) -> None:
    forum.faults = [Fault("page=1", 403)]
    state: State = {}
    found: list[Page] = []
    with pytest.raises(SourceDownError, match="what was fetched is kept: run the same command again later"):
        found.extend(pages(Request(forum.address), state, patience()))
    assert ids([*found, *scrape(forum, state)]) == ["800", "700", "600", "500", "400", "300", "200", "100"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('[quote="ann, post:1, topic:9"]\nIron?\nOr tin?\n[/quote]\n\nTin.', "> Iron?\n> Or tin?\n\nTin."),
        ('[quote="a"]\n[quote="b"]\nIron?\n[/quote]\nTin?\n[/quote]\nNo.', "> > Iron?\n> Tin?\nNo."),
        ("[quote]Iron?[/quote] Tin.", "> Iron?\nTin."),
        ("![a kettle|690x388, 50%](upload://abc.png) hot", "a kettle hot"),
        ("a [/quote] b", "a\nb"),
        ("  code\r\n\r\n  more", "  code\n\n  more"),
        ("an [array] and ![](https://k.example/x.png)", "an [array] and ![](https://k.example/x.png)"),
    ],
)
def test_what_is_discourses_own_in_its_markdown(raw: str, text: str) -> None:
    assert _plain_markdown(raw) == text


def test_the_command(forum: Discourse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discourse, "_PAUSE_S", 0)
    command = ["scrape", "discourse", forum.address, "--category", "kettles", "--since", "2023-11-14", "--limit", "2", "--quiet"]
    result = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "posts")])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"fetched 2 posts; {tmp_path / 'posts'} holds 2 (2 new, 0 newer than before)\n"
    result = CliRunner().invoke(main, [*command, "--tag", "iron", "--out", str(tmp_path / "posts")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "lorum: discourse: ask for a category (--category) or a tag (--tag), not for both\n"


def test_a_server_that_goes_round_in_circles_is_left(forum: Discourse) -> None:
    forum.categories[5]["parent_category_id"] = 7
    forum.topics[9] = topic(9, post(2, 901))
    forum.mega = {9}
    listing = json.dumps({"topic_list": {"topics": [topic(9)], "more_topics_url": "/latest?page=1"}}).encode()
    whole = json.dumps({**forum.topics[9], "post_stream": {"posts": forum.topics[9]["posts"]}}).encode()
    forum.faults = [Fault("/latest", 200, listing, "application/json", times=99), Fault("/t/9", 200, whole, "application/json", times=99)]
    found = scrape(forum)
    assert ids(found) == ["900", "901"]
    assert [failure for page in found for failure in page.failures] == [
        Failure("the listing", f"{forum.host}: gives the same threads again and again; what follows was not fetched")
    ]
    assert forum.asked("/t/9") == 2
    assert forum.asked("/latest") == 4
