from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rule import BOTH, CONTEXT, NOBODY, TARGET, Judges, Rule
from filters.verdicts import REASONS, Verdicts, judge


@dataclass(frozen=True)
class ShortEnough(Rule):
    """Keep short texts."""

    judges: ClassVar[Judges] = TARGET

    def keeps(self) -> pl.Expr:
        return pl.col("text").str.len_chars() <= 5


@dataclass(frozen=True)
class NoTea(Rule):
    """Keep what does not mention tea."""

    def keeps(self) -> pl.Expr:
        return ~pl.col("text").str.contains("tea")


@dataclass(frozen=True)
class NoJam(Rule):
    """Keep contexts without jam."""

    judges: ClassVar[Judges] = CONTEXT

    def keeps(self) -> pl.Expr:
        return ~pl.col("text").str.contains("jam")


TEXTS = pl.DataFrame({"text": ["tea", "jam", "tea, jam and toast", "toast and more", "ok", None]})


def reasons(table, rules):
    judged = judge(table, rules)
    return judged["target_reason"].to_list(), judged["context_reason"].to_list()


@pytest.mark.parametrize(("rule", "name"), [(ShortEnough, "short_enough"), (NoTea, "no_tea"), (Rule, "rule")])
def test_a_rule_is_named_after_its_class_in_snake_case(rule, name):
    assert rule.name() == name


def test_each_side_gets_the_first_rule_that_drops_the_post_there():
    assert reasons(TEXTS, [ShortEnough(), NoTea(), NoJam()]) == (
        ["no_tea", None, "short_enough", "short_enough", None, None],
        ["no_tea", "no_jam", "no_tea", None, None, None],
    )
    assert reasons(TEXTS, [NoJam(), NoTea(), ShortEnough()]) == (
        ["no_tea", None, "no_tea", "short_enough", None, None],
        ["no_tea", "no_jam", "no_jam", None, None, None],
    )


def test_a_rule_judges_both_sides_unless_it_says_otherwise():
    assert NoTea.judges == BOTH
    assert TARGET in NoTea.judges
    assert CONTEXT in NoTea.judges
    assert CONTEXT not in ShortEnough.judges


def test_what_is_unknown_passes():
    assert reasons(pl.DataFrame({"text": [None]}, schema={"text": pl.String}), [ShortEnough(), NoTea(), NoJam()]) == ([None], [None])


def test_every_rule_that_drops_a_post_is_named_in_order():
    judged = judge(TEXTS, [NoTea(), ShortEnough(), NoJam()])
    assert judged["target_reasons"].to_list() == [["no_tea"], [], ["no_tea", "short_enough"], ["short_enough"], [], []]
    assert judged["context_reasons"].to_list() == [["no_tea"], ["no_jam"], ["no_tea", "no_jam"], [], [], []]


@dataclass(frozen=True)
class Milder(Rule):
    """Keep replies without tea, and turns before them that are not about tea alone."""

    def keeps(self) -> pl.Expr:
        return ~pl.col("text").str.contains("tea")

    def keeps_context(self) -> pl.Expr:
        return pl.col("text") != "tea"


@dataclass(frozen=True)
class Idle(NoTea):
    """Keep all where nothing is set."""

    def judging(self) -> Judges:
        return NOBODY


def test_a_rule_may_judge_the_two_sides_differently_or_nobody():
    assert reasons(TEXTS, [Milder()]) == (["milder", None, "milder", None, None, None], ["milder", None, None, None, None, None])
    assert reasons(TEXTS, [Idle()]) == ([None] * 6, [None] * 6)


def test_rules_may_be_asked_about_some_rows_and_one_side_and_what_they_said_before_stays():
    verdicts = Verdicts.none([NoTea(), ShortEnough(), NoJam()], TEXTS.height)
    verdicts.judge(TEXTS, [ShortEnough()], np.array([True, True, True, False, False, False]))
    verdicts.judge(TEXTS, [NoTea(), NoJam()], judges=CONTEXT)
    verdicts.drop(NoTea(), np.array([4]))
    assert verdicts.reasons()["target_reasons"].to_list() == [[], [], ["short_enough"], [], ["no_tea"], []]
    assert verdicts.reasons()["context_reasons"].to_list() == [["no_tea"], ["no_jam"], ["no_tea", "no_jam"], [], [], []]


def test_a_rule_that_keeps_all_by_a_constant_keeps_all():
    @dataclass(frozen=True)
    class Open(Rule):
        """Keep all."""

        def keeps(self) -> pl.Expr:
            return pl.lit(True)

    assert reasons(TEXTS, [Open()]) == ([None] * 6, [None] * 6)
    assert reasons(TEXTS, [Open(), NoTea()])[0][0] == "no_tea"


def test_there_is_room_for_so_many_rules_and_the_last_is_told_apart():
    rules = [type(f"Rule{number}", (NoTea,), {})() for number in range(64)]
    assert judge(TEXTS, rules)["target_reasons"][0].to_list() == [rule.name() for rule in rules]
    with pytest.raises(ValueError, match="65 rules; verdicts have room for 64"):
        judge(TEXTS, [*rules, NoTea()])


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=30))
def test_the_first_reason_is_the_first_of_all_and_none_means_kept(drops):
    table = pl.DataFrame({"text": [("tea jam " if a else "") + ("x" * 9 if b else "") for a, b, _ in drops]}, schema={"text": pl.String})
    judged = judge(table, [ShortEnough(), NoTea(), NoJam()])
    for side in ("target", "context"):
        every = judged[f"{side}_reasons"].to_list()
        assert judged[f"{side}_reason"].to_list() == [names[0] if names else None for names in every]


def test_without_rules_everything_stands_and_no_column_is_missing():
    judged = judge(TEXTS, [])
    assert judged.columns == ["text", *REASONS]
    assert judged["target_reasons"].to_list() == judged["context_reasons"].to_list() == [[]] * TEXTS.height
    assert judged.schema["target_reason"] == judged.schema["context_reason"] == pl.String
    assert judged["target_reason"].null_count() == judged["context_reason"].null_count() == TEXTS.height


def test_rows_and_columns_stay_as_they_were():
    assert judge(TEXTS, [ShortEnough(), NoTea()]).drop(REASONS).equals(TEXTS)


def test_an_empty_table_is_judged_to_an_empty_table():
    judged = judge(TEXTS.clear(), [NoTea()])
    assert (judged.height, judged.schema["target_reason"]) == (0, pl.String)


def test_a_rule_without_an_expression_says_so():
    with pytest.raises(NotImplementedError):
        judge(TEXTS, [Rule()])
