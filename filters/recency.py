"""When a post was written."""

import datetime
import re
from dataclasses import dataclass

import polars as pl

from filters.rule import Rule, RuleError

_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_LONGEST = 1000 * 365


@dataclass(frozen=True)
class Recency(Rule):
    """Keep posts written on or after `since`, before `until`, and at most `max_age` before `now`.

    Dates count from midnight UTC. `max_age` is a number with d, w, m (30 days) or y (365 days); `now` is today unless a recipe fixes
    it. A post without a date passes.
    """

    since: datetime.date | None = None
    until: datetime.date | None = None
    max_age: str | None = None
    now: datetime.date | None = None

    def __post_init__(self) -> None:
        if self.since and self.until and self.since >= self.until:
            raise RuleError(f"recency: since ({self.since}) is not before until ({self.until}), so no post would be left")
        if self.max_age is not None and not re.fullmatch(r"[1-9][0-9]*[dwmy]", self.max_age):
            raise RuleError(f"recency: max_age is {self.max_age!r}; expected a number and one of d, w, m, y, as in 90d or 2y")
        if self.max_age is not None and _days(self.max_age) > _LONGEST:
            raise RuleError(f"recency: max_age {self.max_age} is older than any calendar; leave it out to keep posts of every age")
        if self.max_age is not None and self.now is None:
            # Settled here, so that a run over midnight has one day, and the verdicts of another day are not taken for today's.
            object.__setattr__(self, "now", datetime.datetime.now(datetime.UTC).date())

    def keeps(self) -> pl.Expr:
        created = pl.col("created_at")
        earliest = [_midnight(self.since)] if self.since else []
        if self.max_age and self.now:
            earliest.append(_midnight(self.now) - datetime.timedelta(days=_days(self.max_age)))
        kept = pl.lit(True)
        if earliest:
            kept &= created >= max(earliest)
        if self.until:
            kept &= created < _midnight(self.until)
        return kept


def _days(age: str) -> int:
    return int(age[:-1]) * _DAYS[age[-1]]


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)
