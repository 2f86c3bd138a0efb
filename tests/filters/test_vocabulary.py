import polars as pl
import pytest

from filters.rule import BOTH, NOBODY, TARGET, RuleError
from filters.vocabulary import Words, find_words

KETTLE = "The court finds the kettle warm."


def texts(*found):
    return [{"text": text} for text in found]


@pytest.mark.parametrize(
    ("word", "text", "reason"),
    [
        ("tea", "More tea?", "words"),
        ("tea", "TEA", "words"),
        ("TEA", "tea!", "words"),
        ("tea", "teapot", None),
        ("tea", "the steam", None),
        ("tea", "tea_time tea2", None),
        ("tea", "tea-time", "words"),
        ("tea*", "teapot", "words"),
        ("tea*", "a tea", "words"),
        ("tea*", "steam", None),
        ("warm kettle", "a WARM\n\nKettle", "words"),
        ("warm kettle", "a warm, kettle", "words"),
        ("warm kettle", "a warm old kettle", None),
        ("warm kettle", "lukewarm kettle", None),
        ("warm  kettle", "warm kettle", "words"),
        ("warm kett*", "warm kettles", "words"),
        ("k*ttle", "a k*ttle", "words"),
        ("k*ttle", "a kettle", None),
        ("c++", "in C++ and", "words"),
        ("c++", "in abc++", None),
        ("c.", "cx", None),
        ("café", "CAFÉ", "words"),
        ("CAFÉ", "un café.", "words"),
        ("cafe", "café", None),
        ("чай", "Чай!", "words"),
        ("чай", "чайник", None),
        ("straße", "STRAßE", "words"),
        ("茶", "红茶壶", "words"),
        ("tea", "some _tea_, please", "words"),
        ("tea", "__tea__", "words"),
        ("tea", "*_tea_*", "words"),
        ("tea", "_tea_time_", None),
        ("_tea_", "tea", "words"),
        ("tea_time", "at _tea_time_", "words"),
        ("warm kettle", "a _warm_ _kettle_", "words"),
        ("don't panic", "Don’t panic!", "words"),
        ("don't panic", "don't, panic", "words"),
        ("don’t panic", "DON'T\nPANIC", "words"),
        ("don't panic", "don't you panic", None),
        ("don't panic", "_don't_ panic", "words"),
        ("self-harm", "self‑harm", "words"),
        ("self-harm", "self harm", None),
        ("co-op shop", "the co-op, shop", "words"),
        ("co-op sh*", "the co-op\u00a0shops", "words"),
        ("café", "cafe\u0301", "words"),
        ("cafe\u0301", "Café", "words"),
        ("tea", "ＴＥＡ", "words"),
        ("ＴＥＡ", "tea", "words"),
        ("tea＊", "teapot", "words"),
        ("tea", "Tea™", "words"),
        ("μ", "µ", "words"),
        ("🫖", "hot🫖pot", "words"),
        ("tea", "", None),
        ("tea", None, None),
    ],
)
def test_block(word, text, reason, target, context):
    assert target(Words(block=(word,)), {"text": text}) == [reason]
    assert context(Words(block=(word, "unheard-of")), {"text": text}) == [reason]


def test_titles_count(target):
    assert target(Words(block=("tea",)), {"title": "On tea", "text": KETTLE}, {"title": "On cake", "text": KETTLE}) == ["words", None]
    assert target(Words(allow=("tea",)), {"title": "On tea", "text": KETTLE}, {"title": "On cake", "text": KETTLE}) == [None, "words"]


def test_allow_keeps_only_replies_with_one_of_its_words_and_leaves_the_context_alone(target, context):
    found = texts("The kettle.", "A kettledrum.", "Scones, then.", None)
    rule = Words(allow=("kettle", "scone*"))
    assert target(rule, *found) == [None, "words", None, "words"]
    assert context(rule, *found) == [None] * 4


def test_block_and_allow_together(target, context):
    found = texts("kettle", "kettle and tea", "tea", "cake")
    rule = Words(block=("tea",), allow=("kettle",))
    assert target(rule, *found) == [None, "words", "words", "words"]
    assert context(rule, *found) == [None, "words", "words", None]


def test_words_that_hold_each_other_are_all_found(target):
    rule = Words(block=("pot", "teapot", "teapots*", "tea pot"))
    assert target(rule, *texts("teapot", "teapotss", "teapott", "flowerpot", "tea pot", "stewpot pot")) == [
        "words",
        "words",
        None,
        None,
        "words",
        "words",
    ]


def test_thousands_of_words(target):
    words = tuple(f"kettle{number}" for number in range(5000))
    assert target(Words(block=words), *texts("kettle4999", "kettle5000", "kettle", "KETTLE17!")) == ["words", None, None, "words"]


def test_texts_are_not_changed(posts):
    texts = pl.Series(["_TEA_", "Café’s", None])
    assert find_words(texts, ("tea", "café's")).to_list() == [True, True, False]
    assert texts.to_list() == ["_TEA_", "Café’s", None]


def test_without_words_nobody_is_judged(target):
    assert Words().judging() == NOBODY
    assert Words(allow=("tea",)).judging() == TARGET
    assert Words(block=("tea",)).judging() == BOTH
    assert target(Words(), {"text": "tea"}) == [None]


def test_no_posts(posts):
    from filters.verdicts import judge

    assert judge(posts({}).clear(), [Words(block=("tea",), allow=("cake",))]).height == 0


@pytest.mark.parametrize(
    ("setting", "word"), [("block", ""), ("allow", " "), ("block", "*"), ("allow", " * "), ("block", "__"), ("allow", "_*")]
)
def test_words_that_would_be_everywhere_are_refused(setting, word):
    with pytest.raises(RuleError) as refused:
        Words(**{setting: ("tea", word)})
    assert str(refused.value) == f"words: {setting} holds {word!r}, which would be found everywhere; expected a word or a phrase"
