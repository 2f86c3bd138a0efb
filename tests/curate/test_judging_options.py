"""The options of a judging: what they ask for, what they refuse, and that the result is noted."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from curate.commands.judging import JudgingOptions, judge_if_asked, judging_options
from formats.errors import UserError
from tests.servers.chat_completions import ChatCompletions, prefers_longer
from train.evaluation.judging import judge as module
from train.evaluation.judging.contestants import Contestant


def options(*arguments: str) -> JudgingOptions:
    """What a command gets for these arguments."""
    got: list[JudgingOptions] = []

    @click.command()
    @judging_options
    def command(judging: JudgingOptions) -> None:
        got.append(judging)

    CliRunner().invoke(command, arguments, catch_exceptions=False)
    return got[0]


def quiet(what: str, done: int, total: int) -> None:
    pass


def test_nothing_is_judged_unless_asked_for(tmp_path: Path) -> None:
    assert options() == JudgingOptions((), None, None, "choice", None, 80)
    assert judge_if_asked(tmp_path, tmp_path, options(), quiet) is None


def test_every_option_arrives() -> None:
    given = "--against base --against other --judge m --judge-url http://x/v1 --judge-prompt forum --questions q.txt --max-questions 5"
    assert options(*given.split()) == JudgingOptions(("base", "other"), "m", "http://x/v1", "forum", Path("q.txt"), 5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--against base", "--against needs --judge"),
        ("--judge m", "need --against"),
        ("--judge-url http://x/v1", "need --against"),
        ("--questions q.txt", "need --against"),
    ],
)
def test_half_a_judging_is_refused(tmp_path: Path, arguments: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        judge_if_asked(tmp_path, tmp_path, options(*arguments.split()), quiet)


def test_a_judging_is_noted_beside_the_adapter_and_in_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With answers from files on both sides, so that no model is needed; the judge is on a server."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    ready: dict[str, list[dict[str, Any]]] = {
        "own": [{"question_id": n, "text": "Guilty, with costs."} for n in range(1, 4)],
        "other": [{"question_id": n, "text": "No." if n < 3 else "Not guilty, and no costs."} for n in range(1, 4)],
    }
    for name, rows in ready.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    players = [Contestant(name, "file", tmp_path / f"{name}.jsonl") for name in ready]
    monkeypatch.setattr(module, "contestants", lambda adapter, against: players)
    monkeypatch.setattr(module, "read_adapter", lambda folder: None)
    run = {"lorum": "1", "name": "court", "started": "now", "stages": {}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "questions.txt").write_text("Is decaf tea?\nWhose spoon?\nWho did it?\n")
    with ChatCompletions(prefers_longer) as server:
        asked = options(
            "--against", "other", "--judge", server.model, "--judge-url", server.url, "--questions", str(tmp_path / "questions.txt")
        )
        result = judge_if_asked(adapter, tmp_path / "samples", asked, quiet)
    assert result is not None
    assert json.loads((adapter / "eval.json").read_text()) == {"judged": {key: result[key] for key in result if key != "examples"}}
    assert json.loads((tmp_path / "run.json").read_text()) == run | {"judged": result}
    assert "Not guilty, and no costs." in (tmp_path / "report.html").read_text()
    assert [(one["name"], one["tally"]["wins"], one["tally"]["losses"]) for one in result["standings"]] == [("own", 2, 1), ("other", 1, 2)]
    assert (result["judge"], result["questions"], len(server.bodies)) == (server.model, 3, 6)
    assert (tmp_path / ".adapter.judging.jsonl").is_file()
