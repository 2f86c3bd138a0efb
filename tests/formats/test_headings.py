import re

import polars as pl
import pytest

from formats.templates.headings import SOMEBODY, Heading, Many, literal_heading

NAMED = Heading("## {speaker}[[ ({flair})]][[, {date}]]: ##\n", "The Clerk")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"speaker": "The Clerk"}, "## The Clerk: ##\n"),
        ({"speaker": "Speaker_0", "flair": "Law"}, "## Speaker_0 (Law): ##\n"),
        ({"speaker": "Speaker_0", "flair": "Law", "date": "2011-11-11"}, "## Speaker_0 (Law), 2011-11-11: ##\n"),
        ({"speaker": "Speaker_0", "date": "2011-11-11"}, "## Speaker_0, 2011-11-11: ##\n"),
    ],
)
def test_optional_parts_are_left_out_where_a_value_is_unknown(values, text):
    assert NAMED.text(values) == text
    columns = pl.DataFrame({name: [values.get(name)] for name in ("speaker", "flair", "date")}, schema_overrides={"flair": pl.String})
    columns = columns.with_columns(pl.all().cast(pl.String))
    assert columns.select(NAMED.expression({name: pl.col(name) for name in columns.columns})).item() == text
    assert re.fullmatch(NAMED.core, text.strip())
    assert NAMED.named.fullmatch(text.strip())["speaker"] == values["speaker"]


def test_a_value_unknown_outside_of_optional_parts_is_empty_or_makes_the_whole_unknown():
    heading = Heading("From {community}:", "Bot")
    nothing = pl.DataFrame({"community": [None]}, schema={"community": pl.String})
    assert heading.text({}) == nothing.select(heading.expression({"community": pl.col("community")})).item() == "From :"
    assert nothing.select(heading.expression({"community": pl.col("community")}, unknown=None)).item() is None
    assert nothing.select(heading.expression({}, unknown=None)).item() is None
    assert re.fullmatch(heading.core, "From :")


def test_the_names_are_those_of_the_placeholders_in_order():
    assert NAMED.names == ["speaker", "flair", "date"]


def test_the_pattern_leaves_out_the_white_space_at_the_edges_and_matches_no_other_speaker():
    assert re.fullmatch(NAMED.core, "## Speaker_12: ##")
    assert not re.fullmatch(NAMED.core, "## Bot: ##")
    assert not re.fullmatch(NAMED.core, "## Speaker_12 (<b>): ##")
    assert Heading("\n a {speaker}\t\n", "Bot").core == r"a\ (?:Bot|Speaker_[0-9]+)"


def test_what_a_heading_can_become_is_every_choice_of_speaker_and_optional_part():
    words = Heading("{speaker}[[ {date}]]:", "B").words
    assert words == [
        ("B", " ", Many("0-9-"), ":"),
        ("B", ":"),
        (*SOMEBODY, " ", Many("0-9-"), ":"),
        (*SOMEBODY, ":"),
    ]


def test_a_literal_is_what_it_is():
    literal = literal_heading(" [[{x}]]\n")
    assert literal.text({}) == " [[{x}]]\n"
    assert (literal.core, literal.names, literal.is_blank) == (re.escape("[[{x}]]"), [], False)
    assert (literal_heading("").words, literal_heading(" \n").is_blank) == ([()], True)
