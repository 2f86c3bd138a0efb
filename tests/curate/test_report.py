from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curate.preview import print_samples
from curate.report import WIDTH, Row, adds_up, funnel_table, print_table, run_table, verdict_lines
from curate.samples import Sampled
from filters.funnel import Funnel
from formats.templates.template import load_template
from formats.visible import HIDDEN

FUNNEL = Funnel(
    posts=90,
    target={"removed": 10, "bots": 0, "min_score": 20, "toxicity": 5, "kept": 55},
    context={"removed": 10, "bots": 0, "kept": 80},
    outcome={"target": 55, "context": 25, "dropped": 10},
    every={"removed": 10, "bots": 0, "min_score": 28, "toxicity": 5},
    changed={"quotes": 7, "pii": 0},
)
SAMPLED = Sampled(
    targets=55,
    roots=7,
    without_context=3,
    other_authors=6,
    long_replies=5,
    long_contexts=4,
    across_cut=2,
    near_copies=1,
    samples=27,
    train=22,
    validation=3,
    test=2,
)
STAGES = {
    "gather": {"counts": {"lines": 100, "posts": 90, "rejects": 2, "replaced": 1, "forgotten": 1, "not_asked_for": 6}},
    "filter": {"counts": FUNNEL.to_dict()},
    "format": {"counts": asdict(SAMPLED)},
}


def test_the_funnel_of_the_filter_goes_from_the_posts_to_what_is_kept_by_way_of_every_rule() -> None:
    assert funnel_table(FUNNEL) == [
        Row("posts", 90, "="),
        Row("removed", 10),
        Row("bots", 0),
        Row("min_score", 20),
        Row("toxicity", 5),
        Row("kept to learn", 55, "="),
    ]
    assert adds_up(funnel_table(FUNNEL))


def test_the_funnel_of_a_run_goes_from_the_lines_to_the_training_samples_and_adds_up() -> None:
    rows = run_table(STAGES)
    assert [(row.label, row.count) for row in rows if row.sign == "="] == [
        ("lines read", 100),
        ("posts", 90),
        ("kept to learn", 55),
        ("samples", 27),
        ("train", 22),
    ]
    assert adds_up(rows)


@pytest.mark.parametrize("stages", [[], ["gather"], ["gather", "filter"], ["gather", "filter", "format"]])
def test_a_run_that_did_not_go_to_its_end_has_the_funnel_so_far(stages: list[str]) -> None:
    rows = run_table({name: STAGES[name] for name in stages})
    assert rows == run_table(STAGES)[: len(rows)]
    assert adds_up(rows)


@pytest.mark.parametrize("place", range(len(run_table(STAGES))))
@pytest.mark.parametrize("by", [-1, 1])
def test_any_row_that_is_wrong_by_one_is_noticed(place: int, by: int) -> None:
    rows = run_table(STAGES)
    rows[place] = replace(rows[place], count=rows[place].count + by)
    assert not adds_up(rows)


@pytest.mark.parametrize("place", [place for place, row in enumerate(run_table(STAGES)) if row.count and row.sign == "-"])
def test_a_row_that_is_missing_is_noticed(place: int) -> None:
    rows = run_table(STAGES)
    del rows[place]
    assert not adds_up(rows)


@given(st.integers(0, 1000), st.lists(st.lists(st.integers(0, 50), max_size=5), max_size=4), st.integers(-3, 3), st.data())
def test_a_table_adds_up_exactly_when_every_step_does(first: int, steps: list[list[int]], error: int, data: st.DataObject) -> None:
    assume(sum(map(sum, steps)) <= first)
    rows, left = [Row("first", first, "=")], first
    for step in steps:
        left -= sum(step)
        rows += [*(Row("went", count) for count in step), Row("left", left, "=")]
    assert adds_up(rows)
    place = data.draw(st.sampled_from(range(len(rows))))
    rows[place] = replace(rows[place], count=rows[place].count + error)
    assert adds_up(rows) == (error == 0 or len(rows) == 1)


def test_the_printed_funnel_has_every_kept_row_and_every_row_that_dropped_something(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(run_table(STAGES))
    printed = capsys.readouterr().out.split("\n")[:-1]
    assert [line.split("  ")[1].strip()[2:] for line in printed] == [row.label for row in run_table(STAGES) if row.label != "bots"]
    assert printed[0].split()[-2:] == ["100", "█" * 30]
    assert printed[-1].split()[-2:] == ["22", "█" * 7]


def test_nothing_at_all_is_printed_without_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([])
    print_table([Row("lines read", 0, "=")])
    assert capsys.readouterr().out.split() == ["=", "lines", "read", "0", "▏"]


def test_the_verdicts_show_every_rule_on_both_sides_and_what_became_of_the_posts() -> None:
    lines = verdict_lines(FUNNEL)
    assert [line.split() for line in lines if line] == [
        ["dropped", "by", "as", "a", "reply", "as", "context", "at", "all"],
        ["removed", "10", "10", "10", "████"],
        ["min_score", "20", "–", "28", "██████████"],
        ["toxicity", "5", "–", "5", "██"],
        ["kept", "55", "80"],
        ["=", "posts", "90", "90"],
        ["dropped", "nothing:", "bots"],
        ["changed:", "quotes", "7"],
        ["90", "posts", "=", "55", "to", "learn", "+", "25", "only", "context", "+", "10", "dropped"],
    ]


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=40))
def test_the_verdicts_fit_a_terminal_and_their_columns_add_up(drops: list[int]) -> None:
    rules = {f"rule_with_a_long_name_{place:02}": count for place, count in enumerate(drops)}
    posts = sum(drops) + 5
    funnel = Funnel(posts, {**rules, "kept": 5}, {"kept": posts}, {"target": 5, "context": posts - 5, "dropped": 0}, rules, rules)
    lines = verdict_lines(funnel)
    assert max(map(len, lines)) <= WIDTH
    below = lines[1 : next(place for place, line in enumerate(lines) if line.startswith("="))]
    assert sum(int(line.split()[1].replace(",", "")) for line in below) == posts


def test_the_verdicts_on_no_posts_are_lines_too() -> None:
    empty = Funnel(0, {"kept": 0}, {"kept": 0}, {"target": 0, "context": 0, "dropped": 0}, {}, {})
    assert verdict_lines(empty)[-1].strip() == "0 posts = 0 to learn + 0 only context + 0 dropped"


HOSTILE = "Guilty\x1b]0;owned\x07\x1b[2J \u202enot\u202c\x9b1m\u200b"


def test_no_sample_acts_on_the_terminal_and_its_id_is_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "template.toml").write_text(load_template("comment-response").to_toml())
    sample = {"id": f"t1_[red]{HOSTILE}", "score": 3, "prompt": HOSTILE, "completion": f"{HOSTILE}\n\n### END"}
    print_samples(tmp_path, pl.DataFrame([sample]))
    printed = capsys.readouterr().out
    assert not HIDDEN.search(printed)
    assert "t1_[red]Guilty␛]0;owned" in printed
