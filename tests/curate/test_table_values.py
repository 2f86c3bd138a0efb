import datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from curate.sources.reading.ndjson import ROW
from curate.sources.tabular.values import cast, told_distinguished, told_removal, typed
from formats.errors import UserError

NOON = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)


def column(name: str, values: pl.Series | list[Any], dtype: Any = None) -> list[Any]:
    series = pl.Series(name, values, dtype)
    rows = pl.int_range(1, len(series) + 1, eager=True).alias(ROW)
    return cast(pl.DataFrame([series, rows]), "kettles.csv")[name].to_list()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1700000000", " 1700000000.9 ", "1700000000000", "1700000000000000", "1700000000000000000"], pl.String),
        ([1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, 1_700_000_000_000_000_000], pl.Int64),
        ([1.7e9, 1.7e12], pl.Float64),
        (["2023-11-14T22:13:20Z", "2023-11-14 22:13:20", "2023-11-14 22:13:20.987 UTC", "2023-11-14T22:13:20,5+00:00"], pl.String),
        (["2023-11-14T23:13:20+01:00", "2023-11-14 18:43:20-0330", "2023-11-15T00:13:20+02"], pl.String),
        ([NOON.replace(tzinfo=None)], pl.Datetime("ns")),
        ([NOON], pl.Datetime("us", "Europe/Paris")),
    ],
)
def test_times_of_every_kind_are_utc(values: list[Any], dtype: Any) -> None:
    assert column("created_at", values, dtype) == [NOON] * len(values)


def test_a_day_is_its_midnight_and_what_is_no_time_is_null() -> None:
    midnight = NOON.replace(hour=0, minute=0, second=0)
    assert column("created_at", ["2023-11-14", "2023-11-14 22:13", "14/11/2023", "2023-13-01", "", "nan", "inf", None, "1e300"]) == [
        midnight, NOON.replace(second=0), None, None, None, None, None, None, None,
    ]  # fmt: skip
    assert column("edited_at", [False, True]) == [None, None]
    assert column("created_at", [midnight.date()]) == [midnight]


@pytest.mark.parametrize(
    ("values", "dtype", "keys"),
    [
        (["007", " 12e5", "1007046", "t1_x", "", "nan", "None", None, "-1"], pl.String, ["007", "12e5", "1007046", "t1_x"] + [None] * 5),
        ([7, 2**63 - 1, None], pl.Int64, ["7", "9223372036854775807", None]),
        ([2**64 - 1], pl.UInt64, ["18446744073709551615"]),
        (["a", "b", "a"], pl.Categorical, ["a", "b", "a"]),
        ([None], pl.Null, [None]),
    ],
)
def test_keys_keep_every_digit(values: list[Any], dtype: Any, keys: list[str | None]) -> None:
    assert column("parent_id", values, dtype) == keys


@pytest.mark.parametrize(
    ("values", "dtype", "line"),
    [
        ([7.0, None], pl.Float64, "holds numbers with a fraction (Float64), as in 7.0: ids such as 007 or 12e5 are lost in them; read or"),
        ([Decimal("7.5")], pl.Decimal(4, 1), "holds numbers with a fraction (Decimal(precision=4, scale=1)), as in 7.5: ids such as"),
        ([True], pl.Boolean, "holds Boolean; expected text or whole numbers: name another"),
        ([["a"]], pl.List(pl.String), "holds List(String); expected text or whole numbers: name another"),
    ],
)
def test_what_cannot_be_a_key_is_refused(values: list[Any], dtype: Any, line: str) -> None:
    with pytest.raises(UserError) as told:
        column("id", values, dtype)
    assert str(told.value).startswith(f"kettles.csv: the column taken for id {line}")


def test_booleans_in_many_spellings() -> None:
    assert column("nsfw", ["TRUE", "t", "Yes", "1", "false", "F", "no", "0", " n ", "2", "", None]) == [True] * 4 + [False] * 5 + [None] * 3
    assert column("nsfw", [1, 0, 2]) == [True, False, None]
    assert column("nsfw", [1.0, 0.0, None]) == [True, False, None]
    assert column("nsfw", [True, None]) == [True, None]


@pytest.mark.parametrize(
    ("told", "removal"),
    [
        *((removal, removal) for removal in ("author", "moderator", "admin", "legal", "unknown")),
        ("deleted", "author"),
        ("automod_filtered", "moderator"),
        ("reddit", "admin"),
        ("copyright_takedown", "legal"),
        ("True", "unknown"),
        ("1", "unknown"),
        ("Rule 4: no cold tea", "unknown"),
        *((nothing, None) for nothing in ("none", "None", "", "nan", "null", "False", "0", "0.0", "no", None)),
    ],
)
def test_a_column_tells_of_a_removal_in_many_ways(told: str | None, removal: str | None) -> None:
    frame = pl.DataFrame({"removal": [told]}, {"removal": pl.String})
    assert frame.select(told_removal()).to_series().to_list() == [removal]


def test_a_post_is_distinguished_unless_the_column_says_no() -> None:
    told = ["moderator", "admin", "special", "", "None", "false", "0", "nan", None]
    frame = pl.DataFrame({"distinguished": told})
    assert frame.select(told_distinguished()).to_series().to_list() == ["moderator", "admin", "special", *[None] * 6]


def test_numbers_and_texts_of_other_types() -> None:
    assert column("score", ["12", "-3.0", "many", "99999999999", None]) == [12, -3, None, None, None]
    assert column("score", [12.0, None]) == [12, None]
    assert column("author", [7, None]) == ["7", None]
    assert column("flair", [["green", "tea"], None]) == ["green, tea", None]
    assert column("text", [b"kettle \xff", None]) == ["kettle \ufffd", None]
    assert column("text", [" a\0b\u200bc ", ""]) == ["abc", ""]
    assert column("title", [{"en": "Tea"}]) == ["{'en': 'Tea'}"]


def test_a_column_without_any_time_was_taken_for_times_by_its_name_only() -> None:
    frame = pl.DataFrame({"created_at": [None, "14/11/2023"], ROW: [2, 3]})
    with pytest.raises(UserError) as told:
        typed(frame, "kettles.csv")
    assert str(told.value) == (
        "kettles.csv: the column taken for created_at holds no times: found '14/11/2023', expected seconds since 1970 or "
        "2023-11-14T22:13:20; convert it, or leave it out with --map created_at="
    )
    later = frame.with_columns(pl.col(ROW) + 1000)
    assert typed(later, "kettles.csv")["created_at"].to_list() == [None, None]
