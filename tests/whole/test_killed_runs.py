"""A run that is killed in any stage and started again ends with the same samples, and goes on with its training."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"

# Runs a recipe, and kills itself without warning the n-th time that it enters the function.
KILLED = """
import importlib, os, signal, sys
from pathlib import Path
where, name, times, recipe, out, until = sys.argv[1:]
module = importlib.import_module(where)
inner, left = getattr(module, name), int(times)
def dying(*args, **kwargs):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(*args, **kwargs)
setattr(module, name, dying)
from curate.console import Reporter
from curate.pipeline import run
from curate.recipe import Recipe
with Reporter(quiet=True) as narrator:
    run(Recipe.read(Path(recipe)), Path(out), narrator, until)
"""

BEFORE_TRAINING = {
    "reading the second file": ("curate.gather", "take_in", 2),
    "writing the posts": ("curate.store", "write_parquet", 1),
    "swapping the posts in": ("curate.engine", "_swap", 1),
    "scoring toxicity": ("curate.judging.judge", "score_texts", 1),
    "selecting from the whole run": ("filters.selection", "select", 1),
    "swapping the judged posts in": ("curate.engine", "_swap", 2),
    "rendering": ("curate.rendering", "render", 1),
    "writing the record": ("curate.files", "write_text", 10),
}
AFTER = {
    "training": ("train.learning.trainer", "flatten", 8),
    "saving a checkpoint": ("train.learning.watch", "mark_complete", 3),
    "writing the adapter": ("train.adapters.folder", "generation_config", 1),
    "evaluating": ("train.answers.generate", "answer_together", 1),
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    path.write_text(
        f"""
        name = "killed"
        [gather]
        files = ["{SAMPLE_DATA}/KettleCourt_comments.zst", "{SAMPLE_DATA}/KettleCourt_submissions.zst"]
        [format]
        max_turns = 2
        max_tokens = 512
        split = "80/10/10"
        [train]
        base = "{base_folder}"
        max_steps = 12
        batch = 4
        save_every = 3
        max_tokens = 512
        [eval]
        prompts = 2
        perplexity_samples = 4
        max_new_tokens = 8
        """
    )
    return path


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = str(tmp_path_factory.mktemp("cache"))
    return {**os.environ, "LORUM_CACHE": cache, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2"}


@pytest.fixture(scope="module")
def unharmed(recipe: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unharmed") / "run"
    finish(recipe, out, environment)
    return out


def finish(recipe: Path, out: Path, environment: dict[str, str], until: str = "eval") -> dict[str, Any]:
    command = [sys.executable, "-m", "curate.cli", "curate-and-train", str(recipe), "--out", str(out), "--until", until, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def killed(death: tuple[str, str, int], recipe: Path, out: Path, environment: dict[str, str], until: str) -> None:
    module, function, times = death
    command = [sys.executable, "-c", KILLED, module, function, str(times), str(recipe), str(out), until]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, f"was to die, but: {done.stderr}"


def samples(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "samples").glob("*.parquet"))}


@pytest.mark.parametrize("death", BEFORE_TRAINING)
def test_a_killed_run_ends_with_the_same_samples(
    death: str, recipe: Path, environment: dict[str, str], unharmed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    fresh = {**environment, "LORUM_CACHE": str(tmp_path / "cache")}
    killed(BEFORE_TRAINING[death], recipe, out, fresh, "format")
    finish(recipe, out, fresh, "format")
    assert samples(out) == samples(unharmed)
    assert not list(out.glob(".*.partial"))


@pytest.mark.parametrize("death", AFTER)
def test_a_killed_training_goes_on_from_its_last_checkpoint(
    death: str, recipe: Path, environment: dict[str, str], unharmed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    killed(AFTER[death], recipe, out, environment, "eval")
    trained = finish(recipe, out, environment)["stages"]["train"]["counts"]
    assert trained["steps"] == 12
    assert trained["resumed_at"] == {"training": 6, "saving a checkpoint": 6, "writing the adapter": 9, "evaluating": 0}[death]
    assert samples(out) == samples(unharmed)
    whole = json.loads((unharmed / "run.json").read_text())["stages"]["train"]["counts"]
    assert trained["final_loss"] == pytest.approx(whole["final_loss"], rel=1e-5)
    assert not list(out.glob(".*.partial"))
    assert not list(out.glob(".*.checkpoints"))


def test_a_finished_run_does_nothing_again(recipe: Path, environment: dict[str, str], unharmed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in unharmed.rglob("*.parquet")}
    weights = unharmed / "adapter" / "adapter_model.safetensors"
    trained = weights.stat().st_mtime_ns
    record = finish(recipe, unharmed, environment)
    assert {path: path.stat().st_mtime_ns for path in unharmed.rglob("*.parquet")} == before
    assert weights.stat().st_mtime_ns == trained
    assert record["finished"]


def test_two_runs_do_not_work_in_one_folder(recipe: Path, environment: dict[str, str], unharmed: Path) -> None:
    import fcntl

    with (unharmed / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "curate.cli", "curate-and-train", str(recipe), "--out", str(unharmed)]
        refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "another lorum run works there" in refused.stderr
