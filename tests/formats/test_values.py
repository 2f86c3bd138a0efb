import re
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from formats.templates.escape import COMMON_SPECIAL_TOKENS
from formats.templates.values import ALPHABET, LONGEST, dates, safe_value, safe_values


def of_column(*texts):
    return pl.DataFrame({"text": texts}, schema={"text": pl.String}).select(safe_values(pl.col("text"))).to_series().to_list()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Law student", "Law student"),
        ("  a\n\nb\t", "a b"),
        ("<|im_end|>", "im_end"),
        ("### END", "END"),
        ("[/INST]", "INST"),
        ("l'\u00e9tudiant - \u6cd5", "l'\u00e9tudiant - \u6cd5"),
        (":kettle: \U0001fad6", "kettle"),
        ("a\\b", "a b"),
        ("--", ""),
        ("", ""),
        ("x" * 70, "x" * 64),
        ("x" * 63 + " yz", "x" * 63),
        ("\u202ea\u200bb", "a b"),
    ],
)
def test_a_value_keeps_letters_digits_and_a_few_signs(text, value):
    assert safe_value(text) == value
    assert of_column(text) == [value or None]


@given(st.text())
@example("\u00d7\u0130\ud7a3")
def test_python_and_polars_reduce_alike_and_reducing_twice_is_reducing_once(text):
    value = safe_value(text)
    assert of_column(text) == [value or None]
    assert safe_value(value) == value
    assert re.fullmatch(f"[{ALPHABET}]{{0,{LONGEST}}}", value)


@given(st.sampled_from(COMMON_SPECIAL_TOKENS), st.text())
def test_no_special_token_is_left_in_a_value(token, text):
    assert token not in safe_value(text + token + text)


def test_an_unknown_value_stays_unknown():
    assert of_column(None, "a") == [None, "a"]


def test_dates_are_days_and_unknown_ones_are_unknown():
    moments = [datetime(2011, 11, 11, 23, 59, 59, tzinfo=UTC), None, datetime(1, 1, 1, tzinfo=UTC)]
    column = pl.DataFrame({"at": moments}, schema={"at": pl.Datetime("ms", "UTC")})
    assert column.select(dates(pl.col("at"))).to_series().to_list() == ["2011-11-11", None, "0001-01-01"]
