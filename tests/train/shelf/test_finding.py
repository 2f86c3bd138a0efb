"""Finding adapters: folders, runs, the Hub, and what is said of everything else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats.errors import UserError
from tests.servers.hub import Hub
from train.shelf.finding import adapters_in, find_adapter, named, shelved, short_name

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes folders with a file; the working folder is where runs/ would be."""
    monkeypatch.chdir(tmp_path)

    def made(place: str, file: str = "adapter_config.json") -> Path:
        folder = Path(place)
        folder.mkdir(parents=True)
        (folder / file).write_text("{}", encoding="utf-8")
        return folder

    return made


def test_a_folder_a_run_s_folder_and_a_run_s_name_are_all_ways_to_an_adapter(make: Make) -> None:
    inside = make("runs/court/adapter")
    other = make("cooks")
    assert find_adapter("cooks") == other
    assert find_adapter("runs/court") == find_adapter("runs/court/adapter") == find_adapter("court") == inside


def test_a_folder_here_is_preferred_to_a_run_of_that_name(make: Make) -> None:
    make("runs/court/adapter")
    assert find_adapter("court") == Path("runs/court/adapter")
    assert find_adapter("court") != make("court")
    assert find_adapter("court") == Path("court")


def test_the_home_folder_is_understood(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make("court")
    assert find_adapter("~/court") == tmp_path / "court"


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("run.json", "this run was not trained yet"),
        ("config.json", "this is a whole model"),
        ("train.parquet", "these are samples; train an adapter on them"),
        ("notes.txt", "give the folder that `lorum train` wrote"),
    ],
)
def test_a_folder_that_is_something_else_is_said_to_be_that(make: Make, file: str, says: str) -> None:
    make("thing", file)
    with pytest.raises(UserError, match=rf"^thing: no adapter there \(no adapter_config.json\); .*{says}"):
        find_adapter("thing")


def test_a_folder_of_several_adapters_needs_one_of_them(make: Make) -> None:
    for name in ("court", "cooks"):
        make(f"shelf/{name}/adapter")
    with pytest.raises(UserError, match=r"^shelf: holds 2 adapters \(cooks, court\); name one of them, as in shelf/cooks"):
        find_adapter("shelf")


def test_a_file_is_no_adapter(make: Make) -> None:
    make("court")
    with pytest.raises(UserError, match=r"adapter_config.json: is a file; give the folder"):
        find_adapter("court/adapter_config.json")


def test_an_unknown_name_says_what_there_is(make: Make) -> None:
    with pytest.raises(UserError, match=r"^cuort: no such adapter; give its folder, the name of a run in runs/, or user/name of the Hub$"):
        find_adapter("cuort")
    make("runs/court/adapter")
    with pytest.raises(UserError, match=r"did you mean court\?$"):
        find_adapter("cuort")


@pytest.mark.parametrize("name", ["user/../secret", "a/b/c", "user/name@../../x", "user/name@", "user name/x", "https://example.org/x"])
def test_what_cannot_be_an_id_of_the_hub_is_never_asked_for(make: Make, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *args, **options: pytest.fail("asked the Hub"))
    with pytest.raises(UserError, match="no such adapter"):
        find_adapter(name)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.one_of(st.text(max_size=30), st.text("ab/.~@=-: \x00", max_size=12), st.just("x" * 5000)))
def test_whatever_is_asked_for_is_found_or_refused_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **options: object) -> str:
        raise OSError("unplugged")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    monkeypatch.chdir(tmp_path)
    for find in (find_adapter, lambda name: named([name]), lambda name: shelved([name])):
        with pytest.raises(UserError) as refused:
            find(name)
        assert len(str(refused.value)) < 400 + len(name)


FILES = {
    "adapter_config.json": b"{}",
    "adapter_model.safetensors": b"main",
    "stop.json": b"{} ",
    "run.py": b"import os",
    "adapter_model.bin": b"a pickle",
    "model.safetensors": b"a whole model",
    "checkpoint-5/adapter_model.safetensors": b"old",
}


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path / "cache"


def ask(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the Hub's library ask this one."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}")


def test_an_adapter_of_the_hub_is_fetched_without_anything_that_runs(make: Make, hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {**FILES, "adapter_model.safetensors": b"first"}
    with Hub({"ada/court": {"main": FILES, "v1": old}, "ada/empty": {"main": {"README.md": b"soon"}}}) as hub:
        ask(hub, monkeypatch)
        folder = find_adapter("ada/court")
        assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors", "stop.json"]
        assert (folder / "adapter_model.safetensors").read_bytes() == b"main"
        assert sorted(set(hub.fetched)) == ["adapter_config.json", "adapter_model.safetensors", "stop.json"]
        assert (find_adapter("ada/court@v1") / "adapter_model.safetensors").read_bytes() == b"first"
        assert list(named(["ada/court@v1"])) == ["court"], "its folder is called by its commit"
        with pytest.raises(UserError, match=r"^ada/court@v9: ada/court is on the Hub, but has no revision v9$"):
            find_adapter("ada/court@v9")
        with pytest.raises(UserError, match=r"^ada/empty: is on the Hub, but holds no adapter"):
            find_adapter("ada/empty")
        with pytest.raises(
            UserError, match=r"^ada/none: no such folder here, and no such repository on the Hub, or none that you may read"
        ):
            find_adapter("ada/none")


def test_offline_what_was_fetched_is_found_and_the_rest_is_said_plainly(
    make: Make, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    with Hub({"ada/court": {"main": FILES}}) as hub:
        ask(hub, monkeypatch)
        folder = find_adapter("ada/court")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_adapter("ada/court") == folder
    with pytest.raises(UserError, match=r"^ada/cooks: no such folder here, and the Hub cannot be reached; check the name"):
        find_adapter("ada/cooks")


def test_short_names_are_those_of_runs_or_folders(make: Make) -> None:
    make("runs/court/adapter")
    make("shelf/my cooks")
    assert named(["court", "shelf/my cooks"]) == {"court": Path("runs/court/adapter"), "my-cooks": Path("shelf/my cooks")}
    assert short_name(Path("adapter")) == short_name(Path.cwd()), "of a run's folder one works in, the run's name"


def test_a_name_can_be_given(make: Make) -> None:
    make("runs/court/adapter")
    make("court")
    assert named(["court", "first=runs/court"]) == {"court": Path("court"), "first": Path("runs/court/adapter")}
    make("a=b")
    assert list(named(["a=b"])) == ["a-b"], "a folder that is there is no given name"


def test_two_of_one_name_are_refused_with_the_way_out(make: Make) -> None:
    make("runs/court/adapter")
    make("court")
    with pytest.raises(
        UserError, match=r"^court and runs/court/adapter: both would be called court; name one of them, as in other=runs/court$"
    ):
        named(["court", "runs/court"])


@pytest.mark.parametrize("name", ["base", "auto"])
def test_names_that_stand_for_something_else_are_refused(make: Make, name: str) -> None:
    make(name)
    with pytest.raises(UserError, match=rf"{name} does not name an adapter here; give it another name, as in my-{name}={name}"):
        named([name])
    make("court")
    with pytest.raises(UserError, match=f"{name} does not name"):
        named([f"{name}=court"])


def test_adapters_lie_in_a_folder_or_in_its_runs(make: Make) -> None:
    make("shelf/b/adapter")
    make("shelf/a")
    make("shelf/.a.before")
    make("shelf/empty", "run.json")
    make("alone/adapter")
    assert list(adapters_in(Path("shelf"))) == [Path("shelf/a"), Path("shelf/b/adapter")]
    assert list(adapters_in(Path("alone"))) == [Path("alone/adapter")]
    assert list(adapters_in(Path("alone/adapter"))) == [Path("alone/adapter")]
    assert list(adapters_in(Path("nowhere"))) == []


def test_a_shelf_is_several_places(make: Make) -> None:
    make("runs/court/adapter")
    make("shelf/cooks")
    assert shelved(["runs", "shelf"]) == [("court", Path("runs/court/adapter")), ("cooks", Path("shelf/cooks"))]
    assert shelved(["court"]) == [("court", Path("runs/court/adapter"))]
    make("nothing", "notes.txt")
    with pytest.raises(UserError, match="nothing: holds no adapter"):
        shelved(["nothing"])


def test_a_shelf_without_runs_is_said_to_be_empty(make: Make) -> None:
    with pytest.raises(UserError, match=r"^runs: holds no adapter; make one with `lorum curate-and-train`"):
        shelved(["runs"])
