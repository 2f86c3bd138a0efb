"""What a scrape of a Lemmy instance is asked for."""

import datetime
from dataclasses import dataclass

from curate.sources.requests.checks import check_choice, check_days, check_least, checked_address
from formats.errors import UserError

SORTS = {"new": "New", "active": "Active", "hot": "Hot", "top": "TopAll", "most_comments": "MostComments", "old": "Old"}
"""Orders of posts by their names in version 4, with those of version 3."""


@dataclass(frozen=True)
class Request:
    """Which posts are asked for.

    Args:
        instance: its address.
        communities: `tea`, or `tea@other.example` for one of another instance that this one knows.
        sort: one of `SORTS`.
        since: days on which posts were written; `until` is not included.
        limit: posts of each community at most.
    """

    instance: str
    communities: tuple[str, ...]
    sort: str = "new"
    since: datetime.date | None = None
    until: datetime.date | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        names = [name.strip().removeprefix("!") for name in self.communities]
        if not all(names) or not names:
            raise UserError("lemmy: name a community, as in tea or tea@other.example")
        object.__setattr__(self, "communities", tuple(dict.fromkeys(names)))
        object.__setattr__(self, "instance", checked_address(self.instance))
        check_choice("lemmy: sort", self.sort, SORTS)
        check_least("lemmy: limit", self.limit)
        check_days("lemmy", self.since, self.until)
