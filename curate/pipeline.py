"""The stages of a run, from the dump to the evaluated adapter: each resumable, each the same function that its own command calls."""

import datetime
import fcntl
import hashlib
import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from curate import __version__
from curate.card import dataset_card
from curate.check import check_folder
from curate.engine import fingerprint, made_by
from curate.files import read_json, write_json, write_text
from curate.gather import Wanted, import_files
from curate.judge import judge_posts
from curate.places import scores_folder
from curate.recipe import Recipe
from curate.page import report_page
from curate.report import adds_up, run_table
from curate.samples import make_samples
from curate.splits import SPLITS, parse_split
from formats.errors import UserError

STAGES = ("gather", "filter", "format", "check", "train", "eval")
"""In order. The names are those of `--until`."""

_PACKAGES = (
    "polars",
    "zstandard",
    "datasets",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "accelerate",
    "detoxify",
    "alt-profanity-check",
)


class ContractError(Exception):
    """The stop contract does not hold, so that the training was not started."""


class Narrator(Protocol):
    """Is told of progress and of lines worth a line of their own."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """See `curate.engine.Progress`."""
        ...

    def say(self, line: str) -> None:
        """A line of its own."""
        ...


def run(recipe: Recipe, out: Path, narrator: Narrator, until: str = "eval") -> dict[str, Any]:
    """Runs the recipe's stages up to `until` in the folder `out`, skips what is done, and goes on where a killed run stopped.

    Returns:
        What `run.json` holds: the recipe with every default, versions, and by stage its counts, seconds and fingerprint.

    Raises:
        UserError: the recipe asks for something that is not there, or another run works in `out`.
        ContractError: a sample breaks the stop contract; nothing was trained.
    """
    files = recipe.files()
    with _alone(out):
        told = _Told(out, recipe)
        stages: dict[str, Callable[[], tuple[dict[str, Any], str]]] = {
            "gather": lambda: _gather(recipe, files, out, narrator),
            "filter": lambda: _filter(recipe, out, narrator),
            "format": lambda: _format(recipe, out, narrator),
            "check": lambda: _check(recipe, out),
            "train": lambda: _train(recipe, out, narrator),
            "eval": lambda: _evaluate(recipe, out, narrator),
        }
        for name in STAGES[: STAGES.index(until) + 1]:
            started = time.monotonic()
            counts, made_from = stages[name]()
            skipped = told.record(name, counts, made_from, time.monotonic() - started)
            narrator.say(f"{name}: done{' before' if skipped else f' in {time.monotonic() - started:.1f} s'}")
        if until in STAGES[STAGES.index("format") :]:
            card = dataset_card(told.run, recipe, out / "samples")
            write_text(card, out / "samples" / "README.md")
        told.run["finished"] = _now()
        told.save()
        rows = run_table(told.run["stages"])
        funnel = [{"label": row.label, "count": row.count, "left": row.sign == "="} for row in rows]
        write_json({"name": recipe.name, "funnel": funnel, "adds_up": adds_up(rows), "stages": told.run["stages"]}, out / "report.json")
        write_text(report_page(told.run, out), out / "report.html")
        return told.run


class _Told:
    """The run's record, kept in `run.json` after every stage."""

    def __init__(self, out: Path, recipe: Recipe) -> None:
        self._path = out / "run.json"
        self._before = read_json(self._path)
        self.run: dict[str, Any] = {
            "name": recipe.name,
            "lorum": __version__,
            "versions": {"python": platform.python_version(), **_versions()},
            "started": _now(),
            "finished": None,
            "recipe": recipe.model_dump(mode="json"),
            "stages": {},
        }

    def record(self, name: str, counts: dict[str, Any], made_from: str, seconds: float) -> bool:
        """Notes a stage; where it was done before, the seconds that it took then stay. Returns whether it was done before."""
        before = self._before.get("stages", {}).get(name, {})
        skipped = before.get("fingerprint") == made_from
        self.run["stages"][name] = {
            "fingerprint": made_from,
            "seconds": before["seconds"] if skipped else round(seconds, 2),
            "counts": counts,
        }
        self.save()
        return skipped

    def save(self) -> None:
        write_json(self.run, self._path)


def _gather(recipe: Recipe, files: list[Path], out: Path, narrator: Narrator) -> tuple[dict[str, Any], str]:
    wanted = Wanted(recipe.gather.subreddits, recipe.gather.since, recipe.gather.until)
    return asdict(import_files(files, out / "posts", wanted, narrator)), made_by(out / "posts") or ""


def _filter(recipe: Recipe, out: Path, narrator: Narrator) -> tuple[dict[str, Any], str]:
    funnel = judge_posts(out / "posts", out / "judged", recipe.rules(), scores_folder(), narrator)
    return funnel.to_dict(), made_by(out / "judged") or ""


def _format(recipe: Recipe, out: Path, narrator: Narrator) -> tuple[dict[str, Any], str]:
    settings = recipe.format
    shares = parse_split(settings.split)
    sampled = make_samples(
        out / "judged",
        out / "samples",
        recipe.template(),
        max_turns=settings.max_turns,
        shares=shares,
        seed=settings.seed,
        progress=narrator,
    )
    hashes = {name: _sha256(out / "samples" / f"{name}.parquet") for name in SPLITS}
    return {**asdict(sampled), "sha256": hashes}, made_by(out / "samples") or ""


def _check(recipe: Recipe, out: Path) -> tuple[dict[str, Any], str]:
    report = check_folder(out / "samples", recipe.train.base, recipe.train.max_tokens)
    if not report.holds:
        raise ContractError(f"the stop contract does not hold, so nothing was trained: {'; '.join(report.problems)}")
    return asdict(report), fingerprint("check", made_by(out / "samples"), recipe.train.base, recipe.train.max_tokens)


def _train(recipe: Recipe, out: Path, narrator: Narrator) -> tuple[dict[str, Any], str]:
    from train.trainer import train

    result = train(out / "samples", recipe.train.base, out / "adapter", recipe.train, recipe.decoding, narrator)
    return asdict(result), fingerprint("adapter", made_by(out / "samples"), recipe.train.model_dump(), recipe.decoding.model_dump())


def _evaluate(recipe: Recipe, out: Path, narrator: Narrator) -> tuple[dict[str, Any], str]:
    from train.evaluate import evaluate

    result = evaluate(out / "adapter", out / "samples", recipe.eval, narrator)
    return asdict(result), fingerprint("eval", made_by(out / "samples"), recipe.eval.model_dump())


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Holds the folder's lock, which the system gives back whenever the process ends, however it ends."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; name a folder for the run")
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{out}: another lorum run works there; wait for it or name another folder with --out") from None
        yield


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
