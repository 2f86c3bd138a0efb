"""When a post was written."""

import datetime
import math
import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from filters.hashing import draw
from filters.numbers import Whole
from filters.rule import BOTH, NOBODY, TARGET, Judges, Rule, RuleError

_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_LONGEST = 1000 * 365
_DAY_MS = 86_400_000
_OWN_DRAW = 0x72656365_6E6379
"""Makes this draw another than the one that later thins the replies out by the same seed: that would take the old ones first."""


@dataclass(frozen=True)
class Recency(Rule):
    """Keep posts written on or after `since`, before `until`, and at most `max_age` ago; of replies, with `half_life`, fewer the older.

    Dates count from midnight UTC. `max_age` and `half_life` are a number with d, w, m (30 days) or y (365 days). Ages count from `now`,
    which is today unless a recipe fixes it, or, with `relative_to = "newest"`, from the newest post of the run. A reply as old as the
    half-life is kept with a probability of a half, one twice as old of a quarter, and so on; which ones depends on their ids and `seed`
    alone. A post without a date passes.
    """

    since: datetime.date | None = None
    until: datetime.date | None = None
    max_age: str | None = None
    now: datetime.date | None = None
    half_life: str | None = None
    relative_to: Literal["now", "newest"] = "now"
    seed: Whole = 0

    def __post_init__(self) -> None:
        if self.since and self.until and self.since >= self.until:
            raise RuleError(f"recency: since ({self.since}) is not before until ({self.until}), so no post would be left")
        for name, age in (("max_age", self.max_age), ("half_life", self.half_life)):
            if age is not None and not re.fullmatch(r"[1-9][0-9]{0,99}[dwmy]", age):
                raise RuleError(f"recency: {name} is {age!r}; expected a number and one of d, w, m, y, as in 90d or 2y")
            if age is not None and _days(age) > _LONGEST:
                raise RuleError(f"recency: {name} {age} is older than any calendar; leave it out to keep posts of every age")
        if self.relative_to not in ("now", "newest"):
            raise RuleError(f"recency: relative_to is {self.relative_to!r}; expected now or newest")
        if self.relative_to == "newest" and self.now is not None:
            raise RuleError(f"recency: ages count from the newest post, so now ({self.now}) says nothing; leave one of them out")
        if self.relative_to == "now" and self.now is None and (self.max_age or self.half_life):
            # Settled here, so that a run over midnight has one day, and the verdicts of another day are not taken for today's.
            object.__setattr__(self, "now", datetime.datetime.now(datetime.UTC).date())

    def judging(self) -> Judges:
        return BOTH if self.since or self.until or self.max_age else TARGET if self.half_life else NOBODY

    def keeps(self) -> pl.Expr:
        return self.keeps_context() & self._drawn() if self.half_life else self.keeps_context()

    def keeps_context(self) -> pl.Expr:
        created = pl.col("created_at")
        kept = pl.lit(True)
        if self.since:
            kept &= created >= _midnight(self.since)
        if self.max_age:
            kept &= created >= self._present() - datetime.timedelta(days=_days(self.max_age))
        if self.until:
            kept &= created < _midnight(self.until)
        return kept

    def _present(self) -> pl.Expr:
        """What ages count from."""
        return pl.lit(_midnight(self.now)) if self.now else pl.col("newest_at")

    def _drawn(self) -> pl.Expr:
        """Whether a reply's draw, a number from 0 to 1, is under the probability with which one of its age is kept."""
        half_lives = (self._present() - pl.col("created_at")).dt.total_milliseconds() / (_days(self.half_life or "") * _DAY_MS)
        seed = (self.seed ^ _OWN_DRAW) % 2**64
        return draw(seed).cast(pl.Float64) / 2.0**64 < (-math.log(2) * half_lives).exp()


def _days(age: str) -> int:
    return int(age[:-1]) * _DAYS[age[-1]]


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)
