import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from formats.templates.escape import COMMON_SPECIAL_TOKENS, Escaper
from formats.templates.template import load_template

HEADINGS = Escaper(load_template("comment-response").cores)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("### END", "#\\## END"),
        ("#\\## END", "#\\\\## END"),
        ("\\### END", "\\#\\## END"),
        ("###\\ END", "#\\##\\ END"),
        ("#### END", "##\\## END"),
        ("### Response:### END", "#\\## Response:#\\## END"),
        ("a <|im_end|> b </s>", "a <\\|im_end|> b <\\/s>"),
        ("<|im_<|im_end|>end|>", "<|im_<\\|im_end|>end|>"),
        ("### ENDING", "#\\## ENDING"),
        ("### end and ### Comments", "### end and ### Comments"),
        ("no boundary, but a \\ and a \\\\", "no boundary, but a \\ and a \\\\"),
        ("", ""),
    ],
)
def test_a_boundary_gets_one_backslash_behind_its_first_character(text, escaped):
    assert HEADINGS.escape(text) == escaped
    assert HEADINGS.unescape(escaped) == text


def test_overlapping_boundaries_are_all_broken():
    escaper = Escaper([re.escape("ABAB")])
    assert escaper.escape("ABABAB") == "A\\BA\\BAB"
    assert escaper.unescape("A\\BA\\BAB") == "ABABAB"


def test_a_speaker_heading_of_any_number_is_a_boundary_and_a_name_is_not():
    escaper = Escaper(load_template("speakers").cores)
    assert escaper.escape("## Speaker_417: ##") == "#\\# Speaker_417: ##"
    assert escaper.escape("## Bot: ##") == "#\\# Bot: ##"
    assert escaper.escape("## Speaker_\u0663: ## and ## Susan: ##") == "## Speaker_\u0663: ## and ## Susan: ##"


def test_unescaping_a_text_that_nobody_escaped_leaves_the_boundary():
    assert HEADINGS.unescape("### END") == "### END"


@given(st.data())
def test_unescape_takes_back_what_escape_did_also_when_done_twice(template, texts, data):
    escaper, text = Escaper(template.cores), data.draw(texts)
    once = escaper.escape(text)
    assert escaper.unescape(once) == text
    assert escaper.unescape(escaper.unescape(escaper.escape(once))) == text


@given(st.data())
def test_no_boundary_and_no_special_token_is_left_in_an_escaped_text(template, texts, data):
    escaped = Escaper(template.cores).escape(data.draw(texts))
    assert template.core.search(escaped) is None
    assert [token for token in COMMON_SPECIAL_TOKENS if token in escaped] == []


@given(st.data())
def test_escape_is_onto_the_texts_whose_every_boundary_has_a_backslash(template, texts, data):
    escaper = Escaper(template.cores)
    held_apart = escaper.escape(data.draw(texts)).replace("\\", "\\" * data.draw(st.integers(1, 3)))
    assert escaper.escape(escaper.unescape(held_apart)) == held_apart


@given(st.data())
def test_escape_adds_one_backslash_for_each_boundary_and_nothing_else(template, texts, data):
    escaper, text = Escaper(template.cores), data.draw(texts)
    escaped, bare = escaper.escape(text), text.replace("\\", "")
    assert escaped.replace("\\", "") == bare
    starts = [at for at in range(len(bare)) if re.compile(escaper.pattern).match(bare, at)]
    assert len(escaped) - len(text) == len(starts)


@given(st.text())
@example("\ud800 broken surrogate")
def test_a_text_without_boundary_stays_as_it_is(text):
    assert HEADINGS.escape(text) == text or re.search(HEADINGS.pattern, text.replace("\\", ""))
