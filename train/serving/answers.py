"""The answers to one HTTP request, while they grow in the engine's thread, and as the event loop hears of them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial

from train.answers.engine import Engine, Ticket
from train.answers.loaded import Request
from train.answers.reply import Reply


@dataclass(frozen=True)
class Whole:
    """An answer that has ended, with the seconds from its request to its end and to what was first heard of it."""

    reply: Reply
    seconds: float
    seconds_to_first: float


class Answers:
    """Asks an engine for several answers at once: all of them or none.

    Raises:
        BusyError, UserError, StoppedError: as `Engine.ask`.
    """

    def __init__(self, engine: Engine, requests: Sequence[Request]) -> None:
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[tuple[int, float, str | Reply | Exception]] = asyncio.Queue()
        self._begun: dict[int, float] = {}
        self._tickets: list[Ticket] = []
        self._asked = time.monotonic()
        try:
            for place, request in enumerate(requests):
                self._tickets.append(engine.ask(request, partial(self._tell, place)))
        except Exception:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Nobody listens any more."""
        for ticket in self._tickets:
            ticket.cancel()

    async def heard(self) -> AsyncGenerator[tuple[int, str | Whole]]:
        """The pieces of the answers as they grow, and each answer at its end, with its place; leaving it early cancels them.

        Raises:
            Exception: what one of them failed with.
        """
        try:
            left = len(self._tickets)
            while left:
                place, when, item = await self._told.get()
                if isinstance(item, Exception):
                    raise item
                self._begun.setdefault(place, when)
                if isinstance(item, str):
                    yield place, item
                else:
                    left -= 1
                    yield place, Whole(item, when - self._asked, self._begun[place] - self._asked)
        finally:
            self.cancel()

    def _tell(self, place: int, item: str | Reply | Exception) -> None:
        """Called from the engine's thread, which must not wait."""
        self._loop.call_soon_threadsafe(self._told.put_nowait, (place, time.monotonic(), item))
