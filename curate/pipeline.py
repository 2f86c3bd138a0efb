"""The stages of a run, from the dump to the evaluated adapter: each resumable, each the same function that its own command calls."""

import datetime
import hashlib
import importlib.metadata
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from curate import STAGES, __version__
from curate.card import dataset_card
from curate.check import require_contract, require_fitting
from curate.engine import alone
from curate.files import read_json, write_json, write_text
from curate.gather import import_files
from curate.judging.judge import judge_posts, scorers_in_background
from curate.manifest import fingerprint, made_by, report_of
from curate.pages.run import write_report
from curate.recipe import Recipe
from curate.samples import make_samples
from curate.scrape import fetch_once
from curate.sources.source import Wanted
from curate.splits import SPLITS
from formats.errors import UserError
from train.cache import cache_folder
from train.evaluation.noted import BESIDE

if TYPE_CHECKING:
    from train.progress import TrainProgress

_FILES = ("run.json", "report.html", "report.json")
_LEFT = ("posts", "judged", "samples", "adapter", "logs", *_FILES)

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


class Narrator(Protocol):
    """Is told of progress, of the steps of the training, and of lines worth a line of their own."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """See `curate.engine.Progress`."""
        ...

    def training(self, now: "TrainProgress") -> None:
        """A step of the training."""
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
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; name a folder for the run")
    out.mkdir(parents=True, exist_ok=True)
    _refuse_foreign(out)
    with alone(out / ".lock", out):
        record = _Record(out, recipe)
        stages = _stages(recipe, files, out, narrator, trains=STAGES.index(until) > STAGES.index("format"))
        for stage in stages[: STAGES.index(until) + 1]:
            started = time.monotonic()
            done_before = record.does(stage)
            narrator.say(f"{stage.name}: done{' before' if done_before else f' in {time.monotonic() - started:.1f} s'}")
            if stage.name == "format":
                _require_held_out(record.run, until)
                write_text(dataset_card(record.run, recipe, out / "samples"), out / "samples" / "README.md")
        record.keep_valid(stages[STAGES.index(until) + 1 :])
        record.run["finished"] = _now()
        record.save()
        write_report(record.run, out)
        return record.run


def _refuse_foreign(out: Path) -> None:
    """A run replaces what a run left, and nothing else."""
    foreign = [entry.name for entry in out.iterdir() if not entry.name.startswith(".") and entry.name not in _LEFT]
    if foreign or (any((out / name).exists() for name in _FILES) and "lorum" not in read_json(out / "run.json")):
        what = sorted(foreign)[0] if foreign else "files of another program"
        raise UserError(f"{out}: holds {what}, which no lorum run left there; name another folder with --out")


def _require_held_out(run: dict[str, Any], until: str) -> None:
    """An evaluation that cannot be done is refused before the training, not after it."""
    counts = run["stages"]["format"]["counts"]
    if until == "eval" and not counts["validation"] + counts["test"]:
        raise UserError(
            f"format.split = {run['recipe']['format']['split']!r} leaves none of {counts['samples']} samples for the evaluation; "
            "give validation or test a share, or stop with --until train"
        )


@dataclass(frozen=True)
class _Stage:
    """One stage: what it depends on, what it does, and the files without which it is not done."""

    name: str
    made_from: Callable[[], str]
    work: Callable[[], dict[str, Any]]
    leaves: tuple[Path, ...]


def _stages(recipe: Recipe, files: Sequence[str], out: Path, narrator: Narrator, trains: bool) -> list[_Stage]:
    posts, judged, samples, adapter = (out / name for name in ("posts", "judged", "samples", "adapter"))
    chosen = recipe.chosen()
    wanted = Wanted(recipe.gather.subreddits, recipe.gather.since, recipe.gather.until)
    # The models that rules judge texts by take seconds to load, in which the dump can be read.
    scorers = None if made_by(judged) else scorers_in_background(chosen, cache_folder() / "scores")

    def gather() -> dict[str, Any]:
        fetched, failures = fetch_once(recipe.requests(), posts, narrator)
        for failure in failures:
            narrator.say(f"gather: could not fetch {failure['what']}: {failure['reason']}")
        return {**asdict(import_files([*files, *fetched], posts, wanted, narrator, columns=recipe.gather.map)), "failures": failures}

    def judge() -> dict[str, Any]:
        judge_posts(posts, judged, chosen, cache_folder() / "scores", narrator, scorers)
        return dict(report_of(judged, "judged"))

    def render() -> dict[str, Any]:
        sampled = make_samples(
            judged,
            samples,
            recipe.template(),
            max_turns=recipe.format.max_turns,
            split=recipe.split(),
            fit_to=recipe.fit_to(trains),
            personas=recipe.format.personas,
            progress=narrator,
        )
        return {**asdict(sampled), "sha256": {name: _sha256(samples / f"{name}.parquet") for name in SPLITS}}

    def check() -> dict[str, Any]:
        require_fitting(recipe.train)
        narrator.say(f"check: reading every sample with the tokenizer of {recipe.train.base}")
        return asdict(require_contract(samples, *contract))

    def learn() -> dict[str, Any]:
        from train.learning.trainer import train

        return asdict(
            train(samples, recipe.train.base, adapter, recipe.train, recipe.decoding, progress=narrator.training, say=narrator.say)
        )

    def test() -> dict[str, Any]:
        from train.evaluation.evaluate import evaluate

        return evaluate(adapter, samples, recipe.eval, progress=narrator).to_dict()

    def after(name: str, folder: Path, *settings: Any) -> Callable[[], str]:
        return lambda: fingerprint(name, made_by(folder), settings)

    contract = (recipe.train.base, recipe.train.max_tokens, recipe.train.train_stop)
    learned = (recipe.train.model_dump(), recipe.decoding.model_dump())
    return [
        _Stage("gather", lambda: made_by(posts) or "", gather, ()),
        _Stage("filter", lambda: made_by(judged) or "", judge, ()),
        _Stage("format", lambda: made_by(samples) or "", render, ()),
        _Stage("check", after("check", samples, *contract), check, (samples,)),
        _Stage("train", after("train", samples, *learned), learn, (adapter / "adapter_config.json",)),
        _Stage("eval", after("eval", samples, *learned, recipe.eval.model_dump()), test, (adapter / "eval.json",)),
    ]


class _Record:
    """The run's record, kept in `run.json` after every stage."""

    def __init__(self, out: Path, recipe: Recipe) -> None:
        self._path = out / "run.json"
        before = read_json(self._path)
        self._before: dict[str, Any] = before.get("stages", {})
        self._changed = False
        self.run: dict[str, Any] = {
            "name": recipe.name,
            "lorum": __version__,
            "versions": {"python": platform.python_version(), **_versions()},
            "started": _now(),
            "finished": None,
            "recipe": recipe.model_dump(mode="json"),
            "stages": dict(self._before),
        }
        self.run |= {name: before[name] for name in BESIDE if name in before}

    def does(self, stage: _Stage) -> bool:
        """Does a stage and notes it; returns whether it was done before, with the same settings and input.

        The stages that leave a folder of posts or samples find that out themselves, and continue half of one.
        """
        before = self._before.get(stage.name, {})
        if stage.leaves and self._holds(stage):
            self._note(stage.name, before)
            return True
        started = time.monotonic()
        counts = stage.work()
        done_before = before.get("fingerprint") == stage.made_from() and not stage.leaves
        seconds = before["seconds"] if done_before else round(time.monotonic() - started, 2)
        if before.get("fingerprint") != stage.made_from():
            self._changed = True
            for name in BESIDE:
                self.run.pop(name, None)
        self._note(stage.name, {"fingerprint": stage.made_from(), "seconds": seconds, "counts": counts})
        return done_before

    def keep_valid(self, later: Sequence[_Stage]) -> None:
        """Drops what a run before noted of later stages, where their input or settings are no longer the same."""
        for stage in later:
            if self._changed or not self._holds(stage):
                self.run["stages"].pop(stage.name, None)

    def _holds(self, stage: _Stage) -> bool:
        before = self._before.get(stage.name, {})
        return before.get("fingerprint") == stage.made_from() and all(path.exists() for path in stage.leaves)

    def save(self) -> None:
        """Writes `run.json`."""
        write_json(self.run, self._path)

    def _note(self, name: str, entry: dict[str, Any]) -> None:
        self.run["stages"][name] = entry
        self.save()


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
