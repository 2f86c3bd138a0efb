"""A template, and samples of a few sentences, for the tiny base model of `tests/conftest.py`."""

from pathlib import Path

import polars as pl
import pytest

from formats.templates.template import Template, load_template
from train.bases.base_model import Base, resolve

SENTENCES = (
    "The court finds the kettle guilty.", "Objection, the mug was empty.", "Milk goes in after, as the statute says.",
    "Toast is a cry for help.", "Overruled, and buttered.", "The spoon may step down.", "Sentence: three weeks of decaf.",
    "Who finishes the milk owes the realm milk.",
)  # fmt: skip


@pytest.fixture(scope="session")
def template() -> Template:
    return load_template("comment-response")


@pytest.fixture(scope="session")
def base(base_folder: Path) -> Base:
    return resolve(str(base_folder))


@pytest.fixture
def samples(tmp_path: Path, template: Template) -> Path:
    """A samples folder: 24 rows to train on, one of them far too long, and 8 held out."""
    return write_samples(tmp_path / "samples", template)


@pytest.fixture(scope="module")
def module_samples(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Path:
    """The same samples, for what a module does once."""
    return write_samples(tmp_path_factory.mktemp("module") / "samples", template)


def write_samples(folder: Path, template: Template) -> Path:
    folder.mkdir()
    rows = [sample(template, SENTENCES[i % 8], SENTENCES[(3 * i + 1) % 8] * (40 if i == 5 else 1)) for i in range(24)]
    pl.DataFrame(rows).write_parquet(folder / "train.parquet")
    pl.DataFrame([sample(template, f"{text} Why?", text) for text in SENTENCES[:6]]).write_parquet(folder / "test.parquet")
    pl.DataFrame([sample(template, f"{text} How?", text) for text in SENTENCES[6:]]).write_parquet(folder / "validation.parquet")
    (folder / "template.toml").write_text(template.to_toml(), encoding="utf-8")
    return folder


def sample(template: Template, comment: str, reply: str) -> dict[str, str]:
    prompt = template.turn.replace("{text}", comment) + template.reply_opening()
    return {"id": "t1_kettle", "prompt": prompt, "completion": reply + template.stop}
