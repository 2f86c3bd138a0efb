"""A JSON API over HTTP: paces its requests, waits out what will pass, and says plainly what will not."""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from curate import __version__
from curate.sources.fetching.patience import BusyError, Patience
from curate.sources.requests.checks import checked_address
from formats.errors import UserError
from train.waiting import retry_after

USER_AGENT = f"lorum/{__version__} (gathers forum threads; python-requests)"

LARGEST_ANSWER = 64 << 20
"""Bytes of one answer, decompressed. The longest threads of the forums read here take some 10 MB."""

_TIMEOUT_S = (10.0, 60.0)
"""For the connection, and between two pieces of an answer."""

_LONGEST_ANSWER_S = 300.0
"""For a whole answer, so that a server that sends byte after byte holds nobody."""

_REDIRECTS = 5
_TRIES_OF_500 = 3
"""How often a request is made that breaks the server: unlike 502 and 503, a 500 is mostly about what was asked for."""

_LATER = frozenset((408, 425, 429))
_RATE_LIMIT_WORDS = frozenset(("rate_limit", "rate_limit_error", "too_many_requests"))
"""What stands in the `error` or `error_type` of answers that should have had status 429."""

Params = Mapping[str, str | int] | Iterable[tuple[str, str | int]]


class RefusedError(Exception):
    """An answer that no waiting will mend; the message says for which address and why.

    Args:
        status: the HTTP status, 200 where the answer is no JSON.
        code: the error's name in the answer, where it has one.
    """

    def __init__(self, why: str, status: int, code: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.code = code

    @property
    def is_gone(self) -> bool:
        """Whether what was asked for is not there, or not for us."""
        return self.status in (401, 403, 404, 410)


class Rest:
    """One API.

    Args:
        base: its address, without a slash at the end.
        pause_s: seconds from the end of one request to the next.
        headers: keys of the API; sent to its own host only, and never part of a message.

    Raises:
        UserError: the address is none of http or https, or holds a password or parameters.
    """

    def __init__(self, base: str, patience: Patience, pause_s: float = 1.0, headers: Mapping[str, str] | None = None) -> None:
        self.base = checked_address(base)
        self.host = urlsplit(self.base).netloc
        self._name = self.base.partition("://")[2]
        self._patience = patience
        self._pause_s = pause_s
        self._keys = dict(headers or {})
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
        self._ended = float("-inf")
        self._answered = False

    def get(self, path: str, params: Params = ()) -> Any:
        """The JSON that lies there.

        Raises:
            RefusedError: there is none for us (404, 403, 410, …), or it is no JSON, or longer than `LARGEST_ANSWER`.
            SourceDownError: the server did not answer, however often it was asked.
            UserError: the host does not exist, or its certificate is not valid.
        """
        query = list(params.items() if isinstance(params, Mapping) else params)
        failures = 0

        def ask() -> Any:
            nonlocal failures
            response, body = self._fetch(self.base + path, query)
            if response.status_code == 500:
                failures += 1
                if failures == _TRIES_OF_500:
                    raise RefusedError(f"{self._name}{path}: HTTP 500, {failures} times in a row", 500)
            return self._read(response, body, path)

        return self._patience.until_answered(ask)

    def _fetch(self, url: str, query: list[tuple[str, str | int]]) -> tuple[requests.Response, bytes]:
        """An answer after all redirects, which are followed here because a library would send our keys along."""
        for _ in range(_REDIRECTS):
            self._pace()
            own = url.startswith((f"{self.base.partition(':')[0]}://{self.host}/", f"https://{self.host}/"))
            try:
                with self._session.get(
                    url, params=query, headers=self._keys if own else {}, timeout=_TIMEOUT_S, stream=True, allow_redirects=False
                ) as response:
                    body = b"" if response.is_redirect else _body(response, self.host)
            except requests.exceptions.SSLError as error:
                raise UserError(f"{self.host}: its certificate is not valid; check the address") from error
            except requests.Timeout as error:
                raise BusyError(f"{self.host} did not answer in time") from error
            except requests.exceptions.ConnectionError as error:
                if "NameResolutionError" in repr(error) and not self._answered:
                    raise UserError(f"{self.host}: there is no such host, or no network; check the address") from error
                raise BusyError(f"no connection to {self.host}") from error
            except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
                raise BusyError(f"{self.host} cut an answer off") from error
            except (requests.RequestException, UnicodeError) as error:
                raise RefusedError(f"{self.host}: not a request that can be made ({type(error).__name__})", 0) from error
            finally:
                self._ended = time.monotonic()
            self._answered = True
            if not response.is_redirect:
                return response, body
            url, query = urljoin(url, response.headers["Location"]), []
            if not url.startswith(("http://", "https://")):
                raise RefusedError(f"{self.host}: redirects to {urlsplit(url).scheme}:, which is not followed", response.status_code)
        raise RefusedError(f"{self.host}: more than {_REDIRECTS} redirects, one after the other", response.status_code)

    def _pace(self) -> None:
        left = self._pause_s - (time.monotonic() - self._ended)
        if left > 0:
            self._patience.sleep(left)

    def _read(self, response: requests.Response, body: bytes, path: str) -> Any:
        status = response.status_code
        answer = _parsed(body)
        code = _code(answer)
        if status in _LATER or status >= 500 or (status >= 400 and code in _RATE_LIMIT_WORDS):
            seconds = retry_after(response.headers.get("Retry-After"))
            why = f"{self.host} limits the rate" if status == 429 or code in _RATE_LIMIT_WORDS else f"{self.host} answers HTTP {status}"
            raise BusyError(why, seconds)
        kind = response.headers.get("Content-Type", "no content type").split(";")[0]
        if status >= 400:
            raise RefusedError(f"{self._name}{path}: HTTP {status} ({_message(answer) or kind})", status, code)
        if answer is None and body.strip() != b"null":
            reason = f"answers with {kind} that is no JSON, as a login page, a proxy or another kind of site does"
            raise RefusedError(f"{self._name}{path}: {reason}", status)
        return answer


def epoch(moment: object) -> int | None:
    """Whole seconds since 1970 of a time in ISO 8601, which is UTC unless it says otherwise; None where it is none."""
    if not isinstance(moment, str):
        return None
    try:
        read = datetime.fromisoformat(moment)
        return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def first_second(day: date) -> int:
    """The second since 1970 with which a day begins, in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _body(response: requests.Response, host: str) -> bytes:
    deadline = time.monotonic() + _LONGEST_ANSWER_S
    body = bytearray()
    for piece in response.iter_content(1 << 16):
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise RefusedError(f"{host}: an answer of more than {LARGEST_ANSWER >> 20} MiB, which is not read", response.status_code)
        if time.monotonic() > deadline:
            raise BusyError(f"{host} did not answer in time")
    return bytes(body)


def _parsed(body: bytes) -> Any:
    """The answer, None where it is no JSON. Halves of surrogate pairs, which no text can hold, become question marks."""
    try:
        answer = json.loads(body)
        if b"\\ud" in body.lower():
            answer = json.loads(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return answer


def _code(answer: object) -> str:
    found = (answer.get("error_type") or answer.get("error")) if isinstance(answer, dict) else None
    return found if isinstance(found, str) else ""


def _message(answer: object) -> str:
    """What an error's answer says, in one short line."""
    if not isinstance(answer, dict):
        return ""
    said = answer.get("errors") or answer.get("message") or answer.get("error") or ""
    return " ".join(str(said[0] if isinstance(said, list) else said).split())[:200]
