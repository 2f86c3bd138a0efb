"""What a scrape of Hacker News is asked for."""

import datetime
from dataclasses import dataclass

from curate.sources.requests.checks import check_choice, check_days, check_least, checked_address
from formats.errors import UserError

ALGOLIA = "https://hn.algolia.com/api/v1"
FIREBASE = "https://hacker-news.firebaseio.com/v0"
LISTS = ("top", "new", "best", "ask", "show", "job")
TAGS = ("story", "ask_hn", "show_hn", "poll", "job", "front_page")
"""What Algolia tags stories with."""
ORDERS = ("date", "relevance")


@dataclass(frozen=True)
class Request:
    """Which stories are asked for: those of a search, or of a user, or of a list, or single ones.

    Args:
        search: words; an empty text finds all.
        tag: only stories of this kind, one of `TAGS`.
        by: `date` (newest first, without end) or `relevance` (1,000 at most).
        user: threads in which this user wrote.
        listed: one of `LISTS`.
        ids: items; a comment's number brings the comment and what answers it.
        since: days of the stories (with `user`, of what they wrote); `until` is not included.
        min_comments: of a story, for searches.
        limit: stories at most.
    """

    search: str | None = None
    tag: str = "story"
    by: str = "date"
    user: str | None = None
    listed: str | None = None
    ids: tuple[int, ...] = ()
    since: datetime.date | None = None
    until: datetime.date | None = None
    min_comments: int = 0
    limit: int | None = None
    algolia: str = ALGOLIA
    firebase: str = FIREBASE

    def __post_init__(self) -> None:
        for field in ("algolia", "firebase"):
            object.__setattr__(self, field, checked_address(getattr(self, field)))
        check_choice("hackernews: tag", self.tag, TAGS)
        check_choice("hackernews: by", self.by, ORDERS)
        check_choice("hackernews: listed", self.listed, LISTS)
        check_least("hackernews: ids", *self.ids)
        check_least("hackernews: min_comments", self.min_comments, least=0)
        check_least("hackernews: limit", self.limit)
        check_days("hackernews", self.since, self.until)
        asked = [self.search is not None, self.user is not None, self.listed is not None, bool(self.ids)]
        if sum(asked) != 1:
            raise UserError("hackernews: ask for one of a search (--search), a user (--user), a list (--list), or items (--id)")
