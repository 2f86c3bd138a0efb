import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import store
from curate.journal import journal_folder, request_key, segments
from curate.scrape import Fetched, fetch, is_fetched, scrape
from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.source import Failure, Page
from formats.errors import UserError

Record = dict[str, Any]
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Request:
    topic: str = "kettles"
    limit: int | None = None


def post(number: int, **fields: Any) -> Record:
    return {
        "id": f"k_{number}", "thread_id": f"k_{number % 3}", "kind": "comment", "source": "kettle", "author": f"author {number}",
        "created_at": 1_700_000_000 + number, "retrieved_at": 1_700_000_100, "text": f"Kettle {number} pleads not guilty.", **fields,
    }  # fmt: skip


@dataclass
class Forum:
    """A live source: an append-only forum in pages, which can be down before a page and lists what it was asked for."""

    posts: list[Record]
    per_page: int = 3
    down_before: int | None = None
    broken_before: int | None = None
    failures: dict[int, str] = field(default_factory=dict)
    served: list[int] = field(default_factory=list)

    def pages(self, request: Request, state: Record, patience: Patience) -> Iterator[Page]:
        while (first := state.get("next", 0)) < len(self.posts):
            if first == self.down_before:
                raise SourceDownError("kettle.example does not answer; run the same command again later")
            if first == self.broken_before:
                raise RuntimeError("the kettle burst")
            self.served.append(first)
            state["next"] = min(first + self.per_page, len(self.posts))
            failed = [Failure(f"post {first}", self.failures[first])] if first in self.failures else []
            yield Page(self.posts[first : state["next"]], failed)
        state["visits"] = state.get("visits", 0) + 1


@pytest.fixture
def forum(monkeypatch: pytest.MonkeyPatch) -> Forum:
    forum = Forum([post(number) for number in range(10)])
    monkeypatch.setattr("curate.scrape.live_source", lambda name: forum)
    return forum


def texts(out: Path) -> dict[str, str]:
    table = pl.concat(store.read_bucket(out, bucket) for bucket in store.bucket_numbers(out)).sort("id")
    assert table["id"].is_unique().all()
    return dict(table.select("id", "text").iter_rows())


def whole(forum: Forum) -> dict[str, str]:
    return {record["id"]: record["text"] for record in sorted(forum.posts, key=lambda record: str(record["id"]))}


def state_of(out: Path) -> Record:
    saved: Record = json.loads((journal_folder(out) / f"{request_key('kettle', Request())}.json").read_text())
    return saved


def test_what_is_fetched_is_imported_and_counted(tmp_path: Path, forum: Forum) -> None:
    forum.failures = {3: "it is gone"}
    calls: list[tuple[str, int, int]] = []
    fetched, gathered = scrape("kettle", Request(), tmp_path / "posts", lambda *call: calls.append(call))
    assert fetched == Fetched(posts=10, pages=4, failures=({"what": "post 3", "reason": "it is gone"},), new=10)
    assert (gathered.lines, gathered.posts, gathered.rejects, gathered.files) == (10, 10, 0, 1)
    assert texts(tmp_path / "posts") == whole(forum)
    assert [done for what, done, total in calls if what == "scrape kettle"] == [3, 6, 9, 10]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".posts.scraped", "posts"]


def test_a_second_run_fetches_only_what_is_new(tmp_path: Path, forum: Forum) -> None:
    scrape("kettle", Request(), tmp_path / "posts")
    forum.posts += [post(number) for number in range(10, 14)]
    forum.served.clear()
    fetched, gathered = scrape("kettle", Request(), tmp_path / "posts")
    assert (fetched.posts, forum.served) == (4, [10, 13])
    assert (gathered.posts, gathered.rejects, gathered.replaced) == (14, 0, 0)
    assert texts(tmp_path / "posts") == whole(forum)
    assert state_of(tmp_path / "posts")["state"] == {"next": 14, "visits": 2}


def test_a_run_with_nothing_new_changes_nothing(tmp_path: Path, forum: Forum, contents: Callable[[Path], dict[str, bytes]]) -> None:
    scrape("kettle", Request(), tmp_path / "posts")
    before = contents(tmp_path / "posts")
    fetched, gathered = scrape("kettle", Request(), tmp_path / "posts")
    assert (fetched.posts, fetched.pages, gathered.posts) == (0, 0, 10)
    assert contents(tmp_path / "posts") == before
    assert len(segments(tmp_path / "posts")) == 1


def test_a_post_that_is_fetched_again_later_replaces_its_older_record(tmp_path: Path, forum: Forum) -> None:
    scrape("kettle", Request(), tmp_path / "posts")
    forum.posts += [post(2, text="I confess.", retrieved_at=1_700_000_200), post(4)]
    _, gathered = scrape("kettle", Request(), tmp_path / "posts")
    assert (gathered.lines, gathered.posts, gathered.replaced, gathered.rejects) == (12, 10, 1, 1)
    assert texts(tmp_path / "posts")["k_2"] == "I confess."


@pytest.mark.parametrize("down_before", [3, 9])
def test_what_came_before_the_source_went_down_is_imported_and_the_next_run_goes_on(tmp_path: Path, forum: Forum, down_before: int) -> None:
    forum.down_before = down_before
    with pytest.raises(SourceDownError, match="does not answer"):
        scrape("kettle", Request(), tmp_path / "posts")
    assert list(texts(tmp_path / "posts")) == [f"k_{number}" for number in range(down_before)]
    assert not is_fetched("kettle", Request(), tmp_path / "posts")
    forum.down_before = None
    fetched, gathered = scrape("kettle", Request(), tmp_path / "posts")
    assert (fetched.posts, gathered.posts, gathered.rejects) == (10 - down_before, 10, 0)
    assert texts(tmp_path / "posts") == whole(forum)
    assert forum.served == [0, 3, 6, 9]
    assert is_fetched("kettle", Request(), tmp_path / "posts")


def test_a_source_that_is_down_from_the_start_leaves_no_posts(tmp_path: Path, forum: Forum) -> None:
    forum.down_before = 0
    with pytest.raises(SourceDownError, match="does not answer"):
        scrape("kettle", Request(), tmp_path / "posts")
    assert not (tmp_path / "posts").exists()
    forum.down_before = None
    assert scrape("kettle", Request(), tmp_path / "posts")[1].posts == 10


def test_an_error_of_the_source_loses_no_page_before_it(tmp_path: Path, forum: Forum) -> None:
    forum.broken_before = 6
    with pytest.raises(RuntimeError, match="burst"):
        fetch("kettle", Request(), tmp_path / "posts")
    forum.broken_before = None
    fetched, gathered = scrape("kettle", Request(), tmp_path / "posts")
    assert (fetched.posts, gathered.posts, forum.served) == (4, 10, [0, 3, 6, 9])


def test_where_nothing_is_found_that_is_told_and_nothing_is_left(tmp_path: Path, forum: Forum) -> None:
    forum.posts = []
    with pytest.raises(UserError, match="kettle: nothing was fetched \\(there is nothing by these names, in these days\\)"):
        scrape("kettle", Request(), tmp_path / "posts")
    assert not (tmp_path / "posts").exists()


def test_a_limit_may_change_and_the_scrape_goes_on(tmp_path: Path, forum: Forum) -> None:
    forum.down_before = 6
    with pytest.raises(SourceDownError):
        scrape("kettle", Request(limit=5), tmp_path / "posts")
    forum.down_before = None
    assert scrape("kettle", Request(limit=50), tmp_path / "posts")[0].posts == 4


def test_two_scrapes_share_a_folder_with_files(
    tmp_path: Path, forum: Forum, comment: Callable[..., Record], dump: Callable[..., Path]
) -> None:
    from curate.gather import import_files

    import_files([dump(comment("c1"))], tmp_path / "posts")
    scrape("kettle", Request("kettles"), tmp_path / "posts")
    forum.posts, forum.per_page = [post(number) for number in range(20, 23)], 1
    _, gathered = scrape("kettle", Request("teapots"), tmp_path / "posts")
    assert (gathered.posts, gathered.rejects, gathered.files) == (14, 0, 3)
    assert list(texts(tmp_path / "posts"))[-1] == "t1_c1"


def test_one_scrape_at_a_time_works_in_a_folder(tmp_path: Path, forum: Forum) -> None:
    refused: list[str] = []

    def meanwhile(what: str, done: int, total: int) -> None:
        if not refused:
            with pytest.raises(UserError, match="another lorum run works there") as told:
                fetch("kettle", Request("other"), tmp_path / "posts")
            refused.append(str(told.value))

    scrape("kettle", Request(), tmp_path / "posts", meanwhile)
    assert len(refused) == 1
    assert texts(tmp_path / "posts") == whole(forum)


def test_stopped_before_any_change_a_scrape_goes_on_and_ends_with_the_same_posts(
    tmp_path: Path, forum: Forum, stopped_before: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered never runs ahead of what is kept."""
    monkeypatch.setattr("os.fsync", lambda file: None)
    forum.posts = forum.posts[:7]
    for number in itertools.count():
        out = tmp_path / str(number) / "posts"
        out.parent.mkdir()
        with stopped_before(number, out.parent) as stop:
            scrape("kettle", Request(), out)
        if not stop.happened:
            break
        saved = next(journal_folder(out).glob("*.json"), None)
        if saved:
            state = json.loads(saved.read_text())
            kept = (journal_folder(out) / state["segment"]).read_bytes()[: state["committed"]] if state["committed"] else b""
            assert [json.loads(line)["id"] for line in kept.split(b"\n")[1:-1]] == [f"k_{n}" for n in range(state["state"].get("next", 0))]
        _, gathered = scrape("kettle", Request(), out)
        assert (gathered.lines, gathered.posts) == (7, 7)
        assert texts(out) == whole(forum)
        assert sorted(path.name for path in out.parent.iterdir()) == [".posts.scraped", "posts"]
    assert number > 30


KILLED_SCRAPE = """
import json, sys, urllib.request
from pathlib import Path
from dataclasses import dataclass
from curate import scrape as driver
from curate.sources.source import Page

@dataclass(frozen=True)
class Request:
    url: str

class Source:
    @staticmethod
    def pages(request, state, patience):
        while True:
            with urllib.request.urlopen(f"{request.url}?after={state.get('after', 0)}") as answer:
                page = json.load(answer)
            if not page["posts"]:
                return
            state["after"] = page["after"]
            yield Page(page["posts"])

driver.live_source = lambda name: Source
fetched, gathered = driver.scrape("kettle", Request(sys.argv[1]), Path(sys.argv[2]))
print(gathered.lines, gathered.posts, gathered.rejects)
"""


def test_killed_whenever_it_asks_a_server_a_scrape_goes_on_and_ends_with_the_same_posts(tmp_path: Path) -> None:
    """The server kills the process that asks, before it answers or in the middle of an answer."""
    posts = [post(number) for number in range(30)]
    asked: list[int] = []
    process: list[subprocess.Popen[str]] = []
    deaths = {6: "before", 12: "within", 15: "after", 30: "before"}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            after = int(self.path.split("=")[1])
            death = deaths.pop(after, None)
            asked.append(after)
            if death == "before":
                process[0].kill()
            body = json.dumps({"posts": posts[after : after + 3], "after": after + 3}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:20])
            if death == "within":
                process[0].kill()
            self.wfile.write(body[20:])
            if death == "after":
                process[0].kill()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [sys.executable, "-c", KILLED_SCRAPE, f"http://127.0.0.1:{server.server_port}/", str(tmp_path / "posts")]
    returned = []
    while not returned or returned[-1] != 0:
        process[:] = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)]
        printed, complained = process[0].communicate()
        returned.append(process[0].returncode)
        assert returned[-1] in (0, -signal.SIGKILL), complained
    server.shutdown()
    server.server_close()
    assert returned == [-signal.SIGKILL] * 4 + [0]
    assert printed.split() == ["30", "30", "0"]
    assert list(texts(tmp_path / "posts").values()) == [record["text"] for record in sorted(posts, key=lambda record: str(record["id"]))]
    assert set(asked) == set(range(0, 33, 3))
    assert len(asked) <= 11 + 4, "a page that was saved is not fetched again"
