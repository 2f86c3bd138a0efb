"""lorum route, and the routing that lorum eval measures: what they take, print, note and refuse."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from curate.commands.learn import eval_command
from curate.commands.route import route_command
from curate.commands.routing import RoutingOptions, route_if_asked
from curate.pages.routing import routing_sections
from curate.routed import routing_lines, routing_table
from formats.templates.template import load_template
from tests.asked import asked, write_asked
from tests.evaluated import RESULT
from tests.random_adapter import write_random_adapter
from train.shelf.routing_index import INDEX

TEMPLATE = load_template("comment-response")
THINGS = ("kettle", "mug", "spoon", "toast", "milk", "lid", "cup", "tea", "pot", "jug")
TEXTS = {"court": "The court finds the {} guilty.", "statute": "As the statute says, {} goes in after."}


@pytest.fixture(scope="module")
def shelf(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with adapters and samples, of which six messages each are held out."""
    folder = tmp_path_factory.mktemp("runs")
    for seed, (name, text) in enumerate(TEXTS.items()):
        write_random_adapter(folder / name / "adapter", base_folder, seed=seed)
        prompts = [asked(TEMPLATE, text.format(thing)) for thing in THINGS]
        held_out = [asked(TEMPLATE, text.format(f"old {thing}")) for thing in THINGS[:6]]
        write_asked(folder / name / "samples", TEMPLATE, train=prompts, test=held_out[:3], validation=held_out[3:])
    return folder


def routed(*arguments: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(route_command, list(map(str, arguments)), input=typed, catch_exceptions=False)


def test_messages_come_before_the_adapters(shelf: Path) -> None:
    result = routed("The court finds you guilty.", "So the statute says.", "--adapters", shelf / "court", shelf / "statute", "--quiet")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.split()[0] == "court"
    assert "The court finds you guilty." in first
    assert second.split()[0] == "statute"
    assert (shelf / "court" / "adapter" / INDEX).is_file()


def test_adapters_may_be_named_one_by_one_and_renamed(shelf: Path) -> None:
    arguments = ("-a", f"a={shelf / 'court'}", "--json", "--adapters", f"b={shelf / 'statute'}", "--", "So the statute says.", "-x")
    found = json.loads(routed(*arguments).stdout)
    assert list(found["adapters"]) == ["a", "b"]
    assert [one["message"] for one in found["routed"]] == ["So the statute says.", "-x"]
    assert found["routed"][0]["name"] == "b"
    assert sum(found["routed"][0]["shares"].values()) == pytest.approx(1)


def test_every_line_of_a_pipe_is_a_message(shelf: Path) -> None:
    result = routed("--adapters", shelf / "court", shelf / "statute", typed="The court finds tea guilty.\n\n  As the statute says.\n")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["court", "statute"]


def test_what_would_act_on_the_terminal_is_shown(shelf: Path) -> None:
    assert "\x1b" not in routed("The court \x1b[2J rises.", "--adapters", shelf / "court", shelf / "statute").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Hm?", "--adapters", "{shelf}/nowhere"], "nowhere: no such adapter"),
        (["Hm?", "--adapters", "{shelf}/court", "--samples", "court"], "--samples court: expected NAME=FOLDER"),
        (["Hm?", "--adapters", "{shelf}/court", "--samples", "tea={shelf}"], "tea: no such adapter to route to; there are court"),
        (["Hm?"], "Missing option '--adapters'"),
    ],
)
def test_a_callers_mistake_is_named(shelf: Path, arguments: list[str], said: str) -> None:
    result = routed(*(argument.format(shelf=shelf) for argument in arguments))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_routing_is_measured_noted_and_shown_in_the_report(shelf: Path) -> None:
    run = {"lorum": "1", "name": "court", "started": "now", "stages": {}}
    (shelf / "court" / "run.json").write_text(json.dumps(run))
    options = RoutingOptions((str(shelf / "statute"),), {})
    found = route_if_asked(shelf / "court" / "adapter", shelf / "court" / "samples", options, lambda *_: None)
    assert found is not None
    assert (found["adapters"], found["messages"]) == (["court", "statute"], 12)
    assert found["accuracy"]["value"] > 0.8
    assert json.loads((shelf / "court" / "adapter" / "eval.json").read_text())["routed"] == found
    assert json.loads((shelf / "court" / "run.json").read_text()) == run | {"routed": found}
    page = (shelf / "court" / "report.html").read_text()
    assert "Routed between adapters" in page
    assert "old kettle" not in page, "no words of members"
    assert route_if_asked(shelf / "court" / "adapter", shelf, RoutingOptions((), {}), lambda *_: None) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--route-samples", "statute=x"], "--route-samples needs --route"),
        (["--route", "{shelf}/statute", "--route-samples", "statute={shelf}"], "no samples of statute there"),
        (["--route", "{shelf}/statute", "--route-samples", "tea={shelf}"], "tea: no such adapter here; there are court, statute"),
        (["--route", "{shelf}/nowhere"], "nowhere: no such adapter"),
    ],
)
def test_a_routing_that_cannot_be_measured_is_refused_before_the_evaluation(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.setattr("train.evaluation.evaluate.evaluate", lambda *_, **__: pytest.fail("it evaluated"))
    given = [str(shelf / "court" / "adapter"), *(argument.format(shelf=shelf) for argument in arguments)]
    result = CliRunner().invoke(eval_command, given)
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_evaluation_says_how_messages_are_routed(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {**RESULT["about"], "settings": {}}
    monkeypatch.setattr("train.evaluation.evaluate.evaluate", lambda *_, **__: SimpleNamespace(to_dict=lambda: {**RESULT, "about": about}))
    arguments = [str(shelf / "statute" / "adapter"), "--route", str(shelf / "court")]
    result = CliRunner().invoke(eval_command, [*arguments, "--quiet"], catch_exceptions=False)
    assert "of 12 held-out messages went to" in " ".join(result.stdout.split())
    told = json.loads(CliRunner().invoke(eval_command, [*arguments, "--json"], catch_exceptions=False).stdout)
    assert told["routed"]["adapters"] == ["statute", "court"]
    assert told["about"]["prompts"] == 64


FOUND: dict[str, Any] = {
    "adapters": ["court", "<i>tea</i>"],
    "messages": 8,
    "accuracy": {"value": 0.75, "interval": [0.41, 0.93]},
    "sureness": 0.8,
    "forums": [
        {
            "name": "court",
            "messages": 4,
            "chosen": {"court": 2, "<i>tea</i>": 1, "base": 1},
            "right": {"value": 0.5, "interval": [0.15, 0.85]},
        },
        {"name": "<i>tea</i>", "messages": 4, "chosen": {"court": 0, "<i>tea</i>": 4}, "right": {"value": 1.0, "interval": [0.51, 1.0]}},
    ],
    "milliseconds": [21.4, 30.2],
    "notes": ["Only 4 held-out messages of each forum: hold more threads out."],
}


def test_the_table_has_a_row_for_each_forum_and_a_column_for_each_choice() -> None:
    assert routing_table(FOUND) == [
        ["forum of the message", "to court", "to <i>tea</i>", "to base", "right"],
        ["court", "2", "1", "1", "0.50 [0.15, 0.85]"],
        ["<i>tea</i>", "0", "4", "0", "1.00 [0.51, 1.00]"],
    ]


def test_lines_fit_a_terminal_and_a_page_shows_names_as_they_are() -> None:
    lines = routing_lines(FOUND)
    assert "0.75 [0.41, 0.93] of 8 held-out messages" in " ".join(lines)
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith("note: Only 4 held-out messages")
    page = "".join(routing_sections(FOUND))
    assert "<i>tea</i>" not in page
    assert "&lt;i&gt;tea&lt;/i&gt;" in page
    assert "21 ms" in page
