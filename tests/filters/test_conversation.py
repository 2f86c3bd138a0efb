import polars as pl
import pytest

from filters.conversation import Turns
from filters.rule import RuleError
from filters.verdicts import judge


def reasons(rule, *turns):
    judged = judge(pl.DataFrame({"turns": turns}, schema={"turns": pl.Int16}), [rule])
    return judged["target_reason"].to_list(), judged["context_reason"].to_list()


def test_replies_at_the_end_of_two_to_twelve_turns_are_kept_and_context_is_not_judged():
    assert reasons(Turns(), 1, 2, 12, 13, None) == (["turns", None, None, "turns", None], [None] * 5)


def test_the_bounds_may_be_the_same():
    assert reasons(Turns(3, 3), 2, 3, 4)[0] == ["turns", None, "turns"]


@pytest.mark.parametrize(("minimum", "maximum"), [(1, 8), (0, 8), (-1, 8), (5, 4)])
def test_a_reply_needs_a_turn_before_it_and_bounds_need_something_between(minimum, maximum):
    with pytest.raises(RuleError) as refused:
        Turns(minimum, maximum)
    assert str(refused.value) == f"turns: minimum is {minimum} and maximum {maximum}; expected 2 <= minimum <= maximum"
