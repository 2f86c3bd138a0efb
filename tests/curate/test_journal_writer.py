import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from curate.journal import JournalWriter, journal_folder, request_key, segments
from curate.sources.journal import HEADER
from curate.sources.source import Failure

Record = dict[str, Any]


@dataclass(frozen=True)
class Request:
    forum: str = "kettle.example"
    limit: int | None = None


def post(number: int) -> Record:
    return {"id": f"k_{number}", "thread_id": "k_0", "kind": "comment", "source": "kettle", "text": f"Kettle {number} \u2028 is warm."}


def ids(path: Path) -> list[str]:
    header, *lines = path.read_bytes().split(b"\n")[:-1]
    assert header == HEADER
    return [json.loads(line)["id"] for line in lines]


def saved(posts: Path, request: Request) -> Record:
    state: Record = json.loads((journal_folder(posts) / f"{request_key('kettle', request)}.json").read_text())
    return state


def test_a_page_and_the_state_after_it_are_saved_together(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "posts", "kettle", Request())
    writer.scrape.state["after"] = 1
    writer.append([post(1), post(2)], [Failure("thread k_9", "it is gone")])
    (segment,) = segments(tmp_path / "posts")
    assert ids(segment) == ["k_1", "k_2"]
    assert saved(tmp_path / "posts", Request()) == {
        "source": "kettle",
        "request": {"forum": "kettle.example", "limit": None},
        "state": {"after": 1},
        "finished": False,
        "segment": "segment-00001.ndjson",
        "committed": segment.stat().st_size,
        "open": True,
        "failures": [{"what": "thread k_9", "reason": "it is gone"}],
        "segments": ["segment-00001.ndjson"],
    }
    writer.scrape.state["after"] = 2
    writer.close(finished=True)
    state = saved(tmp_path / "posts", Request())
    assert (state["open"], state["finished"], state["state"]) == (False, True, {"after": 2})


def test_what_the_source_remembers_after_its_last_page_counts_only_if_it_finished(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "posts", "kettle", Request())
    writer.scrape.state["after"] = 1
    writer.append([post(1)], [])
    writer.scrape.state["after"] = 2
    writer.close(finished=False)
    state = saved(tmp_path / "posts", Request())
    assert (state["open"], state["finished"], state["state"]) == (False, False, {"after": 1})


def test_a_killed_run_goes_on_in_its_segment_and_what_was_not_saved_is_cut_off(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "posts", "kettle", Request())
    writer.append([post(1)], [])
    (segment,) = segments(tmp_path / "posts")
    with segment.open("ab") as file:
        file.write(b'{"id": "k_2", "text": "of a page that was cu')
    again = JournalWriter(tmp_path / "posts", "kettle", Request())
    again.append([post(3)], [])
    again.close(finished=True)
    assert segments(tmp_path / "posts") == [segment]
    assert ids(segment) == ["k_1", "k_3"]


def test_an_interrupted_page_leaves_nothing_in_the_segment_that_is_closed(tmp_path: Path) -> None:
    """The next run fetches the page again: half of it here would come twice."""
    writer = JournalWriter(tmp_path / "posts", "kettle", Request())
    writer.append([post(1)], [])

    def cut_short() -> Any:
        yield post(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.append(cut_short(), [])
    writer.close(finished=False)
    assert ids(segments(tmp_path / "posts")[0]) == ["k_1"]


def test_a_closed_segment_never_changes_and_the_next_run_writes_the_next(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        writer = JournalWriter(tmp_path / "posts", "kettle", Request())
        writer.append([post(number)], [Failure(f"thread {number}", "gone")])
        writer.close(finished=number == 2)
    assert [ids(segment) for segment in segments(tmp_path / "posts")] == [["k_1"], ["k_2"], ["k_3"]]
    state = saved(tmp_path / "posts", Request())
    assert (state["finished"], state["failures"]) == (False, [{"what": "thread 3", "reason": "gone"}])


def test_a_run_that_brings_nothing_leaves_no_segment(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "posts", "kettle", Request())
    writer.append([], [Failure("thread k_9", "it is gone")])
    writer.close(finished=True)
    assert segments(tmp_path / "posts") == []
    assert saved(tmp_path / "posts", Request())["failures"] == [{"what": "thread k_9", "reason": "it is gone"}]


def test_a_scrape_is_the_same_whatever_its_limit_and_another_for_another_forum(tmp_path: Path) -> None:
    keys = [request_key("kettle", Request(*given)) for given in [("a",), ("a", 5), ("b",)]]
    assert keys[0] == keys[1] != keys[2]
    assert request_key("teapot", Request("a")) != keys[0]


def test_another_scrape_ends_a_killed_one_and_leaves_what_that_saved(tmp_path: Path) -> None:
    first = JournalWriter(tmp_path / "posts", "kettle", Request("a"))
    first.append([post(1)], [])
    with segments(tmp_path / "posts")[0].open("ab") as file:
        file.write(b'{"id": "k_half')
    second = JournalWriter(tmp_path / "posts", "kettle", Request("b"))
    second.append([post(2)], [])
    second.close(finished=True)
    assert [ids(segment) for segment in segments(tmp_path / "posts")] == [["k_1"], ["k_2"]]
    assert saved(tmp_path / "posts", Request("a"))["open"] is False
    third = JournalWriter(tmp_path / "posts", "kettle", Request("a"))
    third.append([post(3)], [])
    assert third.scrape.segment == "segment-00003.ndjson"


@pytest.mark.parametrize("then", ["the same scrape", "another"])
def test_stopped_before_any_change_every_segment_is_a_whole_journal_and_the_next_run_goes_on(
    tmp_path: Path, stopped_before: Callable[..., Any], then: str
) -> None:
    pages = [[post(1), post(2)], [], [post(3)]]

    def run(out: Path, request: Request) -> None:
        writer = JournalWriter(out, "kettle", request)
        for number in range(writer.scrape.state.get("pages", 0), len(pages)):
            writer.scrape.state["pages"] = number + 1
            writer.append(pages[number], [])
        writer.close(finished=True)

    for number in itertools.count():
        out = tmp_path / str(number) / "posts"
        out.parent.mkdir()
        with stopped_before(number, out.parent) as stop:
            run(out, Request())
        if not stop.happened:
            break
        if then == "another":
            other = JournalWriter(out, "kettle", Request("other"))
            other.close(finished=True)
            assert all(ids(segment) for segment in segments(out)), "a segment without a post would be an error of the import"
        run(out, Request())
        assert [name for segment in segments(out) for name in ids(segment)] == ["k_1", "k_2", "k_3"]
    assert number > 10
