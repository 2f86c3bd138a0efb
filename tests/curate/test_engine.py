import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curate.engine import alone, run_stage
from curate.files import write_text
from curate.manifest import HOLDS, MANIFEST, fingerprint, made_by, report_of
from formats.errors import UserError

ITEMS = ("ann", "odo", "mabel")


class Stage:
    """A stage that writes a file an item and remembers what it did."""

    def __init__(self, out: Path, made_from: str = "one", stage: str = "posts", layout: str = "") -> None:
        self.out, self.made_from, self.stage, self.layout = out, made_from, stage, layout
        self.worked: list[str] = []
        self.finished = 0

    def run(self, fail_at: str = "") -> Any:
        def work(folder: Path, number: int, item: str) -> int:
            path = folder / f"{number}.txt"
            path.write_text(f"half of {item}")
            if fail_at == item:
                raise RuntimeError(f"no {item} today")
            path.write_text(f"{item}, {self.made_from}")
            self.worked.append(item)
            return len(item)

        def finish(folder: Path, results: list[int]) -> dict[str, Any]:
            if fail_at == "finish":
                raise RuntimeError("no end today")
            self.finished += 1
            (folder / "sum.txt").write_text(f"{sum(results)}")
            return {"letters": results}

        return run_stage(self.stage, self.out, self.made_from, ITEMS, work, finish, self.layout)


def result(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.iterdir() if path.name != MANIFEST}


def whole(made_from: str) -> dict[str, str]:
    return {**{f"{number}.txt": f"{item}, {made_from}" for number, item in enumerate(ITEMS)}, "sum.txt": "11"}


def beside(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.iterdir())


def test_a_stage_makes_its_folder_and_reports(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "deep" / "out")
    assert stage.run() == {"letters": [3, 3, 5]}
    assert result(stage.out) == whole("one")
    assert (made_by(stage.out), report_of(stage.out, "posts")) == ("one", {"letters": [3, 3, 5]})
    assert beside(stage.out) == ["out"]


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    Stage(tmp_path / "out").run()
    again = Stage(tmp_path / "out")
    assert again.run() == {"letters": [3, 3, 5]}
    assert (again.worked, again.finished) == ([], 0)


def test_another_fingerprint_makes_it_anew_and_leaves_nothing_of_the_old(tmp_path: Path) -> None:
    Stage(tmp_path / "out").run()
    write_text("of the old", tmp_path / "out" / "old.txt")
    second = Stage(tmp_path / "out", "two")
    second.run()
    assert second.worked == list(ITEMS)
    assert result(tmp_path / "out") == whole("two")
    assert beside(tmp_path / "out") == ["out"]


@pytest.mark.parametrize("fail_at", [*ITEMS, "finish"])
def test_after_an_error_the_items_that_are_done_are_not_done_again(tmp_path: Path, fail_at: str) -> None:
    stage = Stage(tmp_path / "out")
    with pytest.raises(RuntimeError, match="today"):
        stage.run(fail_at)
    assert made_by(stage.out) is None
    assert not stage.out.exists()
    stage.run()
    assert stage.worked == list(ITEMS)
    assert result(stage.out) == whole("one")


@pytest.mark.parametrize("fail_at", [*ITEMS, "finish"])
def test_the_old_result_stays_whole_when_the_new_one_fails(tmp_path: Path, fail_at: str) -> None:
    Stage(tmp_path / "out").run()
    with pytest.raises(RuntimeError):
        Stage(tmp_path / "out", "two").run(fail_at)
    assert result(tmp_path / "out") == whole("one")
    assert made_by(tmp_path / "out") == "one"


@pytest.mark.parametrize("before", ["nothing", "an old result", "an empty folder"])
def test_stopped_before_any_change_the_old_stays_and_the_next_run_goes_on_and_ends_with_the_same(
    tmp_path: Path, stopped_before: Callable[..., Any], before: str
) -> None:
    """Every change of a file or folder that the engine makes, those between the two renames of the swap included."""
    stopped_in_swap = 0
    for number in itertools.count():
        out = tmp_path / str(number) / "out"
        if before == "an old result":
            Stage(out, "old").run()
        elif before == "an empty folder":
            out.mkdir(parents=True)
        with stopped_before(number, out.parent) as stop:
            Stage(out).run()
        if not stop.happened:
            break
        if before == "an old result":
            kept = [folder for folder in (out, out.with_name(".out.old")) if folder.exists()]
            assert any(result(folder) in (whole("old"), whole("one")) for folder in kept)
        finished = "one" in (made_by(out), made_by(out.with_name(".out.partial")))
        stopped_in_swap += finished
        again = Stage(out)
        assert again.run() == {"letters": [3, 3, 5]}
        assert result(out) == whole("one")
        assert beside(out) == ["out"]
        assert again.worked == list(ITEMS)[len(ITEMS) - len(again.worked) :]
        assert not finished or (again.worked, again.finished) == ([], 0)
    assert number > 15
    assert stopped_in_swap > 0


def test_stopped_in_the_swap_and_asked_for_something_else_the_finished_one_is_no_obstacle(
    tmp_path: Path, stopped_before: Callable[..., Any]
) -> None:
    for number in itertools.count():
        out = tmp_path / str(number) / "out"
        Stage(out, "old").run()
        with stopped_before(number, out.parent) as stop:
            Stage(out, "two").run()
        if not stop.happened:
            break
        Stage(out, "three").run()
        assert result(out) == whole("three")
        assert beside(out) == ["out"]


def test_an_unfinished_folder_of_another_fingerprint_is_not_continued(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        Stage(tmp_path / "out", "one").run("mabel")
    second = Stage(tmp_path / "out", "two")
    second.run()
    assert second.worked == list(ITEMS)
    assert result(tmp_path / "out") == whole("two")


def test_an_unfinished_folder_of_another_layout_is_not_continued_and_a_finished_one_is_the_same(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        Stage(tmp_path / "out", layout="in two buckets").run("mabel")
    second = Stage(tmp_path / "out", layout="in four buckets")
    second.run()
    assert second.worked == list(ITEMS)
    third = Stage(tmp_path / "out", layout="in two buckets")
    third.run()
    assert third.worked == []


@pytest.mark.parametrize("there", ["a file", "a folder with a file", "a folder with a folder", "a foreign manifest"])
def test_what_lorum_did_not_make_is_refused_and_left_alone(tmp_path: Path, there: str) -> None:
    out = tmp_path / "thesis"
    kept = {
        "a file": out,
        "a folder with a file": out / "a.txt",
        "a folder with a folder": out / "b" / "a.txt",
        "a foreign manifest": out / MANIFEST,
    }
    write_text("ten years of work", kept[there])
    stage = Stage(out)
    with pytest.raises(UserError, match="thesis: is there already and was not made by lorum; name another folder or move it away"):
        stage.run()
    assert kept[there].read_text() == "ten years of work"
    assert stage.worked == []
    assert beside(out) == ["thesis"]


def test_folders_that_a_user_may_have_beside_are_left_alone(tmp_path: Path) -> None:
    for name in ("out.old", "out.partial", "out.bak", "old", "partial"):
        write_text("mine", tmp_path / name / "note.txt")
    Stage(tmp_path / "out", "one").run()
    Stage(tmp_path / "out", "two").run()
    assert beside(tmp_path / "out") == ["old", "out", "out.bak", "out.old", "out.partial", "partial"]


@pytest.mark.parametrize("other", ["judged", "samples"])
def test_the_folder_of_another_stage_is_refused_and_left_alone(tmp_path: Path, other: str) -> None:
    """`lorum format judged --out judged` would else lose what it reads."""
    Stage(tmp_path / "out", stage=other).run()
    with pytest.raises(UserError, match=f"out: holds {HOLDS[other]}, which would be lost; name another folder"):
        Stage(tmp_path / "out", "two").run()
    assert result(tmp_path / "out") == whole("one")


def test_a_report_is_that_of_the_stage_that_was_meant(tmp_path: Path) -> None:
    Stage(tmp_path / "out", stage="samples").run()
    with pytest.raises(UserError, match="out: holds samples, as `lorum format` writes; give a folder of posts, as `lorum import` writes"):
        report_of(tmp_path / "out", "posts")
    for folder in (tmp_path, tmp_path / "none", tmp_path / "out" / "0.txt"):
        with pytest.raises(UserError, match="is no folder that lorum made; give a folder of judged posts"):
            report_of(folder, "judged")


def test_an_unfinished_folder_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        Stage(tmp_path / "out").run("mabel")
    with pytest.raises(UserError, match="give a folder of posts"):
        report_of(tmp_path / ".out.partial", "posts")


def test_a_link_to_another_disk_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "out").mkdir(parents=True)
    link = tmp_path / "out"
    link.symlink_to(tmp_path / "disk" / "out")
    for made_from in ("one", "two", "three"):
        Stage(link, made_from).run()
        assert link.is_symlink()
        assert result(tmp_path / "disk" / "out") == whole(made_from)
    assert (beside(link), beside(tmp_path / "disk" / "out")) == (["disk", "out"], ["out"])


def test_the_folder_one_stands_in_will_do_if_it_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Stage(Path()).run()
    assert result(tmp_path / "here") == whole("one")


def test_the_root_of_the_disk_is_refused() -> None:
    with pytest.raises(UserError, match="/: is there already and was not made by lorum"):
        Stage(Path("/")).run()


def test_a_fingerprint_tells_parts_apart_and_knows_no_order_of_keys() -> None:
    assert fingerprint("posts", {"a": 1, "b": [2]}) == fingerprint("posts", {"b": [2], "a": 1})
    prints = [
        fingerprint(*parts)
        for parts in (("a", "b"), ("ab",), ("a", "b", None), (["a", "b"],), ("b", "a"), ("a", 1), ("a", "1"), (Path("a"), 1.0))
    ]
    assert len(set(prints)) == len(prints)


def test_another_version_of_lorum_has_other_fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint("posts", 1)
    monkeypatch.setattr("curate.manifest.__version__", "99.0")
    assert fingerprint("posts", 1) != before


def test_two_processes_do_not_make_the_same_folder(tmp_path: Path) -> None:
    with alone(tmp_path / ".out.lock", tmp_path / "out"), pytest.raises(UserError, match="another lorum run works there"):
        Stage(tmp_path / "out").run()
    assert not (tmp_path / "out").exists()
    Stage(tmp_path / "out").run()
    assert beside(tmp_path / "out") == ["out"]
