import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rule import RuleError
from filters.wording import Empty, Length, Quoted, Repetition, Shouting, Symbols, Urls

KETTLE = "The court finds the kettle warm and the witness colder."


def texts(*found):
    return [{"text": text} for text in found]


def test_length_counts_characters_without_the_blank_at_the_ends(target):
    found = ["x" * 19, "x" * 20, "x" * 2000, "x" * 2001, f"\u2028 {'x' * 20}\n\n", f" {'x' * 19} ", "🫖" * 20, "é" * 20, "", None]
    reasons = ["length", None, None, "length", None, "length", None, None, "length", "length"]
    assert target(Length(words=0), *texts(*found)) == reasons


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Preposterous, Magistrate!", "length"),
        ("Preposterous, dear Magistrate!", None),
        ("Magistrate… 🫖🫖🫖 !!! 🫖🫖🫖", "length"),
        ("The ruling: https://example.org/kettle/court/rules", "length"),
        ("法官先生，茶壶很暖，请您继续审理这个案件吧。", None),
        ("やかんが温かいので裁判を続けましょう、判事さん。", None),
        ("ศาลเห็นว่ากาน้ำชายังอุ่นอยู่จริง", None),
        ("Чайник признан тёплым судом", None),
    ],
)
def test_length_asks_for_three_words_which_are_characters_where_nothing_is_spaced(text, reason, target):
    assert target(Length(), {"text": text}) == [reason]


def test_the_bounds_may_be_the_same(target):
    assert target(Length(4, 4, 1), *texts("four", "five5", "thr")) == [None, "length", "length"]


def test_a_short_remark_may_stand_as_context(context):
    assert context(Length(), *texts("Ha.", None)) == [None, None]


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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://example.org/kettle", "urls"),
        ("www.example.org/kettle!", "urls"),
        ("[the whole of the ruling, which I need not add to](https://example.org/a)", "urls"),
        ("[one](https://example.org/a) \n\n* [two](https://example.org/b)", "urls"),
        ("![gif](giphy|abc123|downsized)", "urls"),
        ("![img](emote|t5_abc|123) ![gif](giphy|abc)", "urls"),
        ("<image>", "urls"),
        ("*Processing img abc123...*", "urls"),
        ("https://example.org/a.gif 🫖", "urls"),
        ("See https://example.org/rules/of/the/court/of/kettles", "urls"),
        ("The court has ruled on this before, see https://example.org/a", None),
        ("[The court](https://example.org/a) has ruled on this before.", None),
        ("The rule [1](note) is in https in www. and so on :// ](", None),
        ("", None),
        (KETTLE, None),
    ],
)
def test_replies_of_links_alone_or_mostly_are_dropped(text, reason, target):
    assert target(Urls(), {"text": text}) == [reason]


def test_links_alone_are_dropped_whatever_their_share_and_stand_as_context(target, context):
    link = {"text": "[the whole of the ruling](https://a.b)"}
    assert target(Urls(maximum=1), link) == ["urls"]
    assert context(Urls(), link) == [None]
    assert target(Urls(maximum=0), *texts("Look: https://example.org", KETTLE)) == ["urls", None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("> warm\n\nNo.", None),
        ("> warm\n> cold\n> tepid\n\nNo.", None),
        ("> warm\r\n> cold\r\n> tepid\r\n> hot\r\n\r\nNo.", "quoted"),
        ("> warm", None),
        (">\n>\n>\n> warm\n\nNo.", None),
        (">!the kettle did it!<", None),
        ("2 > 1\n3 > 2", None),
        (">> warm\n  > cold\n> tepid\n> hot\nNo.", "quoted"),
        (">= 3\n>= 4\n>= 5\n>= 6\nNo.", None),
        ("", None),
        (None, None),
    ],
)
def test_mostly_quotes_are_dropped(text, reason, target):
    assert target(Quoted(), {"text": text}) == [reason]


def test_what_was_quoted_before_quotes_were_taken_out_counts(posts):
    import polars as pl

    from filters.verdicts import judge

    table = posts(*texts("No.", "> warm", "No.")).with_columns(quoted=pl.Series([0.9, 0.0, None], dtype=pl.Float32))
    assert judge(table, [Quoted()])["target_reason"].to_list() == ["quoted", None, None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ORDER IN THE COURT, I SAY!", "shouting"),
        ("ORDER IN THE COURT!!! he said", "shouting"),
        ("I submitted the GPA, FAFSA and SAT to UCLA, USC, NYU and MIT.", None),
        ("GPA, FAFSA, SAT?", None),
        ("ЧАЙНИК НЕ БЫЛ ТЁПЛЫМ", "shouting"),
        ("法官先生，茶壶很暖", None),
        ("A B C D E F", None),
        ("See https://example.org/AA/BB/CC/DD/EE", None),
    ],
)
def test_capitals(text, reason, target):
    assert target(Shouting(), {"text": text}) == [reason]


def test_shouting_at_the_bounds(target):
    half = {"text": "ORDER IN THE COURT said the small usher"}
    assert target(Shouting(0.5), half) == [None]
    assert target(Shouting(maximum=0.49), half) == ["shouting"]
    assert target(Shouting(maximum=0.49, words=5), half) == [None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tea tea tea tea tea tea", None),
        ("tea tea tea tea tea tea tea", "repetition"),
        ("tea tea tea tea tea tea tea and then the long rest of a sentence that is in order", "repetition"),
        ("Tea, tea; TEA! tea tea\ntea… tea and then the long rest of a sentence that is in order", "repetition"),
        ("order in court, order in court, order in court, order in court", "repetition"),
        ("order in court, order in court, order in court, please", None),
        ("in order, in order, in order: https://example.org/in/order/in/order/in/order/in/order", None),
        ("The kettle is warm. The kettle is guilty.", None),
        ("🫖🫖🫖🫖🫖🫖🫖🫖🫖🫖", None),
        ("哈哈哈哈哈哈哈哈哈哈", None),
        ("", None),
    ],
)
def test_repetition(text, reason, target):
    assert target(Repetition(), {"text": text}) == [reason]


def test_repetition_at_its_bounds(target):
    said = {"text": " ".join(["tea"] * 5 + ["or"] + ["tea"] * 5 + ["or"])}  # seven of ten phrases were there before
    assert target(Repetition(words=5, phrases=0.71), said) == [None]
    assert target(Repetition(words=4, phrases=0.71), said) == ["repetition"]
    assert target(Repetition(words=5, phrases=0.69), said) == ["repetition"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("┌──────┐\n│ COURT │\n└──────┘", "symbols"),
        ("| tea | cup |\n|-----|-----|\n| 1 | 2 |", "symbols"),
        ("^^^^^ THIS ^^^^^", "symbols"),
        ("*Laughs* *in* *Kettle* *Court*", None),
        ("> quoted\n\n* a list\n* of **bold** things_", None),
        ("What?!?! — “No…” (5 % of $3)", None),
        ("👏🏼👏🏼 warm 🤷🏽‍♀️ → ☕️", None),
        ("茶壶、很暖。", None),
        ("https://example.org/?a=b_c&d=~e#f ok", None),
        ("", None),
    ],
)
def test_symbols(text, reason, target):
    assert target(Symbols(), {"text": text}) == [reason]


@pytest.mark.parametrize("rule", [Length, Urls, Quoted, Shouting, Repetition, Symbols])
def test_style_is_judged_in_replies_alone(rule, context):
    assert context(rule(), *texts("> NO NO NO NO", "https://example.org", "^^^^", "tea " * 9, "x" * 3000)) == [None] * 5


@given(st.text(max_size=60))
def test_no_text_breaks_the_rules(posts, text):
    from filters.verdicts import judge

    rules = [Empty(), Length(), Urls(), Quoted(), Shouting(), Repetition(), Symbols()]
    assert judge(posts({"text": text}, {"text": KETTLE}), rules)["target_reason"][1] is None


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Length(minimum=30, maximum=20), "length: minimum (30) is more than maximum (20), so no reply would be left"),
        (lambda: Length(words=-1), "length: words is -1; expected 0 or more"),
        (lambda: Urls(1.5), "urls: maximum is 1.5; expected a share from 0 to 1"),
        (lambda: Quoted(-0.1), "quoted: maximum is -0.1; expected a share from 0 to 1"),
        (lambda: Shouting(50), "shouting: maximum is 50; expected a share from 0 to 1"),
        (lambda: Shouting(words=0), "shouting: words is 0; expected 1 or more"),
        (lambda: Repetition(0), "repetition: words is 0; expected 1 or more"),
        (lambda: Repetition(phrases=float("nan")), "repetition: phrases is nan; expected a share from 0 to 1"),
        (lambda: Symbols(2), "symbols: maximum is 2; expected a share from 0 to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(build, message):
    with pytest.raises(RuleError) as refused:
        build()
    assert str(refused.value) == message
