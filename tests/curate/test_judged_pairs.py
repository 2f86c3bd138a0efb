"""A judging on the terminal and on the page: figures, warnings, and texts of models that are nobody's markup."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from curate.judged_pairs import judging_lines, remarks
from curate.pages.judging_pairs import judging_sections
from train.evaluation.judging.result import Example, JudgingResult, Meeting, summed_up

NAMES = ("runs/kettle-court/adapter", "runs/decaf/adapter", "base")
HOSTILE = '<script>alert("[[A]]")</script>\x1b[2J </div></details>\u202e'


def judging(
    chances: dict[tuple[int, int], float], questions: int = 40, names: tuple[str, ...] = NAMES, say: str = "Guilty."
) -> dict[str, Any]:
    """A judging in which the first of each pair wins with these chances, by a judge that is of two minds one time in four."""
    random = np.random.default_rng(0)
    meetings = []
    for question in range(questions):
        for pair in combinations(range(len(names)), 2):
            first = random.random() < chances[pair]
            verdicts: Any = ("a", "a") if random.random() < 0.25 else ("a", "b") if first else ("b", "a")
            meetings.append(Meeting(question, pair, (say, say), verdicts))
    found = summed_up(meetings, [(name, "base" if name == "base" else "adapter") for name in names], questions)
    shown = tuple(
        Example("Who left the kettle on?", "law", (names[one.pair[0]], names[one.pair[1]]), (say, ""), one.outcome, one.verdicts, one.words)
        for one in meetings[:3]
    )
    return JudgingResult("magistrate-7b", "forum", "which answer sounds more like the forum", questions, examples=shown, **found).to_dict()


ROUND = {(0, 1): 0.7, (0, 2): 0.9, (1, 2): 0.8}


def test_lines_are_short_and_hold_the_figures() -> None:
    result = judging(ROUND)
    lines = judging_lines(result)
    assert all(len(line) <= 80 for line in lines), [line for line in lines if len(line) > 80]
    text = "\n".join(lines)
    assert lines[0].startswith("Judged by magistrate-7b, prompt forum (which answer sounds more like the forum)")
    best = result["standings"][0]
    row = next(line for line in lines if line.startswith("  runs/kettle-court/a"))
    tally = best["tally"]
    assert best["name"] == NAMES[0]
    assert row.split()[1:] == [
        f"{best['elo']['value']:.0f}",
        f"{best['elo']['low']:.0f}–{best['elo']['high']:.0f}",
        *(str(tally[how]) for how in ("wins", "ties", "losses", "unreadable")),
        f"{tally['win_rate']['value']:.0%}",
        f"{100 * tally['win_rate']['low']:.0f}–{100 * tally['win_rate']['high']:.0f}",
    ]
    assert tally["wins"] + tally["ties"] + tally["losses"] == 80
    assert "each against each" in text
    assert text.count("judge, ") == 2


def test_two_contestants_need_no_table_of_pairs() -> None:
    result = judging({(0, 1): 0.7}, names=("adapter", "base"))
    assert "each against each" not in "\n".join(judging_lines(result))
    assert "Each against each" not in "".join(judging_sections(result))


@pytest.mark.parametrize("name", ["k" * 60, "a/" * 30, "kettle\ncourt\x1b[1m"])
def test_long_and_hostile_names_break_no_line(name: str) -> None:
    lines = judging_lines(judging({(0, 1): 1.0}, questions=9, names=(name, "base"), say=HOSTILE))
    assert all(len(line) <= 80 and "\x1b" not in line and "\n" not in line for line in lines)


def test_a_judge_of_places_is_told_apart() -> None:
    result = judging(ROUND)
    assert remarks(result)[0].startswith("The answer shown first was preferred in 6")
    meetings = [Meeting(number, (0, 1), ("A", "A"), ("a", "a")) for number in range(10)]
    found = summed_up(meetings, [("adapter", "adapter"), ("base", "base")], 10)
    biased = JudgingResult("m", "choice", "", 10, examples=(), **found).to_dict()
    assert remarks(biased) == [
        "The answer shown first was preferred in 100% of 20 verdicts that prefer one (fair: 50%).",
        "In 10 of 10 pairs of answers the verdict changed with their order, which makes a tie.",
        "That is more than half: this judge tells by the place, not by the answer. Take a larger one.",
    ]


def test_a_judge_without_verdicts_is_told_apart() -> None:
    meetings = [Meeting(number, (0, 1), ("kettle", "kettle"), (None, "a")) for number in range(4)]
    meetings += [Meeting(number, (0, 1), ("", ""), (None, None)) for number in range(4, 9)]
    found = summed_up(meetings, [("adapter", "adapter"), ("base", "base")], 9)
    shown = (Example("Q", "", ("adapter", "base"), ("", ""), "unreadable", (None, None), ("", "")),)
    partly = JudgingResult("m", "choice", "", 9, examples=shown, **found).to_dict()
    assert remarks(partly)[0] == "Of 18 verdicts 14 could not be read; their questions count for neither side (?)."
    wholly = JudgingResult("m", "choice", "", 5, examples=shown, **summed_up(meetings[4:], [("a", "adapter"), ("b", "base")], 9)).to_dict()
    assert remarks(wholly) == [
        "Of 10 verdicts 10 could not be read; their questions count for neither side (?).",
        "Nothing is known of these contestants: this judge gives no verdicts. Take a larger one.",
    ]
    for result in (partly, wholly):
        assert all(len(line) <= 80 for line in judging_lines(result))
        page = "".join(judging_sections(result))
        assert "<svg" not in page
        assert "(nothing)" in page
        assert "no verdict" in page
        assert "of these contestants" in page or result is partly


def test_the_page_draws_every_contestant_with_its_interval() -> None:
    result = judging(ROUND)
    page = "".join(judging_sections(result))
    assert page.count("<circle") == 3
    assert page.count('class="whisker"') == 3
    for one in result["standings"]:
        assert f">{one['elo']['value']:.0f}<br>" in page
        assert f"{one['elo']['low']:.0f}–{one['elo']['high']:.0f}" in page
    for pair in result["pairs"]:
        assert f">{pair['changed']}</td>" in page
    assert page.count("<details") == page.count("</details>") == 3


def test_texts_of_models_are_nobodys_markup() -> None:
    page = "".join(judging_sections(judging({(0, 1): 0.5}, names=(HOSTILE, "base"), say=HOSTILE)))
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert page.count("</details>") == 3
