"""What was made from a folder of posts, and where it lies: judged posts, samples, adapters, runs."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from curate.engine import alone, settled
from curate.files import read_json
from curate.manifest import made_by, read_manifest, stage_of
from formats.errors import UserError

RUN = "run.json"

_HIDDEN = re.compile(r"\.(.+)\.(partial|old)")
"""What `curate.engine` calls the folders in which a stage works, and the name of the one that it makes."""


@dataclass(frozen=True)
class Downstream:
    """A folder of posts and what was made from it. Of a run, folders that it has not made yet are among them."""

    posts: Path
    judged: tuple[Path, ...] = ()
    samples: tuple[Path, ...] = ()
    adapters: tuple[Path, ...] = ()
    runs: tuple[Path, ...] = ()

    def there(self) -> "Downstream":
        """Without the folders that are not there or hold something else.

        Raises:
            UserError: the posts are not there.
        """
        if stage_of(self.posts) != "posts":
            raise UserError(f"{self.posts}: holds no posts; give a run's folder, or a folder of posts as `lorum import` writes")
        return Downstream(
            self.posts,
            tuple(folder for folder in self.judged if stage_of(folder) == "judged"),
            tuple(folder for folder in self.samples if stage_of(folder) == "samples"),
            tuple(folder for folder in self.adapters if _is_adapter(folder)),
            tuple(folder for folder in self.runs if _is_run(folder)),
        )


def find_downstream(folder: Path, also: Sequence[Path] = ()) -> Downstream:
    """What is downstream of a run's posts, or of a folder of posts.

    Args:
        folder: a run, or a folder of posts; one called `posts` stands for the folders called as a run's that lie beside it, too.
        also: folders of judged posts or samples, adapters and runs that lie elsewhere.

    Raises:
        UserError: a folder is missing or of none of these kinds.
    """
    for path in (folder, *also):
        if not path.exists():
            raise UserError(f"{path}: no such folder; give a run's folder, or a folder of posts as `lorum import` writes")
    folder = folder.resolve()
    if folder.name == "posts" and stage_of(folder.parent) is None:
        folder = folder.parent
    found: dict[str, list[Path]] = {"judged": [], "samples": [], "adapters": [], "runs": []}
    if is_run := stage_of(folder) is None:
        _add_run(folder, found)
    for path in map(Path.resolve, also):
        stage = stage_of(path)
        if stage in ("judged", "samples"):
            found[stage].append(path)
        elif _is_adapter(path):
            found["adapters"].append(path)
        elif _is_run(path):
            _add_run(path, found)
        else:
            raise UserError(f"{path}: holds neither judged posts nor samples, and is no adapter and no run; name such a folder with --also")
    return Downstream(folder / "posts" if is_run else folder, **{name: tuple(dict.fromkeys(paths)) for name, paths in found.items()})


def left_beside(places: Downstream) -> list[Path]:
    """Judged posts, samples and adapters beside the posts that may have been made from them, and are not among the places."""
    covered = {places.posts, *places.judged, *places.samples, *places.adapters}
    beside = sorted(path for path in places.posts.parent.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for path in beside if path not in covered and (stage_of(path) in ("judged", "samples") or _is_adapter(path))]


def unfinished(places: Downstream) -> list[Path]:
    """Hidden folders beside the posts in which a stopped stage left judged posts or samples of any name, and which are to go.

    What was finished and not yet put in its place stays: `held` puts it there.
    """
    return [hidden for hidden in _hidden(places) if not (hidden.suffix == ".partial" and stage_of(hidden) and not _meant(hidden).exists())]


def may_be_older(adapter: Path, places: Downstream) -> bool:
    """Whether an adapter may have been trained on samples that are not there any more: no run tells of those that it was trained on."""
    run, samples = adapter.parent, adapter.parent / "samples"
    stages = read_json(run / RUN).get("stages", {})
    known = "train" in stages and stages.get("format", {}).get("fingerprint") == made_by(samples)
    return not (known and samples in places.samples)


@contextmanager
def held(places: Downstream) -> Iterator[None]:
    """Keeps every run and scrape away from these folders, and clears away what a killed one left half done beside them.

    Raises:
        UserError: one works there.
    """
    with ExitStack() as stack:
        for run in places.runs:
            stack.enter_context(alone(run / ".lock", run))
        posts = places.posts
        stack.enter_context(alone(posts.with_name(f".{posts.name}.scrape-lock"), posts))
        folders = (posts, *places.judged, *places.samples, *map(_meant, _hidden(places)))
        for folder in dict.fromkeys(map(Path.resolve, folders)):
            stack.enter_context(settled(folder))
        yield


def _hidden(places: Downstream) -> list[Path]:
    """The hidden folders of the stages that make judged posts or samples. A stage that had not noted yet what it makes left its lock."""
    found = sorted(path for path in places.posts.parent.iterdir() if _HIDDEN.fullmatch(path.name) and path.is_dir())
    stages = {path: read_manifest(path).get("stage", "") for path in found}
    return [
        path
        for path, stage in stages.items()
        if stage in ("judged", "samples") or (not stage and _meant(path).with_name(f".{_meant(path).name}.lock").is_file())
    ]


def _meant(hidden: Path) -> Path:
    """The folder that was to be made in a hidden one."""
    return hidden.with_name(hidden.stem.removeprefix("."))


def _add_run(run: Path, found: dict[str, list[Path]]) -> None:
    for kind, name in (("judged", "judged"), ("samples", "samples"), ("adapters", "adapter")):
        found[kind].append(run / name)
    found["runs"].append(run)


def _is_run(folder: Path) -> bool:
    return "lorum" in read_json(folder / RUN)


def _is_adapter(folder: Path) -> bool:
    return (folder / "adapter_config.json").is_file()
