"""Waits: between requests, for a rate limit, and until a source that fails answers again."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

LONGEST_WAIT_S = 3600.0
"""A server that asks to wait longer is given up for now, instead of holding the terminal."""


class SourceDownError(Exception):
    """A source does not answer; what was fetched is kept, and the same command goes on later."""


class BusyError(Exception):
    """A request that may succeed later: a rate limit, a failing server, a cut connection.

    Args:
        why: in words, for the countdown.
        seconds: how long the server asks to wait, if it says so.
    """

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


@dataclass(frozen=True)
class Patience:
    """How a source waits.

    Args:
        tell: a `curate.engine.Progress`, called every second of a wait with what is waited for, the seconds waited and all of them.
        tries: how often the same request is made before the source is down.
        first_s: the wait after the first failure, unless the server asks for a longer one; doubled after each, up to `longest_s`.
    """

    tell: Callable[[str, int, int], None]
    tries: int = 8
    first_s: float = 2.0
    longest_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, seconds: float, why: str) -> None:
        """Waits, with a countdown."""
        whole = max(1, round(seconds))
        for second in range(whole):
            self.tell(f"waiting: {why}", second, whole)
            self.sleep(seconds / whole)
        self.tell(f"waiting: {why}", whole, whole)

    def wait_as_asked(self, seconds: float, why: str) -> None:
        """Waits as long as a server asks to.

        Raises:
            SourceDownError: that is longer than `LONGEST_WAIT_S`.
        """
        if seconds > LONGEST_WAIT_S:
            raise SourceDownError(f"{why}: asks to wait for {seconds:,.0f} s; what was fetched is kept: run the same command again then")
        self.wait(seconds, why)

    def until_answered(self, call: Callable[[], T]) -> T:
        """What the call returns, made again after a wait as long as it raises `BusyError`.

        Raises:
            SourceDownError: it raised `BusyError` too often, or asks for too long a wait.
        """
        for attempt in range(self.tries):
            try:
                return call()
            except BusyError as busy:
                if attempt == self.tries - 1:
                    raise SourceDownError(
                        f"{busy}, {self.tries} times in a row; what was fetched is kept: run the same command again later"
                    ) from busy
                backoff = min(self.longest_s, self.first_s * 2**attempt) * random.uniform(0.75, 1.25)
                self.wait_as_asked(max(backoff, busy.seconds or 0), str(busy))
        raise AssertionError("unreachable: the last try returns or raises")
