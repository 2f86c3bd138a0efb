"""How well messages are routed: the figures of known choices, and an evaluation whose router is known."""

import json
from pathlib import Path
from typing import Any

import pytest

from formats.errors import UserError
from formats.templates.template import load_template
from tests.asked import asked, write_asked
from train.evaluation.intervals import share
from train.evaluation.noted import note, noted
from train.evaluation.routing import counted, evaluate_routing
from train.shelf.routing import Choice

TEMPLATE = load_template("comment-response")


def choice(name: str, share: float = 0.9) -> Choice:
    other = {"court": "milk", "milk": "court", "base": "milk"}[name]
    return Choice(name, {"court" if name == "base" else name: share, other: 1 - share}, 0.5)


def test_choices_are_counted_by_the_forum_of_the_message() -> None:
    forums = ["court"] * 4 + ["milk"] * 4
    choices = [choice("court"), choice("court"), choice("milk", 0.6), choice("base", 0.8), *[choice("milk")] * 4]
    found = counted(("court", "milk"), forums, choices, [0.01] * 7 + [0.5])
    assert (found.messages, found.adapters) == (8, ("court", "milk"))
    assert found.accuracy == share(6, 8)
    court, milk = found.forums
    assert (court.chosen, court.right) == ({"court": 2, "milk": 1, "base": 1}, share(2, 4))
    assert (milk.chosen, milk.right) == ({"court": 0, "milk": 4}, share(4, 4))
    assert found.sureness == pytest.approx((6 * 0.9 + 0.6 + 0.8) / 8)
    assert found.milliseconds[0] == pytest.approx(10)
    assert found.milliseconds[1] > 100
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


class ByWord:
    """A router that chooses by a word."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def choose(self, message: str) -> Choice:
        self.asked.append(message)
        return choice("milk" if "ilk" in message else "court")


def samples(folder: Path, messages: int) -> dict[str, Path]:
    found = {}
    for name, text in (("court", "Exhibit {}."), ("milk", "Milk, {} drops.")):
        held_out = [asked(TEMPLATE, text.format(number)) for number in range(messages + (name == "milk"))]
        found[name] = write_asked(folder / name, TEMPLATE, train=[asked(TEMPLATE, "Milk?")], test=held_out[:3], validation=held_out[3:])
    return found


def test_equally_many_held_out_messages_of_each_are_routed(tmp_path: Path) -> None:
    router: Any = ByWord()
    stages: list[tuple[str, int, int]] = []
    found = evaluate_routing(router, samples(tmp_path, 12), progress=lambda *stage: stages.append(stage))
    assert len(set(router.asked)) == len(router.asked) == found.messages == 24
    assert "Milk?" not in router.asked, "it was trained on"
    assert found.accuracy.value == 1
    assert found.notes == ()
    assert stages[-1] == ("route held-out messages", 24, 24)
    assert evaluate_routing(ByWord(), samples(tmp_path, 12), count=5, progress=lambda *_: None).messages == 10  # type: ignore[arg-type]


def test_too_few_messages_are_told(tmp_path: Path) -> None:
    router: Any = ByWord()
    found = evaluate_routing(router, samples(tmp_path, 4), progress=lambda *_: None)
    assert found.notes == ("Only 4 held-out messages of each forum: hold more threads out.",)


def test_samples_without_held_out_messages_are_refused(tmp_path: Path) -> None:
    router: Any = ByWord()
    empty = write_asked(tmp_path / "none", TEMPLATE, train=[asked(TEMPLATE, "Milk?")])
    with pytest.raises(UserError, match="none: its test and validation prompts end in no message"):
        evaluate_routing(router, {**samples(tmp_path, 4), "milk": empty}, progress=lambda *_: None)


def test_what_is_noted_stands_beside_what_is_there(tmp_path: Path) -> None:
    assert noted(tmp_path, "routed") is None
    (tmp_path / "eval.json").write_text('{"judged": {"questions": 3}}')
    note(tmp_path, "routed", {"messages": 8})
    note(tmp_path, "routed", {"messages": 9})
    assert json.loads((tmp_path / "eval.json").read_text()) == {"judged": {"questions": 3}, "routed": {"messages": 9}}
    assert noted(tmp_path, "routed") == {"messages": 9}
    (tmp_path / "eval.json").write_text("{ oops")
    assert noted(tmp_path, "routed") is None
