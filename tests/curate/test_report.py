from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curate.report import Row, adds_up, funnel_table, print_table, run_table
from filters.funnel import Funnel

FUNNEL = Funnel(
    posts=90,
    target={"removed": 10, "bots": 0, "min_score": 20, "toxicity": 5, "kept": 55},
    context={"removed": 10, "bots": 0, "kept": 80},
)
STAGES = {
    "gather": {"counts": {"lines": 100, "posts": 90, "rejects": 2, "replaced": 1, "forgotten": 1, "not_asked_for": 6}},
    "filter": {"counts": FUNNEL.to_dict()},
    "format": {"counts": {"targets": 55, "roots": 7, "without_context": 3, "samples": 45, "train": 40, "validation": 3, "test": 2}},
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
        ("samples", 45),
        ("train", 40),
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
    assert printed[-1].split()[-2:] == ["40", "█" * 12]


def test_nothing_at_all_is_printed_without_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([])
    print_table([Row("lines read", 0, "=")])
    assert capsys.readouterr().out.split() == ["=", "lines", "read", "0", "▏"]
