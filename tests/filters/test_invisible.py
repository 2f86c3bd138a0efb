import pytest

from filters.invisible import Invisible


def _seen(posts, text):
    return Invisible().apply(posts({"text": text, "title": text})).select("title", "text").row(0)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("ket\u200btle", "kettle"),
        ("ket\u00adtle", "kettle"),
        ("\ufeffkettle", "kettle"),
        ("\u202ekettle\u202c \u2066court\u2069", "kettle court"),
        ("\u200ekettle\u200f", "kettle"),
        ("ket\u2060tle\u2063", "kettle"),
        ("k\x00e\x02t\x1btle\x7f\x9f", "kettle"),
        ("I\ufe0f think", "I think"),
        ("\ufe0fso", "so"),
        ("a\u200db\u200cc", "abc"),
        ("hidden\U000e0068\U000e0069", "hidden"),
        ("👋\ufe0f\ufe0e\ufe01\U000e0110", "👋\ufe0f"),
        ("👩\u200d", "👩"),
        ("\u200d👩", "👩"),
        ("👩\u200d\u200d🚀", "👩\u200d🚀"),
        ("می\u200c\u200cخواهم", "می\u200cخواهم"),
        ("سلام\u200c و", "سلام و"),
        ("a\n\n\u200b\n\nb", "a\n\nb"),
        ("\u200b", ""),
        ("so\n\n\u200b", "so"),
    ],
)
def test_what_nobody_sees_is_taken_out(text, seen, posts):
    assert _seen(posts, text) == (seen, seen)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("a\r\n\r\nb", "a\n\nb"),
        ("a\r\u200b\nb", "a\nb"),
        ("a\x0bb\x0cc\x85d\u2028e\u2029f", "a\nb\nc\nd\ne\nf"),
        ("a.\r  \n\r  \n\r  \nb", "a.\n\nb"),
    ],
)
def test_every_line_end_becomes_a_line_feed(text, lines, posts):
    assert _seen(posts, text) == (lines, lines)


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d👩\u200d👧",
        "👩🏽\u200d🚀",
        "❤\ufe0f\u200d🔥",
        "🏳\ufe0f\u200d🌈 🤷\u200d♀\ufe0f",
        "1\ufe0f⃣ #\ufe0f⃣ ©\ufe0f ☎\ufe0e",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "می\u200cخواهم",
        "क्\u200dष र्\u200cय",
        "葛\U000e0100",
        "e\u0301 \xa0 \u2003 \u3000 tab\there",
        " a\n\n\n\n\nb ",
        "",
    ],
)
def test_what_makes_an_emoji_or_a_letter_stays_and_so_does_visible_space(text, posts):
    assert _seen(posts, text) == (text, text)


def test_a_very_long_text_of_nothing(posts):
    assert _seen(posts, "\u200d" * 200_000 + "so") == ("so", "so")
