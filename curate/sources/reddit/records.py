"""What Reddit's API answers: its listings, and their records as posts.

A record of the API is an archive's record whose text is not escaped; it becomes a post in the way of `curate.sources.reddit_dump`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.posts import POSTS, TIME
from curate.sources.reading.ndjson import ROW
from curate.sources.reddit.client import RefusedError
from curate.sources.reddit_dump import FIELDS, fault, to_posts
from curate.sources.source import Failure

COMMENT, SUBMISSION, MORE = "t1", "t3", "more"

KINDS = (COMMENT, SUBMISSION)

Thing = tuple[str, dict[str, Any]]
"""A record with its kind."""

_TEXTS = frozenset(("body", "selftext", "title", "url", "link_flair_text", "author_flair_text"))
"""The fields that the archives hold escaped."""

_NOT_FETCHED = ("source_file", "source_row")


@dataclass(frozen=True)
class Listing:
    """A page of a listing, and what the next one comes after (None: there is no next one)."""

    things: list[Thing]
    after: str | None


def listing(answer: Any) -> Listing:
    """What a listing's answer holds.

    Raises:
        RefusedError: it is no listing.
    """
    try:
        data = answer["data"]
        return Listing([(thing["kind"], thing["data"]) for thing in data["children"]], data.get("after"))
    except (TypeError, KeyError, AttributeError):
        raise RefusedError("the answer is no listing") from None


def things_of_form(answer: Any) -> list[Thing]:
    """What the answer of a form holds.

    Raises:
        RefusedError: it is an error, or of another shape.
    """
    try:
        errors, things = answer["json"].get("errors"), answer["json"].get("data", {}).get("things", [])
        if errors:
            raise RefusedError(f"Reddit says {errors[0]}")
        return [(thing["kind"], thing["data"]) for thing in things]
    except (TypeError, KeyError, AttributeError):
        raise RefusedError("the answer holds no comments") from None


def fullname(thing: Thing) -> str:
    """The id with its prefix."""
    kind, record = thing
    return f"{kind}_{record.get('id')}"


def with_replies(things: Iterable[Thing]) -> Iterator[Thing]:
    """The things and all that nests in them, a parent before its replies."""
    waiting = list(things)[::-1]
    while waiting:
        thing = waiting.pop()
        yield thing
        if thing[1].get("replies"):
            waiting += listing(thing[1]["replies"]).things[::-1]


def rows(things: Sequence[Thing], now: int) -> tuple[list[dict[str, Any]], list[Failure]]:
    """Comments and submissions as the rows of a `Page`, and what cannot become one.

    Args:
        now: when they were retrieved, in seconds since 1970.
    """
    failures = [Failure(fullname(thing), "neither a comment (t1) nor a submission (t3)") for thing in things if thing[0] not in KINDS]
    things = [thing for thing in things if thing[0] in KINDS]
    records = [{**record, "retrieved_utc": now, "_meta": None} for _, record in things]
    columns = {field: [_archived(field, record.get(field)) for record in records] for field in FIELDS}
    table = pl.DataFrame(columns, schema=dict.fromkeys(FIELDS, pl.String)).with_row_index(ROW, offset=1)
    reasons = fault(table)
    failures += [Failure(fullname(thing), reason) for thing, reason in zip(things, reasons, strict=True) if reason is not None]
    posts = to_posts(table.filter(reasons.is_null()), "").drop(_NOT_FETCHED)
    return posts.with_columns(pl.col(name).dt.epoch("s") for name, dtype in POSTS.items() if dtype == TIME).to_dicts(), failures


def _archived(field: str, value: Any) -> str | None:
    """A value as an archive's line holds it, as text; half a surrogate pair, which no file can hold, is left out."""
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).encode("utf-8", "ignore").decode()
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") if field in _TEXTS else text
