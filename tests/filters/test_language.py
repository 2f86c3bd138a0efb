import sys

import polars as pl
import pytest

from filters.language import CODES, LEAST_LETTERS, WORDLESS, Language, LanguageScorer
from filters.rule import BOTH, NOBODY, Phase, RuleError
from filters.verdicts import judge

ENGLISH = "The court finds the kettle warm and the witness colder."
GERMAN = "Das Gericht hat den Kessel noch nicht wieder aufgesetzt."


@pytest.fixture(scope="module")
def scorer():
    return Language(("en",)).load()


@pytest.fixture(scope="module")
def reasons(posts, scorer):
    """The target reasons of posts, each a thread and a text."""

    def judged(rule, *threads_and_texts):
        table = posts(*({"id": f"t1_{place}", "thread_id": thread, "text": text} for place, (thread, text) in enumerate(threads_and_texts)))
        table = table.with_columns(language=scorer.score(table["text"].to_list()).to_struct())
        verdicts = judge(table, [rule])
        assert verdicts["target_reason"].to_list() == verdicts["context_reason"].to_list()
        return verdicts["target_reason"].to_list()

    return judged


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "ngl that ruling was fire, the whole court was shook"),
        ("en", "AIN'T NO WAY HE SAID THAT TO THE WITNESS"),
        ("de", "Naja, ich find das Urteil ehrlich gesagt ziemlich daneben"),
        ("fr", "Quelqu'un sait quand sort le prochain épisode ?"),
        ("es", "La verdad el juez se paso un poco con la sentencia"),
        ("pt", "Alguém sabe quando sai o próximo capítulo?"),
        ("it", "Secondo me il giudice ha esagerato con la pena"),
        ("nl", "Eerlijk gezegd vind ik de rechter wat streng vandaag"),
        ("pl", "Moim zdaniem sędzia trochę przesadził z wyrokiem"),
        ("ru", "Кто-нибудь знает, когда выйдет новая серия?"),
        ("tr", "Yeni bölüm ne zaman çıkıyor, bilen var mı acaba?"),
        ("ja", "この裁判長のセリフは本当に面白かったと思いますよ"),
        ("ko", "다음 편이 언제 나오는지 아시는 분 있으면 제발 알려 주세요"),
        ("ar", "هل يعرف أحد متى تصدر الحلقة الجديدة من المحكمة؟"),
        ("el", "Ξέρει κανείς πότε βγαίνει το επόμενο επεισόδιο;"),
    ],
)
def test_sentences_of_forums_are_told_apart(scorer, code, text):
    ((found, confidence),) = scorer.score([text]).rows()
    assert found == code
    assert confidence > 0.6


def test_a_text_is_too_short_to_tell_by_its_letters_alone(scorer):
    texts = [
        "",
        "lol",
        "Gute Nacht! 12345678901234567890",
        "🔥" * 40,
        "ok https://www.example.org/der/kessel/ist/kaputt",
        "see r/KettleCourt_Zusammenfassung, u/der_richter_am_kessel, @gerichtsschreiber",
        "e" * LEAST_LETTERS,
        "\x00\x01 \u200b" * 30,
    ]
    assert scorer.score(texts).rows() == [(None, 0.0)] * len(texts)
    assert scorer.score([ENGLISH[:30]])["code"].to_list() == ["en"]


def test_links_do_not_hide_the_language_around_them(scorer):
    assert scorer.score([f"{GERMAN} https://www.example.org/the/kettle/is/warm/and/the/witness/is/colder"])["code"].to_list() == ["de"]


def test_very_long_and_damaged_texts_are_no_trouble(scorer):
    found = scorer.score([ENGLISH * 10_000, "\ud83d" + ENGLISH, ENGLISH.replace(" ", "\r\n")])
    assert found["code"].to_list() == ["en"] * 3


def test_the_scorer_gives_what_its_schema_says(scorer):
    assert scorer.score([]).schema == scorer.score([ENGLISH]).schema == scorer.schema
    assert scorer.key.startswith("py3langid-")
    assert scorer.score([ENGLISH, GERMAN]).rows() == scorer.score([ENGLISH]).rows() + scorer.score([GERMAN]).rows()


def test_every_code_is_one_that_the_detector_knows(scorer):
    assert set(scorer._identifier.labels) == {*CODES, WORDLESS}
    assert all(len(code) == 2 for code in CODES)


def test_posts_in_another_language_are_dropped_as_reply_and_as_context(reasons):
    posts = [("t3_a", ENGLISH), ("t3_a", GERMAN)]
    assert reasons(Language(("en",)), *posts) == [None, "language"]
    assert reasons(Language(("de",)), *posts) == ["language", None]
    assert reasons(Language(("de", "en")), *posts) == [None, None]
    assert reasons(Language(("fr", "it")), *posts) == ["language", "language"]


def test_a_short_post_goes_with_its_thread(reasons):
    posts = [
        ("t3_a", ENGLISH), ("t3_a", ENGLISH), ("t3_a", GERMAN), ("t3_a", "Danke dir!"),
        ("t3_b", GERMAN), ("t3_b", "lol"),
        ("t3_c", "lol"),
        ("t3_d", ENGLISH), ("t3_d", GERMAN), ("t3_d", "lol"),
    ]  # fmt: skip
    assert reasons(Language(("en",)), *posts) == [
        None, None, "language", None,
        "language", "language",
        None,
        None, "language", None,
    ]  # fmt: skip


def test_what_is_not_told_with_confidence_is_kept_and_speaks_for_no_thread(posts):
    table = posts(*({"id": f"t1_{place}", "thread_id": thread} for place, thread in enumerate("aabbccd")))
    told = [("de", 0.59), (None, 0.0), ("de", 0.61), (None, 0.0), (WORDLESS, 1.0), (None, 0.0), None]
    struct = pl.Struct({"code": pl.String, "confidence": pl.Float32})
    values = [found and {"code": found[0], "confidence": found[1]} for found in told]
    table = table.with_columns(language=pl.Series(values, dtype=struct))
    assert judge(table, [Language(("en",))])["target_reason"].to_list() == [None, None, "language", "language", None, None, None]
    assert judge(table, [Language(("en",), confidence=0.5)])["target_reason"].to_list()[:2] == ["language", "language"]


def test_with_no_language_named_nobody_is_judged():
    assert Language().judging() == NOBODY
    assert Language(("en",)).judging() == BOTH
    assert Language.phase is Phase.TEXT


@pytest.mark.parametrize("code", ["english", "EN", "zxx", ""])
def test_an_unknown_code_is_refused_with_the_known_ones(code):
    with pytest.raises(RuleError, match=f"^language: unknown language '{code}' in languages; known codes of ISO 639-1: af, am, .*, zu$"):
        Language(("en", code))


def test_a_confidence_that_is_none_is_refused():
    with pytest.raises(RuleError, match=r"^language: confidence is 1\.5; expected 0 to 1$"):
        Language(("en",), 1.5)


def test_a_missing_detector_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(RuleError, match=r"^language: the detector needs the package py3langid \(.*\); pip install it$"):
        LanguageScorer()
