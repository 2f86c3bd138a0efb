"""An evaluation in figures: on the terminal, in 80 columns, and as a section of the report."""

import copy
import re
from typing import Any

import pytest

from curate.evaluated import WIDTH, differences_table, estimate, evaluation_lines, figures_table, plain, two
from curate.pages.evaluation import evaluation_sections
from curate.pages.intervals import Measure, Point, measures
from curate.pages.steps import Steps, steps
from formats.visible import HIDDEN
from tests.evaluated import RESULT

HOSTILE = "Guilty\x1b]0;owned\x07\x1b[2J \u202enot\u202c\x9b1m\u200b <script>window.ran = 1</script>"


def with_example(**changes: Any) -> dict[str, Any]:
    result = copy.deepcopy(RESULT)
    result["examples"][0] |= changes
    return result


def test_the_figures_fit_a_terminal_and_hold_their_intervals() -> None:
    lines = evaluation_lines(RESULT)
    table = lines[: next(place for place, line in enumerate(lines) if line.startswith("  |"))]
    assert max(map(len, table)) <= WIDTH
    stops = next(line for line in table if line.startswith("stops, shipped"))
    assert stops.split() == ["stops,", "shipped", "0.11", "[0.05,", "0.21]", "1.00", "[0.94,", "1.00]", "0.98", "[0.92,", "1.00]"]
    assert next(line for line in table if "stop + other end" in line).split()[-10:] == ["0", "+", "7", "+", "57", "64", "+", "0", "+", "0"]
    assert any(line.startswith("note: Only 64 different") for line in table)


def test_an_answer_says_how_it_ended_and_what_it_copies() -> None:
    lines = evaluation_lines(RESULT)
    assert lines[-3:] == [
        "  forum:   One pot.",
        "  base:    The court will be giving the judges to play. [length]",
        "  adapter: Then milk goes in after as the statute says, always. [9 words as in a training reply]",
    ]


def test_what_is_not_known_is_a_dash() -> None:
    result = copy.deepcopy(RESULT)
    for who in ("base", "adapter", "forum"):
        result[who]["wording"] |= {"copying": None, "toxicity": None}
    result["adapter"]["style"]["auc"] = {"value": None, "interval": None}
    result["differences"]["style_auc"] = {"value": None, "interval": None}
    rows = {label.strip(): cells for label, *cells in figures_table(result)}
    assert rows["words copied in a row"] == rows["toxicity, mean"] == rows["at most"] == ["–", "–", "–"]
    assert rows["style: told from forum's"][1] == "–"
    assert {label: value for label, value, _ in differences_table(result)}["style"] == "–"
    page = "".join(evaluation_sections(result))
    assert "Too few prompts to tell." in page
    assert "None" not in page
    assert "<b>Toxicity</b>" not in page


def test_no_example_acts_on_the_terminal() -> None:
    lines = evaluation_lines(with_example(prompt=HOSTILE, forum=HOSTILE, base=HOSTILE, adapter=HOSTILE, overlaps={}))
    assert not any(HIDDEN.search(line) for line in lines)
    assert lines[-4].startswith("  | Guilty␛]0;owned␇␛[2J ␦not␦␡1m␦")
    assert lines[-1].startswith("  adapter: Guilty␛")


def test_no_example_acts_on_the_page() -> None:
    overlap = {"words": 8, "begin": 3, "end": 40, "sources": [1]}
    result = with_example(prompt=HOSTILE, forum=HOSTILE, base=HOSTILE, adapter=HOSTILE, overlaps={"adapter": overlap, "forum": overlap})
    page = "".join(evaluation_sections(result))
    assert "<script" not in page
    assert not HIDDEN.search(page)
    assert "U+202E" in page


def test_the_page_marks_what_was_copied_and_says_how_answers_ended() -> None:
    page = "".join(evaluation_sections(RESULT))
    assert '<mark><bdi dir="auto">milk goes in after as the statute says</bdi></mark>' in page
    assert "<b>adapter</b> · ended by the stop, 9 words as in a training reply" in page
    assert "<b>base</b> · cut at the limit" in page
    assert "<b>forum</b> · as written" in page
    assert "7 by another end; 2 by the limit; 55 by the limit, in a loop" in page
    assert "By itself in 1.00 [0.94, 1.00] of its answers; the base in 0.11 [0.05, 0.21]." in page


def test_every_figure_says_its_values_to_those_who_do_not_see_it() -> None:
    page = "".join(evaluation_sections(RESULT))
    drawn = re.findall(r'<svg class="(?:dots|chart steps)" role="img"[^>]*>(<title>[^<]+</title><desc>[^<]+</desc>)', page)
    assert len(drawn) == page.count('role="img"') == 11
    assert "<title>Style</title><desc>base 0.96 [0.91, 0.99]; adapter 0.89 [0.81, 0.94]</desc>" in drawn
    assert "nan" not in page


def test_an_evaluation_of_an_older_version_is_named_and_breaks_nothing() -> None:
    old = {"base": {"shipped": {"rate": 1.0}}, "adapter": {}, "examples": []}
    assert "evaluate again" in "".join(evaluation_sections(old))
    assert "evaluate again" in "\n".join(evaluation_lines(old))


@pytest.mark.parametrize(("value", "shown"), [(1234.5, "1,234"), (131.6, "132"), (68.24, "68.2"), (0.0309, "0.0309"), (0.0, "0")])
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert plain(value) == shown


def test_nothing_has_no_minus() -> None:
    assert estimate({"value": -0.001, "interval": [-0.02, 0.004]}, two) == "0.00 [-0.02, 0.00]"


def test_a_scale_ends_at_a_short_number_behind_the_last_whisker() -> None:
    points = [Point("base", 132.0, (111.0, 158.0), "132 [111, 158]"), Point("forum", 0.0, None, "0")]
    drawn = measures([Measure("Perplexity", "", points, None)])
    assert ">0</text>" in drawn
    assert ">100</text>" in drawn
    assert ">200</text>" in drawn
    # 21 % is where the scale begins, 97 % where it ends.
    assert f'x1="{21 + 76 * 111 / 200:.2f}%" x2="{21 + 76 * 158 / 200:.2f}%"' in drawn
    assert 'cx="21.00%"' in drawn
    assert measures([Measure("Nothing", "", [], None)]) == '<div class="charts small"></div>'


def test_steps_rise_where_values_stand() -> None:
    drawn = steps(Steps("Lengths", "", {"forum": (50, 100, 50, 75), "base": ()}, 100))
    assert 'd="M0 1000H500.0V500.0H750.0V250.0H1000.0V0.0H1000"' in drawn
    assert 'class="base"' not in drawn
