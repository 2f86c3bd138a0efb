"""The values of a table's columns, as strings or in whatever types the table has, as those of posts."""

import polars as pl

from curate.posts import POSTS, REMOVALS, TIME
from curate.sources.reading.ndjson import ROW
from curate.sources.reddit_dump import REMOVED_BY, TEXT_MARKERS, TITLE_MARKERS
from formats.errors import UserError

KEYS = ("id", "thread_id", "parent_id")

_NOTHING = ("", "nan", "NaN", "None", "null", "NULL", "<NA>", "N/A", "-1")
"""What stands for a missing key where a table is text, or has no null of its own."""

_TRUE, _FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")

_MS_FROM, _US_FROM, _NS_FROM = 1e11, 1e14, 1e17
"""From where on a number of seconds since 1970 must be milliseconds (as seconds, that is the year 5138), micro- or nanoseconds."""

_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999."""

_FIRST_ROW = 2
"""Where there is a header, the first row is the second."""

_ISO = (
    r"^(?<day>\d{4}-\d{2}-\d{2})(?:[T ](?<minute>\d{2}:\d{2})(?::(?<second>\d{2})(?:[.,]\d+)?)?)?"
    r" ?(?:Z|z|UTC|GMT|(?<sign>[+-])(?<hours>\d{2})(?::?(?<minutes>\d{2}))?)?$"
)
"""ISO 8601 with a space or a T, and as BigQuery and Python write it; without a zone it is UTC."""


def typed(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """As `cast`, of a table whose columns were taken by their names: what is taken for times must be some.

    Raises:
        UserError: as `cast` does; or no value of the first rows' `created_at` is a time.
    """
    found = cast(frame, table)
    first = frame.height > 0 and frame[ROW][0] <= _FIRST_ROW
    if first and "created_at" in frame.columns and found["created_at"].null_count() == frame.height:
        for value in frame["created_at"].drop_nulls().head(1):
            raise UserError(
                f"{table}: the column taken for created_at holds no times: found {value!r}, expected seconds since 1970 or "
                "2023-11-14T22:13:20; convert it, or leave it out with --map created_at="
            )
    return found


def cast(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """A part of a table in the types of posts; a value that its column cannot hold is null. Keys stay what they are, as text.

    Args:
        frame: columns by our names, of any types, and `source_row`.
        table: its name, for errors.

    Raises:
        UserError: a key's column holds no keys.
    """
    return pl.DataFrame([*(_column(frame[name], table) for name in frame.columns if name != ROW), frame[ROW]])


def written_by() -> pl.Expr:
    """The author, null where a marker says that nobody is named any more."""
    author = pl.col("author")
    return pl.when(~author.is_in(["[deleted]", "[removed]", ""])).then(author)


def removed_by() -> pl.Expr:
    """Who removed a post, told by the marker in the place of its `text` or `title`."""
    markers = [
        pl.when(pl.col(name).str.contains(f"(?i){pattern}")).then(pl.lit(removal))
        for name, patterns in (("text", TEXT_MARKERS), ("title", TITLE_MARKERS))
        for pattern, removal in patterns
    ]
    return pl.coalesce(*markers, pl.lit("none"))


def told_removal() -> pl.Expr:
    """What a column `removal` tells: one of `REMOVALS`, a category of Reddit's, yes (`unknown`), or another reason (`unknown`).

    Null where it tells of no removal: a marker in the text may.
    """
    told = pl.col("removal").str.strip_chars().str.to_lowercase()
    known = REMOVED_BY | {removal: removal for removal in REMOVALS}
    return pl.when(_tells("removal")).then(told.replace_strict(known, default="unknown", return_dtype=pl.String))


def told_distinguished() -> pl.Expr:
    """As whom the author speaks officially, null where the column `distinguished` says no in some way."""
    return pl.when(_tells("distinguished")).then(pl.col("distinguished"))


def _tells(name: str) -> pl.Expr:
    nothing = ["none", *_FALSE, *(value.lower() for value in _NOTHING)]
    return ~pl.col(name).str.strip_chars().str.to_lowercase().is_in(nothing)


def strings(values: pl.Series) -> pl.Series:
    """Text without what nobody sees (NUL, zero-width spaces); lists of words joined."""
    if values.dtype == pl.List(pl.String):
        return values.list.join(", ")
    if isinstance(values.dtype, pl.Struct | pl.List | pl.Array | pl.Object):
        return pl.Series(values.name, [None if value is None else str(value) for value in values.to_list()], pl.String)
    if values.dtype == pl.Binary:
        decoded = (None if value is None else value.decode(errors="replace") for value in values)
        return pl.Series(values.name, list(decoded), pl.String)
    return values.cast(pl.String).str.replace_all("[\0\u200b]", "").str.strip_chars()


def _column(values: pl.Series, table: str) -> pl.Series:
    name = values.name
    if name in KEYS:
        return _keys(values, table)
    dtype = POSTS.get(name, pl.String)
    if dtype == TIME:
        return times(values)
    if dtype == pl.Boolean:
        return _booleans(values)
    if dtype == pl.String:
        return strings(values)
    return values.cast(pl.Float64, strict=False).cast(dtype, strict=False)


def _keys(values: pl.Series, table: str) -> pl.Series:
    """Whole numbers in decimal, text as it is; so 007 and 12e5 stay what they are."""
    if values.dtype.is_float() or values.dtype.is_decimal():
        found = values.drop_nulls()
        example = f", as in {found[0]}" if len(found) else ""
        raise UserError(
            f"{table}: the column taken for {values.name} holds numbers with a fraction ({values.dtype}){example}: ids such as 007 or 12e5 "
            "are lost in them; read or write the table with this column as text, or as whole numbers"
        )
    if not (values.dtype.is_integer() or values.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        raise UserError(f"{table}: the column taken for {values.name} holds {values.dtype}; expected text or whole numbers: name another")
    text = values.cast(pl.String).str.strip_chars()
    return text.to_frame().select(pl.when(~pl.first().is_in(_NOTHING)).then(pl.first()).alias(values.name)).to_series()


def _booleans(values: pl.Series) -> pl.Series:
    if values.dtype == pl.Boolean:
        return values
    text = pl.col(values.name).cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    told = pl.when(text.is_in(_TRUE)).then(True).when(text.is_in(_FALSE)).then(False)
    return values.to_frame().select(told.alias(values.name)).to_series()


def times(values: pl.Series) -> pl.Series:
    """Times as posts have them, from dates, numbers (see `_since_1970`) or text (numbers too, or ISO 8601); null where it is none."""
    dtype = values.dtype
    time = pl.col(values.name)
    if isinstance(dtype, pl.Datetime):
        found = time.dt.convert_time_zone("UTC") if dtype.time_zone else time.dt.replace_time_zone("UTC")
        found = found.dt.truncate("1s")
    elif dtype == pl.Date:
        found = time.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    elif dtype.is_numeric():
        found = _since_1970(time.cast(pl.Float64))
    elif dtype == pl.String:
        found = pl.coalesce(_since_1970(time.str.strip_chars().cast(pl.Float64, strict=False)), _iso(time.str.strip_chars()))
    else:
        return pl.Series(values.name, [None], TIME).new_from_index(0, len(values))
    return values.to_frame().select(found.cast(TIME).alias(values.name)).to_series()


def _since_1970(number: pl.Expr) -> pl.Expr:
    """Seconds, milli-, micro- or nanoseconds since 1970, told by their size."""
    size = number.abs()
    unit = pl.when(size < _MS_FROM).then(1.0).when(size < _US_FROM).then(1e3).when(size < _NS_FROM).then(1e6).otherwise(1e9)
    return _seconds((number / unit).floor())


def _iso(text: pl.Expr) -> pl.Expr:
    part = text.str.extract_groups(_ISO).struct
    clock = pl.concat_str(
        part.field("day"), pl.lit(" "), part.field("minute").fill_null("00:00"), pl.lit(":"), part.field("second").fill_null("00")
    )
    ahead = part.field("hours").cast(pl.Int64).fill_null(0) * 3600 + part.field("minutes").cast(pl.Int64).fill_null(0) * 60
    local = clock.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).dt.epoch("s")
    return _seconds(local - pl.when(part.field("sign") == "-").then(-ahead).otherwise(ahead))


def _seconds(seconds: pl.Expr) -> pl.Expr:
    sane = seconds.is_between(_FIRST_S, _LAST_S)
    return (pl.when(sane).then(seconds).cast(pl.Int64) * 1000).cast(TIME)
