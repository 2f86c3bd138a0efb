import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import tokens as module
from filters.cleaning import Quotes
from filters.tokens import tokenise


def keys(*texts):
    return pl.concat([tokens.keys() for tokens in tokenise(pl.Series(texts, dtype=pl.String))]).to_list()


def counts(*texts):
    return pl.concat([tokens.counts() for tokens in tokenise(pl.Series(texts, dtype=pl.String))]).to_list()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The kettle is warm.", "the  KETTLE is\r\nwarm!!"),
        ("Order, order!", "order order"),
        ("“Don’t pour yet…”", '"Don\'t pour yet..."'),
        ("¿Quién? — El juez", "quién el juez"),
        ("Der TÜRSTEHER", "der tu\u0308rsteher"),
        ("ｋｅｔｔｌｅ　ｃｏｕｒｔ", "kettle court"),
        ("a\u00a0kettle", "a kettle"),
        ("> the court is warm\n\nso it is", "So it is."),
        ("   >quoted\nanswer", "answer"),
        ("> only a quote", "Only a quote."),
        ("ПРИГОВОР ВЫНЕСЕН", "приговор вынесен"),
    ],
)
def test_case_punctuation_white_space_quotes_and_codes_of_a_letter_make_no_difference(one, other):
    first, second = keys(one, other)
    assert first == second is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the kettle is warm", "the kettle is cold"),
        ("the kettle is warm", "is the kettle warm"),
        ("kettle s", "kettles"),
        ("C++ it is", "C it is"),
        ("I have 3.5", "I have 35"),
        ("warm 🔥", "warm 🎉"),
        (">!a hidden verdict!<", "a verdict"),
        ("x" * 100, "x" * 101),
        ("x" * 99 + "y", "x" * 99 + "z"),
        ("aaaaaaaab", "aaaaaaaac"),
        (">= 3 cups is right\nI agree.", ">= 50 cups is wrong\nI agree."),
        (">:( such cold kettles\nI agree.", "I agree."),
        ("```\n> pour tea\n```", "```\n> pour milk\n```"),
    ],
)
def test_other_words_make_a_difference(one, other):
    first, second = keys(one, other)
    assert first != second


def test_a_text_without_a_word_has_no_key():
    assert keys(None, "", " \r\n", "?!... —", "> \n>", "a") == [None] * 5 + keys("A")


def test_words_are_counted():
    assert counts("The court finds, the kettle: warm.", None, "", "x" * 1000, "one\ntwo\r\nthree", "好 的") == [6, 0, 0, 1, 3, 2]


def test_no_texts_have_no_words():
    assert keys() == counts() == []


def test_keys_are_the_same_in_every_version():
    assert keys("The kettle is warm.", "Überraschung " + "x" * 70) == [13242564142526457450, 3613798209087878164]


def test_texts_are_looked_at_a_few_megabytes_at_a_time_with_the_same_result(monkeypatch):
    texts = ["The kettle is warm.", None, "x" * 50, "", "the kettle is WARM", "ünter " * 20]
    whole = keys(*texts)
    monkeypatch.setattr(module, "BYTES_AT_ONCE", 30)
    assert len(list(tokenise(pl.Series(texts)))) > 1
    assert keys(*texts) == whole
    assert counts(*texts) == [4, 0, 1, 0, 4, 20]


@given(st.lists(st.lists(st.text(st.sampled_from("abcXYZ019é好🔥"), min_size=1, max_size=80), max_size=6), max_size=5))
def test_texts_have_the_same_key_exactly_where_their_words_are_the_same(texts):
    found = keys(*(" ".join(words) for words in texts))
    for words, key in zip(texts, found, strict=True):
        for others, other in zip(texts, found, strict=True):
            assert (key == other) == ([word.lower() for word in words] == [word.lower() for word in others])
    assert counts(*(", ".join(words) for words in texts)) == [len(words) for words in texts]


def test_quotes_are_those_that_the_transform_takes_out(posts):
    texts = ["> so\n\nNo.", "> so", "> > so\n>!no!<", ">= 3\n> so\nNo.", "```\n> in code\n```\n> so", "No.\n\t> so", None]
    before = pl.Series(texts)
    (raw,), (stripped,) = tokenise(before), tokenise(Quotes().apply(posts(*({"text": text} for text in texts)))["text"])
    assert raw.keys().equals(stripped.keys())
    assert raw.counts().to_list() == [1, 1, 3, 3, 5, 3, 0]
    assert before.to_list() == texts
