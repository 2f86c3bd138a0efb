import re

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filters.measuring import scanning
from filters.measuring.measures import MEASURES, measure, needed
from filters.reception import MinScore
from filters.vocabulary import Words
from filters.wording import Empty, Length, Repetition, Shouting

KETTLE = "The court finds the kettle warm and the witness colder."


def of(name, *texts):
    return measure(pl.DataFrame({"text": texts}, schema={"text": pl.String}), [name])[name].to_list()


def rounded(name, *texts):
    return [round(share, 3) for share in of(name, *texts)]


def test_needed_are_the_measures_that_rules_read_in_their_order():
    assert needed([Repetition(), Length(), MinScore(), Words(block=("tea",))]) == [
        "characters",
        "words",
        "repeated_words",
        "repeated_phrases",
    ]
    assert needed([Empty(), Shouting()]) == ["characters", "shouted_words", "shouted"]
    assert needed([]) == []


def test_the_wanted_columns_come_in_their_order_a_row_each_without_null():
    posts = pl.DataFrame({"text": [KETTLE, None, ""]})
    found = measure(posts, [*reversed(MEASURES)])
    assert found.columns == [*reversed(MEASURES)]
    assert found.height == 3
    assert sum(found.null_count().row(0)) == 0
    counts = {"characters", "words", "shouted_words", "repeated_words"}
    assert {name: found.schema[name] for name in MEASURES if name != "only_links"} == {
        name: pl.UInt32 if name in counts else pl.Float32 for name in MEASURES if name != "only_links"
    }
    assert found.schema["only_links"] == pl.Boolean


def test_a_missing_text_measures_as_an_empty_one():
    assert measure(pl.DataFrame({"text": [None]}, schema={"text": pl.String}), MEASURES).equals(
        measure(pl.DataFrame({"text": [""]}), MEASURES)
    )


def test_no_posts_have_no_measures_but_all_columns():
    found = measure(pl.DataFrame(schema={"text": pl.String}), MEASURES)
    assert found.height == 0
    assert found.schema == measure(pl.DataFrame({"text": [KETTLE]}), MEASURES).schema


def test_what_is_no_measure_is_refused():
    with pytest.raises(KeyError, match="unknown measure 'warmth'; known: characters"):
        measure(pl.DataFrame({"text": [KETTLE]}), ["warmth"])


def test_characters_are_counted_without_white_space_at_the_ends():
    assert of("characters", " \u2028tea\r\n", "é", "e\u0301", "🫖🫖", "") == [3, 1, 2, 2, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (KETTLE, 10),
        ("", 0),
        (" \r\n\t", 0),
        ("don't", 1),
        ("don’t", 1),
        ("'tis 'quoted'", 2),
        ("'", 0),
        ("''''", 0),
        ("tea-pot, tea/pot", 4),
        ("3.50", 2),
        ("first\r\nsecond\u2028third\xa0fourth\u3000fifth", 5),
        ("...!? — … « »", 0),
        ("🫖 ☕️ 🤷🏽‍♀️", 0),
        ("naïve café", 2),
        ("nai\u0308ve cafe\u0301", 2),
        ("Чайник стынет", 2),
        ("주전자가 따뜻하다", 2),
        ("법정", 1),
        ("茶壶很暖", 4),
        ("やかんは暖かい。", 7),
        ("กาน้ำชา", 6),
        ("ที่", 1),
        ("茶 and 茶壶", 4),
        ("إبريق الشاي", 2),
        ("𝓴𝓮𝓽𝓽𝓵𝓮", 1),
        ("\u0301", 0),
        ("\u0301\u3099\u0301", 0),
        ("茶\u0301\u3099\u0301", 1),
        ("茶\u0301e\u0301\u3099\u0301x \u0301\u0301", 2),
        ("See https://example.org/a/b?c=d&e=f for it", 3),
        ("[the ruling](https://example.org/a)", 2),
    ],
)
def test_words(text, words):
    assert of("words", text, KETTLE, text) == [words, 10, words]


@pytest.mark.parametrize(
    ("text", "words", "share"),
    [
        ("ORDER IN COURT", 3, 1),
        ("I am A judge", 0, 0),
        ("The GPA of a Kettle", 1, 0.2),
        ("DON'T, DON’T!", 2, 1),
        ("McKettle and iKettle KETTLEs", 0, 0),
        ("R2D2 4TH COVID19 12", 2, 0.5),
        ("ÉCOLE ÜBER Élan É À", 2, 0.4),
        ("ЧАЙ Чай Я И", 1, 0.25),
        ("ΤΣΑΙ", 1, 1),
        ("茶壶很暖", 0, 0),
        ("", 0, 0),
        ("[ORDER](https://example.org/AAA_BBB)", 1, 1),
    ],
)
def test_words_in_capitals(text, words, share):
    assert of("shouted_words", text) == [words]
    assert rounded("shouted", text) == [round(share, 3)]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (KETTLE, 0),
        ("“Warm” – he said… isn’t it? (50 % of $3 & £2/€1.)", 0),
        ("*warm* **tea**", 0),
        ("🫖☕️🤷🏽‍♀️ ← →", 0),
        ("茶壶、很暖。", 0),
        ("a|b|", 0.5),
        ("^^^^", 1),
        ("░▒▓█", 1),
        ("", 0),
    ],
)
def test_symbols(text, share):
    assert rounded("symbols", text) == [share]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("", 0),
        ("!!!", 0),
        ("tea", 1),
        ("tea time tea", 1),
        ("No, no no. NO!", 4),
        ("tea tea\n\ncake cake cake", 3),
        ("teakettles teakettler", 1),
        ("understand understood understand", 1),
        ("long-winded winded winded", 3),
        ("茶茶茶茶", 0),
        ("🫖 🫖 🫖", 0),
        ("é é É", 2),
    ],
)
def test_a_word_in_a_row(text, times):
    assert of("repeated_words", text, text) == [times, times]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0),
        ("tea and", 0),
        ("the kettle sings, and the kettle boils", 0),
        ("the kettle is on, the kettle is off", 1 / 6),
        ("order in court! Order in court! ORDER, IN COURT!", 4 / 7),
        ("tea tea tea tea", 1 / 2),
    ],
)
def test_phrases_said_before(text, share):
    assert rounded("repeated_phrases", text, KETTLE, text) == [round(share, 3), 0, round(share, 3)]


def test_a_word_of_one_text_is_no_repetition_of_the_text_before():
    assert of("repeated_words", "tea", "tea", "tea") == [1, 1, 1]
    assert of("repeated_phrases", "one more kettle", "one more kettle") == [0, 0]
    assert of("words", "a", "b", "'", "c") == [1, 1, 0, 1]


def test_a_text_longer_than_a_slice_and_many_short_ones_are_measured_alike(monkeypatch):
    texts = [*["tea"] * 500, "order in court " * 5000, "TEA", "", *["é 🫖 茶"] * 200]
    posts = pl.DataFrame({"text": texts})
    whole = measure(posts, MEASURES)
    monkeypatch.setattr(scanning, "SLICE", 64)
    assert measure(posts, MEASURES).equals(whole)
    assert whole["words"][500] == 15000


def test_a_million_marks_are_measured_as_fast_as_letters():
    marks = "\u0301" * 500_000
    found = measure(pl.DataFrame({"text": [marks, f"cafe{marks}", f"茶{marks}", KETTLE]}), MEASURES)
    assert found["words"].to_list() == [0, 1, 1, 10]
    assert found["characters"].to_list() == [500_000, 500_004, 500_001, len(KETTLE)]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("> so\nNo.", 0.5),
        ("> so\n> so\n>\n\nNo.", 2 / 3),
        ("> so", 0),
        (">= 3 cups\nNo.", 0),
        (">:(\nNo.", 0),
        ("```\n> code\n```", 0),
        (">!hidden!<\n> so", 0.5),
        ("", 0),
        (None, 0),
    ],
)
def test_quoted_is_the_share_of_the_lines_that_would_be_stripped(text, share):
    assert rounded("quoted", text, KETTLE) == [round(share, 3), 0]


TEXTS = st.text(st.sampled_from("aAbZéÉßžŽ茶あกЧчéo019 \n\t\u2028.,!'’-^|🫖️\u200d♀\u0301x"), max_size=40)


@given(st.lists(TEXTS, max_size=8))
@example(["'", "a", "'a", "a'", "'"])
@example(["’a", "a’", "a’a", "a'’a"])
def test_measures_are_those_of_a_slow_reading(texts):
    posts = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    found = measure(posts, ["words", "shouted_words", "symbols", "repeated_words", "repeated_phrases"])
    assert found.rows() == [slow(text) for text in texts]


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_measures_do_not_depend_on_the_neighbours(texts):
    together = measure(pl.DataFrame({"text": texts}), MEASURES)
    alone = pl.concat([measure(pl.DataFrame({"text": [text]}), MEASURES) for text in texts])
    assert together.equals(alone)


def slow(text):
    spaced = [character for character in text if character in "茶あก"]
    words = re.findall(r"[^\W_](?:[^\W_]|\u0301|['’](?=[^\W_]))*", re.sub("[茶あก]", " ", text))
    shouted = [word for word in words if not any(c.islower() for c in word) and re.search("[AZÉŽЧ]{2}", word)]
    plain = ["".join(c.lower() if c.isascii() else c for c in word) for word in words]
    longest = now = 0
    for before, word in zip([None, *plain], plain, strict=False):
        now = now + 1 if word == before else 1
        longest = max(longest, now)
    phrases = list(zip(plain, plain[1:], plain[2:], strict=False))
    share = (len(phrases) - len(set(phrases))) / max(len(phrases), 1)
    symbols = sum(character in "^|" for character in text) / max(len(text), 1)
    return tuple(pl.Series([value], dtype=pl.Float32)[0] for value in (len(words) + len(spaced), len(shouted), symbols, longest, share))
