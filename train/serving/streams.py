"""Answers as they are sent while they grow."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from train.serving.answers import Answers

Item = TypeVar("Item")

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""A server in between must neither keep a stream nor wait for more of it."""


class Stream(StreamingResponse):
    """Events of answers, which nobody hears any more once the response is over, however it ended."""

    def __init__(self, events: AsyncGenerator[bytes], answers: Answers) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_HEADERS)
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the events until they end or the client goes."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answers.cancel()


async def beginning_with(first: Item, items: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
    """What was taken from the items already, then the rest of them."""
    async with aclosing(items):
        yield first
        async for item in items:
            yield item
