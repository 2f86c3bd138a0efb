import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import prawcore
import pytest
from click.testing import CliRunner, Result
from praw.config import Config

from curate.cli import main
from curate.posts import POSTS
from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.reddit.client import connect
from curate.sources.reddit.records import listing, rows, things_of_form, with_replies
from curate.sources.reddit.thread import walk_thread
from curate.sources.reddit_api import Request, existing, pages
from curate.sources.source import Failure, Page
from formats.errors import UserError
from tests.servers.reddit import CLIENT_ID, CLIENT_SECRET, Fault, Reddit, serve, whole
from tests.servers.reddit_forum import NOON, Forum

COURT = Request(subreddits=("KettleCourt",))
ALL = {"t3_s1", "t3_s2", "t3_s3", "t1_a", "t1_b", "t1_c", "t1_d"}
RECORDED = Path(os.environ.get("RECORDED_REDDIT_ANSWERS", "no such folder"))
"""Cassettes of vcrpy with answers of the real API, such as those of PRAW's own tests."""

recorded = pytest.mark.skipif(not RECORDED.exists(), reason="RECORDED_REDDIT_ANSWERS names no folder with answers of the real API")


@pytest.fixture(autouse=True)
def _no_sleep_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait is one of Patience: prawcore's are not seen by the user."""

    def refuse(seconds: float) -> None:
        raise AssertionError(f"prawcore sleeps for {seconds} s by itself")

    for module in (prawcore.sessions, prawcore.rate_limit):
        fake = type("Clock", (), {"sleep": staticmethod(refuse), "monotonic": time.monotonic, "monotonic_ns": time.monotonic_ns})
        monkeypatch.setattr(module, "time", fake)


@pytest.fixture
def forum() -> Forum:
    """Three threads: s1 without comments, s2 with a chain of three, s3 with one comment."""
    forum = Forum()
    for name in ("s1", "s2", "s3"):
        forum.submit(name)
    forum.reply("a", "s2")
    forum.reply("b", "s2", parent="a")
    forum.reply("c", "s2", parent="b")
    forum.reply("d", "s3")
    return forum


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes a praw.ini in the user's configuration, and no other is found."""

    def write(url: str, section: str = "DEFAULT", **settings: str) -> None:
        lines = [f"oauth_url={url}", f"reddit_url={url}", "timeout=1", *(f"{name}={value}" for name, value in settings.items())]
        (tmp_path / "praw.ini").write_text("\n".join([f"[{section}]", *lines]))
        monkeypatch.setattr(Config, "CONFIG", None)

    for name in ("client_id", "client_secret", "site", "username", "password", "refresh_token", "user_agent"):
        monkeypatch.delenv(f"praw_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return write


@pytest.fixture
def reddit(forum: Forum, use: Callable[..., None]) -> Iterator[Reddit]:
    with serve(forum) as reddit:
        use(reddit.url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        yield reddit


@pytest.fixture
def told() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def patience(waits: list[float], told: list[tuple[str, int, int]]) -> Patience:
    return Patience(lambda *line: told.append(line), tries=3, sleep=waits.append)


def ids(run: list[Page]) -> list[str]:
    return [post["id"] for page in run for post in page.posts]


def failures(run: list[Page]) -> list[Failure]:
    return [failure for page in run for failure in page.failures]


# What comes


def test_a_submission_and_its_comments_are_rows_of_posts(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    forum.submit(
        "s4",
        author="ada",
        link_flair_text="tea & law",
        over_18=True,
        quarantine=True,
        stickied=True,
        promoted=True,
        edited=float(NOON + 50),
    )
    forum.reply("e", "s4", author="ada", distinguished="moderator", author_flair_text="judge", score=-3)
    before = int(time.time())
    run = list(pages(Request(threads=("s4",)), {}, patience))
    posts = [post for page in run for post in page.posts]
    assert all(before <= post.pop("retrieved_at") <= time.time() for post in posts)
    both = {"thread_id": "t3_s4", "source": "reddit", "community": "KettleCourt", "author": "ada", "author_id": "t2_ada", "removal": "none"}
    submission = {
        "id": "t3_s4", "parent_id": None, "kind": "submission", "permalink": "/r/KettleCourt/comments/s4/case/", "is_submitter": None,
        "created_at": NOON + 3, "edited_at": NOON + 50, "title": "Case s4", "text": "The kettle of s4 stands accused.",
        "url": "https://kettles.example/s4", "flair": "tea & law", "score": 9, "upvote_ratio": 0.75, "num_replies": 1, "nsfw": True,
        "quarantined": True, "stickied": True, "promoted": True, "distinguished": None, **both,
    }  # fmt: skip
    comment = {
        "id": "t1_e", "parent_id": "t3_s4", "kind": "comment", "permalink": "/r/KettleCourt/comments/s4/case/e/", "is_submitter": True,
        "created_at": NOON + 1004, "edited_at": None, "title": None, "text": "A kettle answers kettle e.", "url": None, "flair": "judge",
        "score": -3, "upvote_ratio": None, "num_replies": None, "nsfw": None, "quarantined": None, "stickied": False,
        "promoted": None,
        "distinguished": "moderator", **both,
    }  # fmt: skip
    assert posts == [submission, comment]
    assert {*submission, "retrieved_at", "source_file", "source_row"} == set(POSTS)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("tea < 3 & more > 2", "tea < 3 & more > 2"),
        ("literally &lt;kettle&gt; &amp;amp;", "literally &lt;kettle&gt; &amp;amp;"),
        ("  a&#x200B; quiet\u200b one\n", "a quiet one"),
        ("half \ud83e a kettle", "half  a kettle"),
        ("line\u2028separator", "line\u2028separator"),
    ],
)
def test_text_of_the_api_is_not_unescaped(reddit: Reddit, forum: Forum, patience: Patience, written: str, text: str) -> None:
    forum.reply("e", "s1", body=written)
    run = list(pages(Request(threads=("s1",)), {}, patience))
    assert [post["text"] for page in run for post in page.posts if post["id"] == "t1_e"] == [text]


@pytest.mark.parametrize(
    ("kind", "fields", "author", "removal"),
    [
        ("comment", {"author": "[deleted]", "body": "[deleted]"}, None, "author"),
        ("comment", {"author": "[deleted]", "body": "[removed]"}, None, "moderator"),
        ("comment", {"author": "[deleted]", "body": "The account is gone, the text stands."}, None, "none"),
        ("comment", {"author": "ada", "body": "[ Removed by Reddit ]"}, "ada", "admin"),
        ("comment", {"author": "ada", "removal_reason": "legal"}, "ada", "legal"),
        ("submission", {"author": "[deleted]", "selftext": "[removed]", "removed_by_category": "moderator"}, None, "moderator"),
        ("submission", {"author": "[deleted]", "title": "[deleted by user]", "selftext": ""}, None, "author"),
        ("submission", {"author": "[deleted]", "selftext": "", "removed_by_category": "deleted"}, None, "author"),
        ("submission", {"author": "ada", "selftext": "[removed]", "removed_by_category": "anti_evil_ops"}, "ada", "admin"),
        ("submission", {"author": "ada", "removed_by_category": "copyright_takedown"}, "ada", "legal"),
    ],
)
def test_removed_posts_say_by_whom(
    reddit: Reddit, forum: Forum, patience: Patience, kind: str, fields: dict[str, Any], author: str | None, removal: str
) -> None:
    forum.submit("s9", **(fields if kind == "submission" else {}))
    if kind == "comment":
        forum.reply("z", "s9", **fields)
    run = list(pages(Request(threads=("s9",)), {}, patience))
    found = [(post["author"], post["removal"]) for page in run for post in page.posts if post["kind"] == kind]
    assert found == [(author, removal)]


def test_a_hidden_score_is_unknown(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    forum.reply("e", "s1", score=1, score_hidden=True)
    run = list(pages(Request(threads=("s1",)), {}, patience))
    assert [post["score"] for page in run for post in page.posts] == [9, None]


def test_a_record_that_is_no_post_is_a_failure(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    forum.submit("s4", title=None)
    run = list(pages(COURT, {}, patience))
    assert failures(run) == [Failure("t3_s4", "neither a comment (body) nor a submission (title)")]
    assert set(ids(run)) == ALL


def test_a_thing_of_another_kind_is_a_failure() -> None:
    court = ("t5", {"id": "k1", "title": "The court of kettles", "subreddit": "KettleCourt"})
    assert rows([court], NOON) == ([], [Failure("t5_k1", "neither a comment (t1) nor a submission (t3)")])


# Trees


def test_all_comments_of_a_large_thread_come_once(reddit: Reddit, forum: Forum, patience: Patience, told: list[Any]) -> None:
    forum.submit("big")
    for number in range(1500):
        # An eighth answer the submission; the others hang from one another in chains and bushes.
        forum.reply(f"n{number}", "big", parent=f"n{max(0, number - 1 - number % 3)}" if number % 8 else None)
    for number in range(35):
        forum.reply(f"m{number}", "big", parent=f"m{number - 1}" if number else None)
    run = list(pages(Request(threads=("big",)), {}, patience))
    assert Counter(ids(run)) == Counter(["t3_big", *(f"t1_n{n}" for n in range(1500)), *(f"t1_m{n}" for n in range(35))])
    assert failures(run) == []
    assert max(len(page.posts) for page in run) <= 600
    assert len(reddit.paths("/api/morechildren")) < 25
    assert told[-1] == ("comments of t3_big", 1535, 1535)


def test_stubs_that_name_what_is_gone(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    forum.submit("s4")
    for name in ("e", "f", "g", "h"):
        forum.reply(name, "s4")
    forum.reply("h1", "s4", parent="h")
    forum.vanished |= {"f"}
    forum.unlisted |= {"h"}
    state: dict[str, Any] = {}
    run = list(pages(Request(threads=("s4",)), state, patience))
    assert sorted(ids(run)) == ["t1_e", "t1_g", "t1_h", "t1_h1", "t3_s4"]
    assert failures(run) == [Failure("t3_s4", "comments that are gone (1, from t1_f on)")]
    assert reddit.paths() == ["/api/info/", "/comments/s4/", "/api/morechildren/", "/api/info/", "/comments/s4/_/h"]
    assert state["threads"] == {"s4": 5}  # what is gone is not asked for again


def test_comments_whose_parent_vanished_are_kept(reddit: Reddit, forum: Forum, patience: Patience, monkeypatch: pytest.MonkeyPatch) -> None:
    forum.submit("s4")
    last = None
    for number in range(12):
        forum.reply(f"n{number}", "s4", parent=last)
        last = f"n{number}"
    reddit.shown = 10
    run = list(pages(Request(threads=("s4",)), {}, patience))
    assert len(ids(run)) == 13

    forum.vanished.add("n9")  # the chain below it is asked for by n9, which is not there any more
    reddit.shown = 200
    run = list(pages(Request(threads=("s4",)), {}, patience))
    assert {"t1_n8", "t3_s4"} <= set(ids(run))
    assert failures(run) == [Failure("t3_s4", "comments that are gone (1, from t1_n9 on)")]
    orphan = forum.comments["n11"]
    monkeypatch.setattr(reddit, "answer", lambda path, params: (200, [whole([]), whole([{"kind": "t1", "data": orphan}])]))
    assert [thing[1]["id"] for step in walk_thread(connect(None, patience), "s4") for thing in step.things] == ["n11"]


def test_a_part_of_a_thread_that_fails_leaves_the_rest_and_is_asked_for_again(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    reddit.shown = 1
    reddit.faults.append(Fault("/api/morechildren", status=413))
    state: dict[str, Any] = {}
    run = list(pages(COURT, state, patience))
    assert failures(run) == [Failure("t3_s2", "hidden comments (1, from t1_b on): too large for Reddit to answer (HTTP 413)")]
    assert set(ids(run)) == ALL - {"t1_b", "t1_c"}
    assert set(ids(list(pages(COURT, state, patience)))) == {"t3_s2", "t1_a", "t1_b", "t1_c"}


def test_stubs_that_name_each_other_for_ever_end(reddit: Reddit, patience: Patience, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(path: str, params: dict[str, str]) -> tuple[int, Any]:
        other = {"b": "c", "c": "b"}.get(params.get("children", ""), "b")
        stub = {"kind": "more", "data": {"id": other, "name": f"t1_{other}", "parent_id": "t1_a", "count": 1, "children": [other]}}
        if path.startswith("/api/morechildren"):
            return 200, {"json": {"errors": [], "data": {"things": [stub]}}}
        return 200, whole([]) if "info" in path else [whole([]), whole([stub])]

    monkeypatch.setattr(reddit, "answer", answer)
    assert [step.gone for step in walk_thread(connect(None, patience), "s2")] == [[], [], [], ["b", "c"]]
    assert reddit.paths() == ["/comments/s2/", "/api/morechildren/", "/api/morechildren/", "/api/info/"]


# Going on


def test_a_listing_goes_on_in_its_middle(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    for number in range(250):
        forum.submit(f"x{number}", subreddit="TeaTime")
    request, state = Request(subreddits=("TeaTime",)), dict[str, Any]()
    first = next(pages(request, state, patience))
    state = json.loads(json.dumps(state))
    reddit.requests.clear()
    rest = list(pages(request, state, patience))
    asked = [params.get("after") for _, path, params in reddit.requests if path == "/r/TeaTime/new"]
    assert asked == [first.posts[-1]["id"], "t3_x50"]
    assert ids([first, *rest]) == [f"t3_x{number}" for number in reversed(range(250))]
    assert "at" not in state
    assert "done" not in state


def test_a_scrape_killed_after_any_page_loses_and_repeats_nothing(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    request = Request(subreddits=("KettleCourt",), users=("ada",), threads=("s1",))
    forum.submit("s4")
    for number in range(3):
        forum.reply(f"u{number}", "s1", author="ada")
    end: dict[str, Any] = {}
    clean = list(pages(request, end, patience))
    for killed_after in range(len(clean)):
        state: dict[str, Any] = {}
        run = []
        for page in pages(request, state, patience):
            run.append(page)
            saved = json.loads(json.dumps(state))
            if len(run) > killed_after:
                break
        run += list(pages(request, saved, patience))
        assert (killed_after, Counter(ids(run))) == (killed_after, Counter(ids(clean)))
        assert saved == end


def test_a_second_run_fetches_only_what_is_new(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    state: dict[str, Any] = {}
    list(pages(COURT, state, patience))
    assert state == {"threads": {"s1": 0, "s2": 3, "s3": 1}}
    forum.reply("e", "s3", parent="d")
    forum.submit("s4")
    reddit.requests.clear()
    run = list(pages(COURT, state, patience))
    assert reddit.paths() == ["/r/KettleCourt/new", "/comments/s3/"]
    assert sorted(ids(run)) == ["t1_d", "t1_e", "t3_s3", "t3_s4"]
    reddit.requests.clear()
    assert ids(list(pages(COURT, state, patience))) == []
    assert reddit.paths() == ["/r/KettleCourt/new"]


def test_a_listing_whose_last_thread_went_meanwhile_begins_again(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    for number in range(150):
        forum.submit(f"x{number}", subreddit="TeaTime")
    request, state = Request(subreddits=("TeaTime",), comments=False), dict[str, Any]()
    first = next(pages(request, state, patience))
    state = json.loads(json.dumps(state))
    del forum.submissions[state["at"]["after"].removeprefix("t3_")]
    reddit.requests.clear()
    rest = list(pages(request, state, patience))
    assert ids([first, *rest]) == [f"t3_x{number}" for number in reversed(range(150))]
    assert [params.get("after") for _, path, params in reddit.requests if path == "/r/TeaTime/new"] == ["t3_x50", None, "t3_x49"]


def test_a_redditors_comments_begin_again_when_the_last_one_went(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    for number in range(150):
        forum.reply(f"u{number}", "s1", author="ada")
    request, state = Request(users=("Ada",), comments=False), dict[str, Any]()
    next(pages(request, state, patience))
    state = json.loads(json.dumps(state))
    del forum.comments["u50"]
    forum.reply("v0", "s1", author="ada")
    rest = list(pages(request, state, patience))
    assert set(ids(rest)) == {"t1_v0", *(f"t1_u{number}" for number in range(150))} - {"t1_u50"}
    assert state["newest"]["u/ada"]["id"] == "t1_v0"


def test_a_scrape_goes_on_whatever_the_case_of_its_names(reddit: Reddit, patience: Patience) -> None:
    state: dict[str, Any] = {}
    first = list(islice(pages(COURT, state, patience), 2))
    rest = list(pages(Request(subreddits=("/r/kettlecourt/",)), json.loads(json.dumps(state)), patience))
    assert Counter(ids([*first, *rest])) == Counter(ALL)


# Waits and failures


@pytest.mark.parametrize(
    ("fault", "waited", "why"),
    [
        (Fault("/r/", status=429, headers={"Retry-After": "7"}), 7, "Reddit's rate limit (HTTP 429)"),
        (Fault("/comments/", status=429, headers={"x-ratelimit-reset": "11"}), 11, "Reddit's rate limit (HTTP 429)"),
        (Fault("/r/", status=503, headers={"Retry-After": "3"}), 3, "Reddit's servers fail (HTTP 503)"),
        (Fault("/api/v1/access_token", status=500, headers={"Retry-After": "4"}), 4, "Reddit's servers fail (HTTP 500)"),
        (Fault("/comments/s2", status=502), None, "Reddit's servers fail (HTTP 502)"),
        (Fault("/comments/s2", cut=True), None, "no answer from 127.0.0.1"),
        (Fault("/r/", slow_s=1.2), None, "no answer from 127.0.0.1"),
    ],
)
def test_what_is_busy_is_waited_out_with_a_countdown(
    reddit: Reddit, patience: Patience, waits: list[float], told: list[Any], fault: Fault, waited: float | None, why: str
) -> None:
    reddit.faults.append(fault)
    run = list(pages(COURT, {}, patience))
    assert set(ids(run)) == ALL
    assert failures(run) == []
    assert told[0][0].startswith(f"waiting: {why}")
    assert [second for _, second, _ in told] == list(range(told[0][2] + 1))
    assert sum(waits) == pytest.approx(waited) if waited else 1.5 <= sum(waits) <= 2.5


@pytest.mark.parametrize("asked", ["0", "inf"])
def test_a_wait_that_means_nothing_grows_by_itself(reddit: Reddit, patience: Patience, waits: list[float], asked: str) -> None:
    reddit.faults.append(Fault("/r/", times=2, status=429, headers={"Retry-After": asked, "x-ratelimit-reset": asked}))
    assert set(ids(list(pages(COURT, {}, patience)))) == ALL
    assert 1.5 + 3 <= sum(waits) <= 2.5 + 5


@pytest.mark.parametrize("header", ["Retry-After", "x-ratelimit-reset"])
def test_a_wait_of_a_year_is_not_waited_for(reddit: Reddit, patience: Patience, waits: list[float], header: str) -> None:
    reddit.faults.append(Fault("/r/", status=429, headers={header: "31536000"}))
    with pytest.raises(SourceDownError) as down:
        list(pages(COURT, {}, patience))
    assert str(down.value) == (
        "Reddit's rate limit (HTTP 429): asks to wait for 31,536,000 s; what was fetched is kept: run the same command again then"
    )
    assert waits == []


def test_a_rate_limit_of_a_year_is_not_waited_for(reddit: Reddit, patience: Patience, waits: list[float]) -> None:
    reddit.rate = (0, 100, 31_536_000)
    with pytest.raises(SourceDownError, match="Reddit's rate limit: asks to wait for 31,5"):
        list(pages(COURT, {}, patience))
    assert waits == []


def test_the_rate_limit_is_kept_and_its_waits_are_shown(reddit: Reddit, patience: Patience, waits: list[float], told: list[Any]) -> None:
    reddit.rate = (0, 100, 30)
    list(pages(COURT, {}, patience))
    assert len(reddit.paths()) == 3
    assert sum(waits) == pytest.approx(60, abs=2)
    assert {line for line, _, _ in told} == {"waiting: Reddit's rate limit"}


def test_even_pacing_is_silent(reddit: Reddit, patience: Patience, waits: list[float], told: list[Any]) -> None:
    reddit.rate = (495, 505, 298)  # 505 requests of 1,000 in 302 s of 600 are one second ahead
    list(pages(COURT, {}, patience))
    assert waits == [pytest.approx(1, abs=0.2)] * 2
    assert told == []


def test_an_expired_token_is_renewed(reddit: Reddit, patience: Patience, waits: list[float]) -> None:
    run = pages(COURT, {}, patience)
    first = next(run)
    reddit.tokens.clear()
    assert set(ids([first, *run])) == ALL
    assert (reddit.issued, waits) == (2, [])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 403}, "may not be seen (private, quarantined or banned) (HTTP 403)"),
        ({"status": 404}, "not found (HTTP 404)"),
        ({"status": 413}, "too large for Reddit to answer (HTTP 413)"),
        ({"status": 503}, "Reddit's servers fail (HTTP 503), 3 times in a row; what was fetched is kept: run the same command again later"),
    ],
)
def test_a_thread_that_fails_is_recorded_and_the_run_goes_on(
    reddit: Reddit, patience: Patience, fault: dict[str, Any], reason: str
) -> None:
    reddit.faults.append(Fault("/comments/s3", times=3, **fault))
    state: dict[str, Any] = {}
    run = list(pages(COURT, state, patience))
    assert failures(run) == [Failure("t3_s3", reason)]
    assert set(ids(run)) == ALL - {"t1_d"}
    assert state == {"threads": {"s1": 0, "s2": 3}}
    reddit.faults.clear()
    assert set(ids(list(pages(COURT, state, patience)))) == {"t3_s3", "t1_d"}


def test_two_threads_in_a_row_without_an_answer_stop_the_scrape_which_goes_on_later(reddit: Reddit, patience: Patience) -> None:
    reddit.faults.append(Fault("/comments/", times=6, status=503))
    state, run = dict[str, Any](), []
    with pytest.raises(SourceDownError, match=r"HTTP 503\), 3 times in a row"):
        run.extend(pages(COURT, state, patience))
    assert [failure.what for failure in failures(run)] == ["t3_s3"]
    run += list(pages(COURT, state, patience))
    assert set(ids(run)) == ALL - {"t1_d"}
    assert set(ids(list(pages(COURT, state, patience)))) == {"t3_s3", "t1_d"}


def test_a_listing_refused_in_its_middle_keeps_what_came_and_goes_on_later(reddit: Reddit, forum: Forum, tmp_path: Path) -> None:
    for number in range(150):
        forum.submit(f"x{number}", subreddit="TeaTime")
    reddit.faults.append(Fault("/r/TeaTime", status=403, skip=1))
    done = lorum("TeaTime", "--no-comments", "--out", tmp_path / "posts")
    assert done.exit_code != 0
    assert done.stderr.endswith(
        "r/TeaTime: may not be seen (private, quarantined or banned) (HTTP 403); "
        "what was fetched is kept: run the same command again later\n"
    )
    assert pl.read_parquet(tmp_path / "posts" / "**" / "*.parquet").height == 100
    assert lorum("TeaTime", "--no-comments", "--out", tmp_path / "posts").exit_code == 0
    assert pl.read_parquet(tmp_path / "posts" / "**" / "*.parquet").height == 150


def test_an_answer_that_is_no_json_is_asked_for_again(reddit: Reddit, patience: Patience, told: list[Any]) -> None:
    reddit.faults += [Fault("/r/", status=200, body=b"<html>busy</html>"), Fault("/api/v1/access_token", status=200, body=b"<html>")]
    assert set(ids(list(pages(COURT, {}, patience)))) == ALL
    assert {line for line, _, _ in told} == {"waiting: Reddit's answer is no JSON"}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/comments/s3", "the answer is no thread"),
        ("/api/morechildren", "hidden comments (1, from t1_b on): the answer holds no comments"),
    ],
)
def test_an_answer_of_another_shape(reddit: Reddit, patience: Patience, path: str, reason: str) -> None:
    reddit.shown = 1
    reddit.faults.append(Fault(path, status=200))
    assert [failure.reason for failure in failures(list(pages(COURT, {}, patience)))] == [reason]
    reddit.faults.append(Fault("/r/", status=200, body=b"[]"))
    with pytest.raises(UserError, match="r/KettleCourt: the answer is no listing; check the name"):
        list(pages(COURT, {}, patience))


# Credentials


def test_credentials_are_never_written(
    reddit: Reddit, patience: Patience, caplog: pytest.LogCaptureFixture, use: Callable[..., None], told: list[Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    state: dict[str, Any] = {}
    reddit.faults += [Fault("/api/v1/access_token", cut=True), Fault("/r/", status=429, headers={"Retry-After": "1"})]
    seen = [json.dumps([page.posts, list(map(vars, page.failures)), state]) for page in pages(COURT, state, patience)]
    use(reddit.url, client_id=CLIENT_ID, client_secret="another-secret")
    with pytest.raises(UserError) as error:
        list(pages(COURT, {}, patience))
    said = "\n".join([*seen, str(told), str(error.value), repr(error.value.__context__), caplog.text])
    for secret in (CLIENT_ID, CLIENT_SECRET, "another-secret", "secret-token"):
        assert secret not in said


@pytest.mark.parametrize(
    ("settings", "site", "message"),
    [
        ({}, None, "no client_id for Reddit's API found: put client_id and client_secret into praw.ini or the environment"),
        ({"client_id": CLIENT_ID, "client_secret": "wrong"}, None, r"Reddit refused the credentials \(HTTP 401\): put client_id"),
        ({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}, "tea", r"praw.ini has no section \[tea\]"),
        ({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "ratelimit_seconds": "x"}, None, "praw.ini: .*ratelimit_seconds"),
    ],
)
def test_missing_or_wrong_credentials(
    reddit: Reddit, patience: Patience, use: Callable[..., None], settings: dict[str, str], site: str | None, message: str
) -> None:
    use(reddit.url, **settings)
    with pytest.raises(UserError, match=message) as error:
        list(pages(Request(subreddits=("KettleCourt",), site=site), {}, patience))
    assert "\n" not in str(error.value)


def test_credentials_of_a_section_and_of_the_environment(
    reddit: Reddit, patience: Patience, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(reddit.url, section="kettles", client_id=CLIENT_ID, client_secret=CLIENT_SECRET, username="ada", password="tea")
    assert set(ids(list(pages(Request(subreddits=("KettleCourt",), site="kettles"), {}, patience)))) == ALL
    assert reddit.requests[0][2] == {"grant_type": "client_credentials"}  # read-only: the password stays here
    use(reddit.url)
    monkeypatch.setenv("praw_client_id", CLIENT_ID)
    monkeypatch.setenv("praw_client_secret", CLIENT_SECRET)
    assert set(ids(list(pages(COURT, {}, patience)))) == ALL


# What can be asked for


def test_sorts_times_and_limits(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    forum.submissions["s2"]["score"] = 100
    run = list(pages(Request(subreddits=("KettleCourt",), sort="top", time="all", limit=2, comments=False), {}, patience))
    assert ids(run) == ["t3_s2", "t3_s3"]
    assert reddit.requests[-1] == ("GET", "/r/KettleCourt/top", {"t": "all", "limit": "2", "raw_json": "1"})
    assert ids(list(pages(Request(subreddits=("KettleCourt",), sort="top", time="day"), {}, patience))) == []
    for sort in ("hot", "rising", "controversial"):
        list(pages(Request(subreddits=("r/KettleCourt/",), sort=sort), {}, patience))
        assert f"/r/KettleCourt/{sort}" in reddit.paths()


def test_comments_left_out_can_be_fetched_later(reddit: Reddit, patience: Patience) -> None:
    state: dict[str, Any] = {}
    few = Request(subreddits=("KettleCourt",), comments=False)
    assert set(ids(list(pages(few, state, patience)))) == {"t3_s1", "t3_s2", "t3_s3"}
    assert ids(list(pages(few, state, patience))) == []
    assert set(ids(list(pages(COURT, state, patience)))) == ALL


def test_a_search_in_a_subreddit_and_everywhere(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    forum.submit("t1", subreddit="TeaTime", selftext="A cold tea in r/TeaTime.")
    forum.submit("s4", selftext="Cold tea, again.")
    run = list(pages(Request(subreddits=("KettleCourt",), search="cold tea", sort="relevance", time="year"), {}, patience))
    assert ids(run) == []
    run = list(pages(Request(subreddits=("KettleCourt",), search="cold tea", sort="relevance"), {}, patience))
    assert ids(run) == ["t3_s4"]
    asked = {"q": "cold tea", "sort": "relevance", "t": "all", "syntax": "lucene", "restrict_sr": "true", "limit": "100", "raw_json": "1"}
    assert reddit.requests[-1] == ("GET", "/r/KettleCourt/search/", asked)
    assert set(ids(list(pages(Request(search="cold tea", sort="relevance"), {}, patience)))) == {"t3_s4", "t3_t1"}
    assert reddit.requests[-1][1:] == ("/r/all/search/", {**asked, "restrict_sr": "false"})


def test_a_redditors_comments_come_with_what_they_answer(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    forum.reply("e", "s2", parent="c", author="ada")
    forum.reply("f", "s2", parent="e")
    request = Request(users=("u/ada",))
    run = list(pages(request, {}, patience))
    assert ids(run) == ["t1_e", "t1_c", "t3_s2", "t1_b", "t1_a"]
    assert reddit.paths() == ["/user/ada/comments", *["/api/info/"] * 3]
    assert ids(list(pages(Request(users=("ada",), comments=False), {}, patience))) == ["t1_e"]
    forum.vanished.add("b")
    run = list(pages(request, {}, patience))
    assert ids(run) == ["t1_e", "t1_c", "t3_s2"]
    assert failures(run) == [Failure("t1_b", "a redditor's comment answers it, and it is gone")]


def test_comments_come_though_what_they_answer_is_refused_and_come_again(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    forum.reply("e", "s2", parent="c", author="ada")
    reddit.faults.append(Fault("/api/info", status=403, skip=1))
    request, state = Request(users=("ada",)), dict[str, Any]()
    run = list(pages(request, state, patience))
    assert ids(run) == ["t1_e", "t1_c", "t3_s2"]
    assert failures(run) == [
        Failure("t1_b", "what comments answer (1, from here on): may not be seen (private, quarantined or banned) (HTTP 403)")
    ]
    assert ids(list(pages(request, state, patience))) == ["t1_e", "t1_c", "t3_s2", "t1_b", "t1_a"]
    assert ids(list(pages(request, state, patience))) == []


def test_a_redditors_comments_stop_at_the_first_known_one(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    for number in range(250):
        forum.reply(f"u{number}", "s1", author="ada")
    request, state = Request(users=("ada",), comments=False), dict[str, Any]()
    assert len(ids(list(pages(request, state, patience)))) == 250
    forum.reply("v0", "s1", author="ada")
    forum.reply("v1", "s1", author="ada")
    reddit.requests.clear()
    assert ids(list(pages(request, state, patience))) == ["t1_v1", "t1_v0"]
    assert len(reddit.paths()) == 1
    del forum.comments["v1"]  # the newest known one is gone: the next older one is known by its time
    forum.reply("v2", "s1", author="ada", created_utc=float(NOON + 5000))
    assert ids(list(pages(request, state, patience))) == ["t1_v2"]


def test_more_of_a_redditors_comments_than_before(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    for number in range(30):
        forum.reply(f"u{number}", "s1", author="ada")
    state: dict[str, Any] = {}
    assert len(ids(list(pages(Request(users=("ada",), comments=False, limit=10), state, patience)))) == 10
    assert ids(list(pages(Request(users=("ada",), comments=False, limit=10), state, patience))) == []
    assert len(ids(list(pages(Request(users=("ada",), comments=False), state, patience)))) == 30
    assert ids(list(pages(Request(users=("ada",), comments=False), state, patience))) == []


def test_single_threads_by_id_and_address(reddit: Reddit, patience: Patience) -> None:
    address = "https://www.reddit.com/r/KettleCourt/comments/s3/case_s3/"
    run = list(pages(Request(threads=("t3_s1", address, "https://redd.it/s2", "s1", "nope")), {}, patience))
    assert set(ids(run)) == ALL
    assert failures(run) == [Failure("t3_nope", "Reddit has no such thread, or hides it")]
    assert reddit.paths() == ["/api/info/", "/comments/s3/", "/comments/s2/"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(subreddits=("NoSuchCourt",)), r"r/NoSuchCourt: does not exist \(HTTP 302\); check the name"),
        (Request(subreddits=("Private",)), r"r/Private: may not be seen \(private, quarantined or banned\) \(HTTP 403\)"),
        (Request(users=("nobody",)), r"u/nobody: not found \(HTTP 404\)"),
    ],
)
def test_what_is_not_there(reddit: Reddit, patience: Patience, request_: Request, message: str) -> None:
    reddit.hidden["Private"] = 403
    with pytest.raises(UserError, match=message):
        list(pages(request_, {}, patience))


def test_one_missing_community_of_several_is_a_failure(reddit: Reddit, patience: Patience) -> None:
    run = list(pages(Request(subreddits=("NoSuchCourt", "KettleCourt")), {}, patience))
    assert failures(run) == [Failure("r/NoSuchCourt", "does not exist (HTTP 302)")]
    assert set(ids(run)) == ALL


# What still stands


def test_existing_asks_a_hundred_at_a_time(reddit: Reddit, forum: Forum, patience: Patience) -> None:
    for number in range(150):
        forum.reply(f"n{number}", "s1")
    forum.vanished.add("n0")
    forum.comments["n1"] |= {"author": "[deleted]", "body": "[deleted]"}
    forum.comments["n2"] |= {"body": "[removed]"}
    forum.comments["n3"] |= {"author": "[deleted]"}
    forum.submissions["s2"] |= {"removed_by_category": "moderator"}
    asked = ["t3_s1", "t3_s2", "t3_nope", *(f"t1_n{number}" for number in range(150))]
    answers = list(existing(asked, patience))
    assert [names for names, _ in answers] == [asked[:100], asked[100:]]
    gone = {"t3_s2", "t3_nope", "t1_n0", "t1_n1", "t1_n2", "t1_n3"}
    assert answers[0][1] | answers[1][1] == set(asked) - gone
    assert reddit.paths() == ["/api/info/"] * 2


def test_existing_that_is_refused(reddit: Reddit, patience: Patience) -> None:
    reddit.faults.append(Fault("/api/info", status=403))
    with pytest.raises(UserError) as error:
        list(existing(["t1_a"], patience))
    assert str(error.value) == (
        "Reddit does not say which posts still stand: may not be seen (private, quarantined or banned) (HTTP 403); "
        "check what its application may ask for"
    )


def test_existing_knows_ids_of_reddit_only(reddit: Reddit, patience: Patience) -> None:
    with pytest.raises(UserError, match=r"hn_1: not the id of a comment \(t1_…\) or submission \(t3_…\) of Reddit"):
        list(existing(["t1_a", "hn_1"], patience))


# The command


def lorum(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["scrape", "reddit", *map(str, arguments)], prog_name="lorum")


def test_the_command_fetches_and_then_only_what_is_new(reddit: Reddit, forum: Forum, tmp_path: Path) -> None:
    reddit.faults.append(Fault("/comments/s3", status=404))
    done = lorum("KettleCourt", "--limit", "3", "--out", tmp_path / "posts")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"fetched 6 posts; {tmp_path / 'posts'} holds 6 (6 new, 0 newer than before)",
        "  failed: t3_s3: not found (HTTP 404)",
    ]
    done = lorum("KettleCourt", "--out", tmp_path / "posts", "--json")
    fetched = json.loads(done.stdout)["fetched"]
    assert {name: fetched[name] for name in ("posts", "pages", "failures", "new")} == {"posts": 2, "pages": 4, "failures": [], "new": 1}
    held = pl.read_parquet(tmp_path / "posts" / "**" / "*.parquet")
    assert set(held["id"]) == ALL
    assert held["id"].is_unique().all()


def test_the_command_says_where_credentials_belong(reddit: Reddit, use: Callable[..., None], tmp_path: Path) -> None:
    use(reddit.url)
    done = lorum("KettleCourt", "--out", tmp_path / "posts")
    assert done.exit_code == 2
    assert done.stderr.startswith("lorum: no client_id for Reddit's API found: put client_id and client_secret into praw.ini")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "posts").exists()


# Against answers of the real API


def _answers(name: str) -> list[Any]:
    """The JSON of a recording, without its token."""
    interactions = json.loads((RECORDED / f"{name}.json").read_text())["interactions"]
    return [json.loads(interaction["response"]["body"]["string"]) for interaction in interactions[1:]]


@recorded
def test_recorded_threads_become_posts() -> None:
    tree, *rest = _answers("TestCommentForest.test_replace__all")
    things = [thing for part in tree for thing in with_replies(listing(part).things)]
    assert Counter(kind for kind, _ in things) == {"t3": 1, "t1": 476, "more": 18}
    posts, faults = rows([thing for thing in things if thing[0] != "more"], NOON)
    assert faults == []
    assert len({post["id"] for post in posts}) == 477
    known = {post["id"] for post in posts}
    assert all(post["parent_id"] in known for post in posts if post["kind"] == "comment")
    assert posts[0]["num_replies"] == 543
    assert posts[0]["upvote_ratio"] == pytest.approx(0.97)
    assert {post["thread_id"] for post in posts} == {"t3_3hahrw"}
    more = [thing for answer in rest if isinstance(answer, dict) for thing in things_of_form(answer)]
    posts, faults = rows([thing for thing in more if thing[0] == "t1"], NOON)
    assert faults == []
    assert len(posts) > 20


@recorded
@pytest.mark.parametrize(
    ("name", "posts", "others"),
    [("TestReddit.test_info", 197, 100), ("TestSubredditListings.test_top", 100, 0), ("TestSubredditListings.test_comments", 100, 0)],
)
def test_recorded_listings_become_posts(name: str, posts: int, others: int) -> None:
    found, faults = rows([thing for answer in _answers(name) for thing in listing(answer).things], NOON)
    assert (len(found), len(faults)) == (posts, others)
    assert {failure.reason for failure in faults} <= {"neither a comment (t1) nor a submission (t3)"}
    assert all(post["id"] and post["community"] and post["created_at"] for post in found)


LATER = {"author_fullname", "is_submitter", "permalink", "removed_by_category", "depth", "upvote_ratio"}
"""Fields that the API has had only since the recordings were made, or that it gives for single threads only."""


@recorded
def test_the_server_answers_in_the_shapes_of_the_real_api(reddit: Reddit, forum: Forum) -> None:
    tree, *rest = _answers("TestCommentForest.test_replace__all")
    real = {kind: set(record) for part in tree for kind, record in with_replies(listing(part).things)}
    reddit.shown = 2
    ours = reddit.answer("/comments/s2/", {})[1]
    shown = {kind: set(record) for part in ours for kind, record in with_replies(listing(part).things)}
    assert set(shown) == {"t3", "t1", "more"}
    assert {kind: fields - real[kind] - LATER for kind, fields in shown.items()} == {"t3": set(), "t1": set(), "more": set()}
    assert [set(part["data"]) for part in ours] == [set(part["data"]) for part in tree]
    assert [part["kind"] for part in ours] == [part["kind"] for part in tree]
    more = reddit.answer("/api/morechildren/", {"children": "c"})[1]
    assert (set(more), set(more["json"]), set(more["json"]["data"])) == (set(rest[0]), set(rest[0]["json"]), set(rest[0]["json"]["data"]))
    top = _answers("TestSubredditListings.test_top")[0]
    assert set(reddit.answer("/r/KettleCourt/top", {})[1]["data"]) == set(top["data"])
