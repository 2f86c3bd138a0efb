import html
import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.visible import HIDDEN, MARK, cut, for_page, for_terminal, for_terminal_json, for_terminal_line

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PERSIAN = "می\u200cخواهم"
ANY = st.text(
    st.one_of(st.characters(), st.sampled_from("\x00\x07\x1b\x7f\x9b\r\n\t<>&\"'\u200b\u200d\u200e\u202e\u2066\u2069\ufeff\U000e0041"))
)


def unmarked(page: str) -> str:
    """The text that a browser would show, marks and all."""
    return html.unescape(re.sub(r"<[^>]*>", "", page))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Order in court, said the kettle.", "Order in court, said the kettle."),
        ("one\n\ttwo", "one\n\ttwo"),
        ("\x1b]0;title\x07\x1b[2J", "␛]0;title␇␛[2J"),
        ("\x00\x08\r\x7f", "␀␈␍␡"),
        ("\x9b2J \x85", "␡2J ␡"),
        ("kettle\u202eelttek\u202c", f"kettle{MARK}elttek{MARK}"),
        ("\u2066\u2067\u2068\u2069\u200e\u200f\u061c", MARK * 7),
        ("ke\u200bt\u00adt\u2060l\ufeffe", f"ke{MARK}t{MARK}t{MARK}l{MARK}e"),
        ("\u2028\u2029\ufff9\u3164", MARK * 4),
        ("\U000e0068\U000e0069", MARK * 2),
        ("ket\u200dtle \u200c", f"ket{MARK}tle {MARK}"),
        (f"{FAMILY} {PERSIAN} ☕\ufe0f é e\u0301", f"{FAMILY} {PERSIAN} ☕\ufe0f é e\u0301"),
        ("\ud800", MARK),
        ("", ""),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_seen(text: str, shown: str) -> None:
    assert for_terminal(text) == shown


@given(ANY)
def test_nothing_that_acts_reaches_a_terminal_and_the_rest_stays(text: str) -> None:
    shown = for_terminal(text)
    assert len(shown) == len(text)
    assert not HIDDEN.search(shown)
    assert all(unicodedata.category(character) != "Cc" or character in "\n\t" for character in shown)
    assert all(
        unicodedata.bidirectional(character) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI") for character in shown
    )
    assert all(a == b for a, b in zip(text, shown, strict=True) if not ("\u2400" <= b <= "\u2426"))
    assert for_terminal(shown) == shown


@given(ANY, st.integers(1, 40))
def test_a_line_is_one_line_and_no_longer_than_asked(text: str, longest: int) -> None:
    line = for_terminal_line(text, longest)
    assert len(line) <= longest
    assert not set(line) & set("\n\t\r\v\f\x85\u2028\u2029")
    assert line == cut(for_terminal_line(text), longest)


@given(ANY)
def test_a_document_has_the_same_values_and_nothing_that_acts(text: str) -> None:
    document = for_terminal_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(document) == {text: [text]}
    assert not HIDDEN.search(document)


def test_white_space_becomes_one_space() -> None:
    assert for_terminal_line(" one\r\n\r\n two\tthree \x1b[0m") == "one two three ␛[0m"
    assert for_terminal_line("The kettle rests.", 10) == "The kettl…"
    assert for_terminal_line("The kettle rests.", 5) == "The…"


def test_a_page_shows_markup_as_text() -> None:
    assert for_page("<script>alert(1)</script> & \"tea\" 'n' <b>") == (
        '<bdi dir="auto">&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;tea&quot; &#x27;n&#x27; &lt;b&gt;</bdi>'
    )


def test_a_page_marks_hidden_characters_with_their_names() -> None:
    assert for_page("a\u202e\x1bb") == (
        '<bdi dir="auto">a<span class="hidden" title="RIGHT-TO-LEFT OVERRIDE">U+202E</span>'
        '<span class="hidden" title="control character">U+001B</span>b</bdi>'
    )


@given(ANY)
def test_no_text_leaves_its_element_or_hides_on_a_page(text: str) -> None:
    page = for_page(text)
    tags = re.findall(r"<[^>]*>", page)
    assert all(re.fullmatch(r'<bdi dir="auto">|</bdi>|<span class="hidden" title="[-A-Za-z0-9 ]*">|</span>', tag) for tag in tags)
    assert tags.count('<bdi dir="auto">') == tags.count("</bdi>") == 1
    assert not HIDDEN.search(page)
    page.encode()
    kept = HIDDEN.sub("", text)
    assert unmarked(re.sub(r'<span class="hidden".*?</span>', "", page)) == kept


def test_a_text_is_cut_with_an_ellipsis_only_where_it_is_too_long() -> None:
    assert cut("kettle", 6) == "kettle"
    assert cut("kettles", 6) == "kettl…"
    assert cut("tea   kettle", 6) == "tea…"
    assert cut("ab", 1) == "…"
