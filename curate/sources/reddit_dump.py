"""Reddit's archives (Pushshift, Arctic Shift): comments and submissions of every era, told apart row by row.

The fields drifted over the years; what each era did is in the expressions below. `source` of these posts is `reddit`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

import polars as pl

from curate.ahead import in_order
from curate.posts import POSTS, TIME
from curate.sources.reading.ndjson import ROW, Chunk, chunks, parse_chunk, refused
from curate.sources.reading.place import Head, Place
from curate.sources.reading.search import can_be_searched, picked
from curate.sources.source import Batch, Wanted

SOURCE = "reddit"

_ARCHIVE = re.compile(r"\bR[CS]_\d{4}-\d{2}|_(comments|submissions)\b")

FIELDS = (
    "id", "author", "author_fullname", "subreddit", "permalink", "created_utc", "edited", "retrieved_on", "retrieved_utc", "score",
    "score_hidden", "hide_score", "stickied", "distinguished", "removal_reason", "_meta",
    # comments
    "body", "link_id", "parent_id", "is_submitter", "author_flair_text",
    # submissions
    "title", "selftext", "url", "link_flair_text", "upvote_ratio", "num_comments", "over_18", "quarantine", "promoted",
    "is_created_from_ads_ui", "removed_by_category",
)  # fmt: skip
"""The fields that are read; all others of a record are passed over by the parser."""

REMOVED_BY = {
    "moderator": "moderator", "automod_filtered": "moderator", "reddit": "admin", "community_ops": "admin", "anti_evil_ops": "admin",
    "deleted": "author", "author": "author", "content_takedown": "legal", "copyright_takedown": "legal",
}  # fmt: skip
"""`removed_by_category` as `removal`."""

TEXT_MARKERS = (
    (r"^\[ ?deleted( by user)? ?\]$", "author"),
    (r"^\[ ?removed( by moderators?)? ?\]$", "moderator"),
    (r"^\[ ?removed by reddit (in response to|due to) a (copyright|legal).*\]$", "legal"),
    (r"^\[ ?removed by reddit.*\]$", "admin"),
)
"""What stands in the place of a removed text, without regard to case."""

TITLE_MARKERS = (
    (r"^\[ ?deleted by user ?\]$", "author"),
    (r"^\[ ?removed by moderators? ?\]$", "moderator"),
    (r"^\[ ?removed by reddit ?\]$", "admin"),
)
"""What Reddit writes in the place of a title; a bare [removed] there is a member's joke."""

_REMOVED_LATER = r'"(was_deleted_later|was_initially_deleted)": ?true|"removal_type": ?"'
"""In `_meta`, what the second retrieval found."""

_RETRIEVED_AGAIN = '"retrieved_2nd_on":'
"""In `_meta`, when that was: the score and all else that changes is of then."""

_BASE_36 = r"^[0-9a-z]+$"
"""Ids without their prefix, in every era."""

_SHOWN = 40
"""Characters of what is no id in a reason."""

_MARKS = ("body", "selftext", "link_id", "title")


def recognises(head: Head) -> bool:
    """Whether one of a file's first lines is a record of Reddit, or its name is that of an archive."""
    for line in head.text.split(b"\n"):
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and "id" in record and any(mark in record for mark in _MARKS) and _is_reddits(record):
                return True
    return head.entries is None and bool(_ARCHIVE.search(head.name)) and head.text.lstrip().startswith(b"{")


def _is_reddits(record: Mapping[str, object]) -> bool:
    return "link_id" in record or "subreddit" in record or "selftext" in record or "is_self" in record


def read(place: Place, wanted: Wanted, columns: Mapping[str, str]) -> Iterator[Batch]:
    """The file's records; with communities asked for, lines that do not name one are passed over unparsed.

    Raises:
        UserError: the file is truncated or damaged.
    """
    names = wanted.communities
    return in_order(lambda chunk: _batch(chunk, place.name), picked(place, names) if can_be_searched(names) else chunks(place))


def _batch(chunk: Chunk, file: str) -> Batch:
    parsed = parse_chunk(chunk, FIELDS)
    records, rejects = parsed.records, parsed.rejects
    faults = fault(records)
    if faults.null_count() < len(faults):
        rejects = sorted([*rejects, *refused(records, faults)], key=lambda reject: reject.row)
        records = records.filter(faults.is_null())
    return Batch(parsed.lines, to_posts(records, file), rejects, parsed.passed_over)


def fault(records: pl.DataFrame) -> pl.Series:
    """Why each record cannot become a post; null where it can."""
    comment = pl.col("body").is_not_null() | pl.col("link_id").is_not_null()
    reasons = (
        pl.when(pl.col("id").fill_null("") == "").then(pl.lit("no id")),
        pl.when(~_own_id().str.contains(_BASE_36)).then(pl.format("no id of Reddit's: {}", pl.col("id").str.slice(0, _SHOWN))),
        pl.when(~comment & pl.col("title").is_null()).then(pl.lit("neither a comment (body) nor a submission (title)")),
        pl.when(comment & (pl.col("link_id").fill_null("") == "")).then(pl.lit("a comment without its thread (link_id)")),
    )
    return records.select(pl.coalesce(*reasons).alias("reason")).to_series()


def to_posts(records: pl.DataFrame, file: str) -> pl.DataFrame:
    """Records without fault as posts, row by row.

    Args:
        records: the columns `FIELDS`, all String, and `source_row`.
        file: what to write as `source_file`.
    """
    comment = pl.col("link_id").is_not_null()
    own_id = _own_id()
    records = records.with_columns(_text(pl.when(comment).then(pl.col("body")).otherwise(pl.col("selftext"))).alias("body"))
    content = pl.col("body")
    author = pl.col("author")
    columns = {
        "id": pl.when(comment).then("t1_" + own_id).otherwise("t3_" + own_id),
        "thread_id": pl.when(comment).then(_fullname(pl.col("link_id"))).otherwise("t3_" + own_id),
        "parent_id": pl.when(comment).then(pl.coalesce(_parent(), _fullname(pl.col("link_id")))),
        "kind": pl.when(comment).then(pl.lit("comment")).otherwise(pl.lit("submission")),
        "source": pl.lit(SOURCE),
        "community": pl.col("subreddit"),
        "permalink": pl.col("permalink"),
        "author": pl.when(~author.is_in(["[deleted]", "[removed]", ""])).then(author),
        "author_id": pl.col("author_fullname"),
        "is_submitter": _boolean("is_submitter"),
        "created_at": _time(pl.col("created_utc")),
        "edited_at": _time(pl.col("edited")),
        "retrieved_at": pl.coalesce(_retrieved_again(), _time(pl.coalesce("retrieved_on", "retrieved_utc"))),
        "title": _text(pl.col("title")),
        "text": content,
        "url": _unescape(pl.col("url")),
        "flair": _unescape(pl.when(comment).then(pl.col("author_flair_text")).otherwise(pl.col("link_flair_text"))),
        "score": pl.when(~_told("score_hidden") & ~_told("hide_score")).then(_whole(pl.col("score"))),
        "upvote_ratio": pl.col("upvote_ratio").cast(pl.Float32, strict=False),
        "num_replies": _whole(pl.col("num_comments")),
        "nsfw": _boolean("over_18"),
        "quarantined": _boolean("quarantine"),
        "stickied": _boolean("stickied"),
        "promoted": _boolean("promoted") | _boolean("is_created_from_ads_ui"),
        "distinguished": pl.col("distinguished"),
        "removal": _removal(content),
        "source_file": pl.lit(file),
        "source_row": pl.col(ROW),
    }
    return records.select(columns[name].cast(dtype).alias(name) for name, dtype in POSTS.items())


def _own_id() -> pl.Expr:
    return pl.col("id").str.strip_prefix("t1_").str.strip_prefix("t3_")


def _fullname(link: pl.Expr) -> pl.Expr:
    return "t3_" + link.str.strip_prefix("t3_")


def _parent() -> pl.Expr:
    """The parent's id, null where there is none; some records of 2024 hold it as the number whose base 36 the id is."""
    parent = pl.when(~pl.col("parent_id").is_in(["", "0"])).then(pl.col("parent_id"))
    number = parent.str.contains(r"^[0-9]{1,19}$")
    decoded = pl.when(number).then(parent).map_elements(lambda digits: "t1_" + _base36(int(digits)), return_dtype=pl.String)
    prefix = pl.when(parent == pl.col("link_id").str.strip_prefix("t3_")).then(pl.lit("t3_")).otherwise(pl.lit("t1_"))
    return pl.when(number).then(decoded).when(parent.str.contains(_BASE_36)).then(prefix + parent).otherwise(parent)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def _time(value: pl.Expr) -> pl.Expr:
    """Seconds since 1970 as integer, float or string; anything else (`false` in `edited`) is null."""
    seconds = value.cast(pl.Float64, strict=False)
    sane = seconds.is_between(0, 253_402_300_799)  # the end of the year 9999
    return (pl.when(sane).then(seconds).cast(pl.Int64) * 1000).cast(TIME)


def _retrieved_again() -> pl.Expr:
    """When the second retrieval was, in ten digits from 2001 on; cutting them out takes half the time of a pattern."""
    behind = pl.col("_meta").str.split_exact(_RETRIEVED_AGAIN, 1).struct.field("field_1")
    return _time(behind.str.strip_chars_start(" ").str.head(10))


def _whole(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Float64, strict=False).cast(pl.Int32, strict=False)


def _boolean(name: str) -> pl.Expr:
    value = pl.col(name)
    true, false = ["true", "True"], ["false", "False"]
    return pl.when(value.is_in(true + false)).then(value.is_in(true))


def _told(name: str) -> pl.Expr:
    return _boolean(name).fill_null(False)


_UNESCAPED = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
"""Reddit's escaping knows three entities. Replaced in one pass, so that each is undone exactly once."""

_UNSEEN = dict.fromkeys(("&amp;#x200B;", "&#x200B;", "\u200b", "\0"), "")
"""Zero-width spaces, which Reddit's editor writes as an entity, and NUL, which stands for broken surrogates."""


def _replaced(value: pl.Expr, replacements: dict[str, str]) -> pl.Expr:
    return value.str.replace_many(list(replacements), list(replacements.values()), leftmost=True)


def _unescape(value: pl.Expr) -> pl.Expr:
    return _replaced(value, _UNESCAPED)


def _text(value: pl.Expr) -> pl.Expr:
    return _replaced(value, _UNSEEN | _UNESCAPED).str.strip_chars()


def _removal(content: pl.Expr) -> pl.Expr:
    text, title = (pl.when(written.str.starts_with("[")).then(written) for written in (content, pl.col("title")))  # few rows are searched
    reasons = [
        pl.when(pl.col("removal_reason") == "legal").then(pl.lit("legal")),
        pl.col("removed_by_category").replace_strict(REMOVED_BY, default="unknown", return_dtype=pl.String),
        *(pl.when(text.str.contains(f"(?i){pattern}")).then(pl.lit(removal)) for pattern, removal in TEXT_MARKERS),
        *(pl.when(title.str.contains(f"(?i){pattern}")).then(pl.lit(removal)) for pattern, removal in TITLE_MARKERS),
        pl.when(pl.col("_meta").str.contains(_REMOVED_LATER)).then(pl.lit("unknown")),
    ]
    known = [reasons[0], pl.when(pl.col("removed_by_category").is_not_null()).then(reasons[1]), *reasons[2:]]
    return pl.coalesce(*known, pl.lit("none"))
