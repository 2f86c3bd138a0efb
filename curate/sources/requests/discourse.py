"""What a scrape of a Discourse forum is asked for."""

import datetime
from dataclasses import dataclass

from curate.sources.requests.checks import check_choice, check_days, check_least, checked_address
from formats.errors import UserError

PERIODS = ("all", "yearly", "quarterly", "monthly", "weekly", "daily")
"""Of the top topics."""


@dataclass(frozen=True)
class Request:
    """Which topics are asked for: the latest of the forum, of a category or of a tag, the top ones, or single ones.

    The address and the names are kept as they identify the request: without slashes around them.

    Args:
        site: the forum's address.
        category: as in its address behind `/c/`: `brewing`, `brewing/5` or `brewing/green/7`.
        tag: as in its address behind `/tag/`.
        top: the best of a period, one of `PERIODS`, instead of the latest.
        topics: numbers of topics.
        since: days on which topics were opened; `until` is not included.
        limit: topics at most.
    """

    site: str
    category: str | None = None
    tag: str | None = None
    top: str | None = None
    topics: tuple[int, ...] = ()
    since: datetime.date | None = None
    until: datetime.date | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "site", checked_address(self.site))
        for field in ("category", "tag"):
            if (given := getattr(self, field)) is not None:
                object.__setattr__(self, field, given.strip().strip("/"))
            if getattr(self, field) == "":
                raise UserError(f"discourse: {field}: found {given!r}, expected what stands behind /c/ or /tag/ in its address")
        check_choice("discourse: top", self.top, PERIODS)
        check_least("discourse: topics", *self.topics)
        check_least("discourse: limit", self.limit)
        check_days("discourse", self.since, self.until)
        if self.topics and (self.category or self.tag or self.top):
            raise UserError("discourse: ask for topics (--topic) or for a listing (--category, --tag, --top), not for both")
        if self.category and self.tag:
            raise UserError("discourse: ask for a category (--category) or a tag (--tag), not for both")
