from dataclasses import dataclass
from typing import ClassVar

import polars as pl
import pytest

from filters.rule import BOTH, CONTEXT, TARGET, Judges, Rule
from filters.verdicts import judge


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


def test_a_reason_from_before_stays_and_the_rest_is_judged():
    before = TEXTS.with_columns(
        target_reason=pl.Series(["removed", None, None, None, "bots", None]), context_reason=pl.lit(None, pl.String)
    )
    assert reasons(before, [NoTea()]) == (["removed", None, "no_tea", None, "bots", None], ["no_tea", None, "no_tea", None, None, None])


def test_without_rules_everything_stands_and_no_column_is_missing():
    judged = judge(TEXTS, [])
    assert judged.columns == ["text", "target_reason", "context_reason"]
    assert judged.schema["target_reason"] == judged.schema["context_reason"] == pl.String
    assert judged["target_reason"].null_count() == judged["context_reason"].null_count() == TEXTS.height


def test_rows_and_columns_stay_as_they_were():
    assert judge(TEXTS, [ShortEnough(), NoTea()]).drop("target_reason", "context_reason").equals(TEXTS)


def test_an_empty_table_is_judged_to_an_empty_table():
    judged = judge(TEXTS.clear(), [NoTea()])
    assert (judged.height, judged.schema["target_reason"]) == (0, pl.String)


def test_a_rule_without_an_expression_says_so():
    with pytest.raises(NotImplementedError):
        judge(TEXTS, [Rule()])
