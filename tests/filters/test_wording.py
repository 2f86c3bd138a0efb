import pytest

from filters.rule import RuleError
from filters.wording import Empty, Length


def test_length_counts_characters_without_the_blank_at_the_ends(target):
    texts = ["x" * 19, "x" * 20, "x" * 2000, "x" * 2001, f"\u2028 {'x' * 20}\n\n", f" {'x' * 19} ", "🫖" * 20, "é" * 20, "", None]
    reasons = ["length", None, None, "length", None, "length", None, None, "length", "length"]
    assert target(Length(), *({"text": text} for text in texts)) == reasons


def test_the_bounds_may_be_the_same(target):
    assert target(Length(4, 4), {"text": "four"}, {"text": "five5"}, {"text": "thr"}) == [None, "length", "length"]


def test_a_short_remark_may_stand_as_context(context):
    assert context(Length(), {"text": "Ha."}, {"text": None}) == [None, None]


def test_bounds_that_hold_nothing_are_refused():
    with pytest.raises(RuleError) as refused:
        Length(minimum=30, maximum=20)
    assert str(refused.value) == "length: minimum (30) is more than maximum (20), so no reply would be left"


@pytest.mark.parametrize(
    ("title", "text", "reason"),
    [
        (None, "Guilty.", None),
        ("Hearing", None, None),
        ("Hearing", "", None),
        ("", "Guilty.", None),
        (None, None, "empty"),
        ("", "", "empty"),
        (" \n", "\t\u2028\xa0", "empty"),
        (None, "\u3000", "empty"),
        (" ", ".", None),
    ],
)
def test_a_post_with_neither_title_nor_text_is_empty_on_both_sides(title, text, reason, target, context):
    assert target(Empty(), {"title": title, "text": text}) == [reason]
    assert context(Empty(), {"title": title, "text": text}) == [reason]
