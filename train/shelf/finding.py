"""Finds adapters by name: a folder, a run, or a repository of the Hub."""

import logging
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from formats.errors import UserError
from formats.visible import cut

RUNS = Path("runs")
"""Where runs lie, each with its adapter."""

RESERVED = ("base", "auto")
"""Names that stand for something else than an adapter: the base model alone, and the adapter that fits a message."""

_CONFIG = "adapter_config.json"
_ADAPTER = "adapter"

_ON_THE_HUB = re.compile(r"(?P<repository>[\w.-]{1,96}/[\w.-]{1,96})(?:@(?P<revision>[\w.-]+(?:/[\w.-]+)*))?", re.ASCII)
_NAMED = re.compile(r"(?P<name>[\w.-]+)=(?P<place>.+)")
_NO_NAME = re.compile(r"[^\w.-]+")

_FILES = (
    *("*.json", "*.toml", "*.md", "*.jinja", "merges.txt", "vocab.txt", "tokenizer.model"),
    *("adapter_model.safetensors", "routing.safetensors"),
)
"""What is fetched from the Hub: an adapter's files, none of which can run code, and not the weights of a whole model."""


def find_adapter(name: str) -> Path:
    """The folder of an adapter; one of the Hub is fetched first, into the cache of `huggingface_hub`.

    Args:
        name: the adapter's folder, its run's folder, its run's name, or an id of the Hub: `user/name` or `user/name@revision`.

    Raises:
        UserError: there is none of that name, or the folder holds something else.
    """
    place = _path(name)
    if place.is_dir():
        return _inside(place)
    if place.exists():
        raise UserError(f"{name}: is a file; give the folder of an adapter")
    if "/" not in name and (RUNS / name).is_dir():
        return _inside(RUNS / name)
    on_the_hub = _ON_THE_HUB.fullmatch(name)
    if on_the_hub and ".." not in name:
        return _fetched(on_the_hub["repository"], on_the_hub["revision"])
    known = [short_name(folder) for folder in adapters_in(RUNS)]
    near = get_close_matches(name, known, 1) or known[:1]
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UserError(f"{name}: no such adapter; give its folder, the name of a run in {RUNS}/, or user/name of the Hub{hint}")


def named(names: Sequence[str]) -> dict[str, Path]:
    """The folders of adapters by short names, in their order: `NAME=ADAPTER` names one, else `short_name` does.

    Raises:
        UserError: one is not found, two would have the same name, or a name stands for something else.
    """
    found: dict[str, Path] = {}
    for given in names:
        asked = None if _path(given).exists() else _NAMED.fullmatch(given)
        place = asked["place"] if asked else given
        folder = find_adapter(place)
        name = asked["name"] if asked else _hub_name(place) or short_name(folder)
        if name in RESERVED:
            raise UserError(f"{given}: {name} does not name an adapter here; give it another name, as in my-{name}={place}")
        if name in found:
            raise UserError(f"{found[name]} and {folder}: both would be called {name}; name one of them, as in other={place}")
        found[name] = folder
    return found


def short_name(folder: Path) -> str:
    """What an adapter's folder is called: by its run where it lies in one, else by its own name."""
    whole = folder.absolute() if folder.name not in ("", "..") else folder.resolve()
    own = whole.parent.name if whole.name == _ADAPTER and whole.parent.name else whole.name
    return _NO_NAME.sub("-", own).strip("-") or _ADAPTER


def adapters_in(folder: Path) -> Iterator[Path]:
    """The adapters in a folder, by name: itself, those in it, and those of runs in it; nothing where there is none."""
    if is_adapter(folder):
        yield folder
        return
    if not folder.is_dir():
        return
    for inner in sorted(inner for inner in folder.iterdir() if not inner.name.startswith(".")):
        place = next((place for place in (inner, inner / _ADAPTER) if is_adapter(place)), None)
        if place is not None:
            yield place


def shelved(places: Sequence[str]) -> list[tuple[str, Path]]:
    """The adapters of some places, each by its short name: those in a folder or its runs, or the one that a place names.

    Raises:
        UserError: a place holds none, or there is no such place.
    """
    found: list[tuple[str, Path]] = []
    for place in places:
        folder = _path(place)
        if not folder.is_dir() and folder != RUNS:
            found += named([place]).items()
            continue
        within = [(short_name(inner), inner) for inner in adapters_in(folder)]
        if not within:
            raise UserError(f"{place}: holds no adapter; make one with `lorum curate-and-train`, or name another folder")
        found += within
    return found


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, of whomever."""
    return (folder / _CONFIG).is_file()


def _path(name: str) -> Path:
    """The path that a name would be; `~` is the home folder.

    Raises:
        UserError: no path can be called so, as it is empty, too long, or of a home that is nobody's.
    """
    try:
        path = Path(name).expanduser()
        path.exists()
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{cut(name, 80)!r}: no adapter can be called so ({' '.join(str(error).split())[:80]})") from None
    if not name:
        raise UserError("an adapter's name is empty; give its folder, the name of a run, or user/name of the Hub")
    return path


def _inside(folder: Path) -> Path:
    """The adapter that is this folder, or that of this run."""
    for place in (folder, folder / _ADAPTER):
        if is_adapter(place):
            return place
    within = [short_name(place) for place in adapters_in(folder)]
    if within:
        raise UserError(f"{folder}: holds {len(within)} adapters ({', '.join(within[:8])}); name one of them, as in {folder / within[0]}")
    raise UserError(f"{folder}: no adapter there (no {_CONFIG}); {_instead(folder)}")


def _instead(folder: Path) -> str:
    """What a folder without an adapter is, and what to do."""
    if (folder / "run.json").is_file():
        return "this run was not trained yet: finish it with `lorum curate-and-train`"
    if (folder / "config.json").is_file():
        return "this is a whole model, merged or a base; give the folder that `lorum train` wrote"
    if (folder / "train.parquet").is_file():
        return "these are samples; train an adapter on them with `lorum train`"
    return "give the folder that `lorum train` wrote"


def _hub_name(place: str) -> str | None:
    """The short name of what was fetched from the Hub: its folder is called by its revision alone."""
    on_the_hub = None if _path(place).exists() else _ON_THE_HUB.fullmatch(place)
    return on_the_hub["repository"].partition("/")[2] if on_the_hub else None


def _fetched(repository: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    # Its retries are told line by line otherwise.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    shown = f"{repository}@{revision}" if revision else repository
    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=list(_FILES), ignore_patterns=["*/*"]))
    except RevisionNotFoundError:
        raise UserError(f"{shown}: {repository} is on the Hub, but has no revision {revision}") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise UserError(f"{shown}: no such folder here, and no such repository on the Hub, or none that you may read (HF_TOKEN)") from None
    except LocalEntryNotFoundError:
        raise UserError(f"{shown}: no such folder here, and the Hub cannot be reached; check the name, or fetch it while online") from None
    except Exception as error:  # the network's own, of which its HTTP client alone has a dozen
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(f"{shown}: no such folder here, and the Hub does not give it ({reason})") from None
    if not is_adapter(folder):
        raise UserError(f"{shown}: is on the Hub, but holds no adapter (no {_CONFIG})")
    return folder
