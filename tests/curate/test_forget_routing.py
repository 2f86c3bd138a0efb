"""What is forgotten leaves no vector in an index by which messages are routed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curate.forget import forget
from curate.gather import import_files
from curate.judging.judge import judge_posts
from curate.samples import make_samples
from curate.splits import SplitSettings
from filters.catalogue import build_filter
from formats.templates.template import load_template
from train.shelf.routing_index import INDEX

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, comment: Make, submission: Make, dump: Callable[..., Path]) -> Path:
    """A run whose adapter has an index, and another adapter of its samples."""
    run = tmp_path / "run"
    import_files([dump(submission("s1"), comment("a"), comment("b", parent="a"))], run / "posts")
    judge_posts(run / "posts", run / "judged", build_filter({"toxicity": False}), tmp_path / "scores")
    make_samples(run / "judged", run / "samples", load_template("speakers"), max_turns=3, split=SplitSettings((1, 0, 0), 0))
    for adapter in (run / "adapter", tmp_path / "elsewhere"):
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text("{}")
        (adapter / INDEX).write_bytes(b"vectors")
    return run


def test_the_index_goes_with_a_forgotten_post(run: Path) -> None:
    elsewhere = run.parent / "elsewhere"
    forget(run, ["t1_b"])
    assert not (run / "adapter" / INDEX).exists()
    assert (elsewhere / INDEX).exists(), "it was not named"
    forget(run, ["t1_a"], also=[elsewhere])
    assert not (elsewhere / INDEX).exists()
    assert (run / "adapter" / "adapter_config.json").exists()


def test_the_index_stays_where_nothing_is_forgotten(run: Path) -> None:
    forget(run, ["t1_b"], dry_run=True)
    forget(run, ["t1_nowhere"])
    assert (run / "adapter" / INDEX).exists()
