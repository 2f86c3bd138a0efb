"""Posts that are forgotten are nowhere in a run any more, and its next start brings none of them back but trains again."""

import datetime
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.forget import forget
from curate.forgetting.plan import Removed
from curate.pipeline import run
from curate.recipe import Recipe
from curate.store import read_bucket
from filters.scores import count_scores, hash_texts

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


class Said:
    """A narrator that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, what: str, done: int, total: int) -> None: ...
    def training(self, now: Any) -> None: ...
    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Recipe:
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    path.write_text(
        f"""
        name = "forgetting"
        [gather]
        files = ["{SAMPLE_DATA}/KettleCourt_comments.zst", "{SAMPLE_DATA}/KettleCourt_submissions.zst"]
        [filter]
        toxicity.scorer = "lite"
        [format]
        max_turns = 3
        split = "80/10/10"
        [train]
        base = "{base_folder}"
        max_steps = 2
        batch = 4
        max_tokens = 512
        [eval]
        prompts = 3
        shown = 3
        perplexity_samples = 4
        max_new_tokens = 8
        """
    )
    return Recipe.read(path)


def with_text(words: str, folder: Path) -> list[str]:
    """The files under a folder in which words stand, in Parquet too."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            text = path.read_bytes()
            if path.suffix == ".parquet":
                text += json.dumps(pl.read_parquet(path).to_dicts(), default=str, ensure_ascii=False).encode()
            if words.encode() in text:
                found.append(str(path.relative_to(folder)))
    return found


def own_words(text: str, posts: pl.DataFrame) -> str:
    """Some words of a text that no other post has, without marks that a file format would escape."""
    for words in re.findall(r"[A-Za-z0-9 ,.]{12,}", text):
        if posts["text"].str.contains(words, literal=True).sum() == 1:
            return str(words)
    raise AssertionError(f"no words of its own: {text}")


def test_what_is_forgotten_is_nowhere_and_does_not_come_back(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    out = tmp_path / "run"
    before = run(recipe, out, Said())["stages"]
    posts = read_bucket(out / "posts", 0)
    train = pl.read_parquet(out / "samples" / "train.parquet")
    card = train.row(0, named=True)
    shown = before["eval"]["counts"]["examples"][0]
    example = posts.filter(pl.col("text").str.strip_chars() == shown["forum"]).row(0, named=True)
    answered = posts.join(train.select(parent_id="id"), on="parent_id", how="semi").row(3, named=True)
    above = posts.filter(id=answered["parent_id"]).row(0, named=True)
    author = posts.filter(pl.col("author").is_not_null() & ~pl.col("author").is_in([example["author"], above["author"]])).row(
        50, named=True
    )
    chosen = posts.filter(pl.col("id").is_in([example["id"], above["id"], card["id"]]) | (pl.col("author") == author["author"]))
    words = [own_words(text, posts) for text in chosen["text"] if len(text) > 60]
    assert len(words) >= 4
    assert {"run.json", "report.html", "report.json", "samples/README.md"} <= {file for one in words for file in with_text(one, out)}

    removed = forget(out, [example["id"], above["id"], card["id"]], [author["author"]])
    assert (removed.posts, removed.judged, removed.unknown) == (chosen.height, chosen.height, ())
    assert removed.examples >= 1
    assert removed.scores >= 3
    assert removed.adapters == (str(out / "adapter"),)
    assert {one: with_text(one, tmp_path) for one in words} == {one: [] for one in words}
    assert count_scores(hash_texts(chosen["text"]), tmp_path / "cache" / "scores") == 0

    told = json.loads((out / "run.json").read_text())
    counts = {name: stage["counts"] for name, stage in told["stages"].items()}
    assert counts["gather"]["posts"] == before["gather"]["counts"]["posts"] - chosen.height == posts.height - chosen.height
    assert counts["gather"]["forgotten"] == chosen.height
    assert counts["filter"]["posts"] == posts.height - chosen.height
    lost = {split: before["format"]["counts"][split] - counts["format"][split] for split in ("train", "validation", "test")}
    assert lost == removed.samples
    left = pl.concat([pl.read_parquet(out / "samples" / f"{split}.parquet", columns=["id"]) for split in lost])["id"]
    assert counts["format"]["samples"] == len(left)
    assert answered["id"] not in left
    assert len(counts["eval"]["examples"]) == len(before["eval"]["counts"]["examples"]) - removed.examples
    report = json.loads((out / "report.json").read_text())
    assert report["adds_up"]
    assert {"label": "forgotten", "count": chosen.height, "left": False} in report["funnel"]
    assert "Weights cannot forget" in (out / "report.html").read_text()
    assert forget(out, [example["id"]], [author["author"]]) == Removed(before=1)

    tables = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    narrator = Said()
    after = run(recipe, out, narrator)
    assert [line.split(" in ")[0] for line in narrator.lines if "done" in line] == [
        "gather: done before", "filter: done before", "format: done before", "check: done", "train: done", "eval: done",
    ]  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == tables
    assert after["stages"]["format"]["counts"] == counts["format"]
    assert (
        after["stages"]["train"]["counts"]["samples"] + after["stages"]["train"]["counts"]["dropped_too_long"] == counts["format"]["train"]
    )
    assert "Weights cannot forget" not in (out / "report.html").read_text()

    # Where others are asked for, all files are read again, and what was forgotten stays away all the same.
    since = recipe.gather.model_copy(update={"since": datetime.date(2000, 1, 1)})
    again = run(recipe.model_copy(update={"gather": since}), out, Said(), "format")
    assert again["stages"]["gather"]["counts"]["forgotten"] == chosen.height
    assert {one: with_text(one, tmp_path) for one in words} == {one: [] for one in words}
