"""Stands before everything: who may ask, from where, and a line for each request in the log."""

import hmac
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from train.serving.metrics import Tally
from train.serving.refusals import RefusedError

LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))
"""What a browser on this machine calls it."""

NOTE = "lorum.note"
"""Where in a request's scope stands what the log says of it besides its status."""

_GONE = 499
"""The status in the log of a request whose client went before it was answered, as web servers have it."""

_FREE = ("/", "/health")
"""Paths that need no key, like the page's files: without them nobody could be asked for one."""

_ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/models", "/health", "/metrics", "/page", "/")
"""What requests are counted under, so that what a client makes up is not remembered."""


class Guard:
    """Refuses who may not ask.

    Args:
        hosts: names under which the server may be asked for, so that no page of the web passes for it in a browser by having its own
            name point here (DNS rebinding); None: any.
        key: what requests must carry as a bearer token; None: nothing.
        log: is told a line for each request, in which no text stands.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None, key: str | None, tally: Tally, log: Callable[[str], None]) -> None:
        self._app = app
        self._hosts = hosts
        self._key = None if key is None else key.encode()
        self._tally = tally
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it; notes it in any case."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), _GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        try:
            try:
                self._refuse(scope["method"], scope["path"], Headers(scope=scope))
            except RefusedError as refused:
                await JSONResponse(refused.body(), refused.status, refused.headers)(scope, receive, noting)
            else:
                await self._app(scope, receive, noting)
        except Exception:
            status = 500
            raise
        finally:
            route = _route(scope["path"])
            self._tally.request(route, status)
            note = scope.get(NOTE, "")
            client = scope["client"][0] if scope.get("client") else "?"
            self._log(f"{client} {_method(scope)} {route} {status}{f' {note}' if note else ''} {time.monotonic() - started:.2f} s")

    def _refuse(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        host = _host(headers.get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            raise RefusedError(421, "this server answers under the name localhost or the address it was given", code="wrong_host")
        origin = headers.get("origin")
        if method == "POST" and origin is not None and _address(origin) != headers.get("host", "").lower():
            raise RefusedError(403, "pages of other sites may not ask this server", code="wrong_origin")
        if self._key is None or path in _FREE or path.startswith("/page/"):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._key):
            said = "the API key is wrong" if given else "an API key is needed: Authorization: Bearer KEY"
            raise RefusedError(401, said, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def _address(origin: str) -> str | None:
    """Host and port of an `Origin`."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _host(header: str) -> str | None:
    """The host that a request names, without its port."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def _route(path: str) -> str:
    return next((route for route in _ROUTES if path == route or path.startswith(f"{route}/")), "other")


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH") else "?"
