"""What comes from a client: its body, and that it has gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from train.serving.refusals import RefusedError

Result = TypeVar("Result")

_BODY_SECONDS = 30
"""In which a body must have come."""

_DROPPED_BYTES = 16 << 20
"""Of a body that is too large are read all the same, so that the client hears why instead of finding the connection closed."""


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request, of at most so many bytes of JSON.

    Raises:
        RefusedError: it is larger, says that it is something else, or did not come in time.
        ClientDisconnect: the client has gone.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A page of another site can send anything but this without asking the server first, which then says no.
    if kind != "application/json":
        raise RefusedError(415, "the body must be JSON: Content-Type: application/json", code="wrong_content_type")
    body, length = bytearray(), 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                length += len(part)
                if length > most + _DROPPED_BYTES:
                    break
                body += part if length <= most else b""
    except TimeoutError:
        raise RefusedError(408, f"the body did not come within {_BODY_SECONDS} s", headers={"Connection": "close"}) from None
    if length > most:
        raise RefusedError(413, f"the body is larger than {most:,} bytes", code="body_too_large", headers={"Connection": "close"})
    return bytes(body)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` gives, which is cancelled once the client has gone.

    Raises:
        ClientDisconnect: it has; or what `work` raises.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
