"""Asks Reddit's API through PRAW: credentials from PRAW's own places, read-only, and every wait with a countdown.

What comes back is the answer's JSON: PRAW's objects would load what is missing in requests of their own, and hold a thread's whole tree.
"""

import configparser
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import prawcore
import requests
from praw import Reddit
from praw.config import Config

from curate import __version__
from curate.sources.fetching.patience import BusyError, Patience
from formats.errors import UserError
from train.waiting import retry_after

T = TypeVar("T")

QUIET_S = 2.0
"""Waits shorter than this, which even pacing brings before many a request, are not announced."""

_CREDENTIALS = (
    "put client_id and client_secret into praw.ini or the environment (praw_client_id, praw_client_secret); "
    "Reddit gives them to approved applications only: https://www.reddit.com/prefs/apps"
)

_IN_WORDS = {
    301: "moved", 302: "does not exist", 403: "may not be seen (private, quarantined or banned)", 404: "not found",
    413: "too large for Reddit to answer", 451: "withheld for legal reasons",
}  # fmt: skip


class RefusedError(Exception):
    """Reddit answered, and will not give this: it is gone, private, or too large."""


class _TokenExpiredError(Exception):
    """The access token is no longer taken."""


@dataclass(frozen=True)
class Client:
    """A connection to Reddit's API.

    Every call is made again, after a wait, while Reddit is busy.
    """

    reddit: Reddit
    patience: Patience

    def get(self, path: str, **params: str | int) -> Any:
        """The JSON that lies at a path.

        Raises:
            RefusedError: Reddit will not give it.
            SourceDownError: Reddit did not answer for long.
            UserError: the credentials are refused.
        """
        return self.patience.until_answered(lambda: self._ask(lambda: self.reddit.request(method="GET", path=path, params=params)))

    def post(self, path: str, **data: str | int) -> Any:
        """The JSON that a form answers; raises as `get` does."""
        return self.patience.until_answered(lambda: self._ask(lambda: self.reddit.request(method="POST", path=path, data=data)))

    def _ask(self, call: Callable[[], T]) -> T:
        session = self.reddit._core
        assert session is not None
        self._keep_pace(session.rate_limiter)
        try:
            try:
                return call()
            except _TokenExpiredError:
                session.authorizer.access_token = None
                return call()
        except _TokenExpiredError:
            raise UserError(f"Reddit takes no access token of these credentials (HTTP 401): {_CREDENTIALS}") from None
        except (prawcore.BadJSON, requests.JSONDecodeError):
            raise BusyError("Reddit's answer is no JSON") from None
        except prawcore.OAuthException as error:
            raise UserError(f"Reddit refused the credentials ({error.error}): {_CREDENTIALS}") from None

    def _keep_pace(self, limiter: prawcore.rate_limit.RateLimiter) -> None:
        """Waits as long as prawcore would, so that the wait is seen."""
        due = limiter.next_request_timestamp_ns
        if due is None:
            return
        seconds = (due - time.monotonic_ns()) / 1e9
        if seconds >= QUIET_S:
            self.patience.wait_as_asked(seconds, "Reddit's rate limit")
        elif seconds > 0:
            self.patience.sleep(seconds)
        limiter.next_request_timestamp_ns = None


def connect(site: str | None, patience: Patience) -> Client:
    """A connection with the credentials that PRAW finds.

    Args:
        site: the section of praw.ini; None: the environment's `praw_site`, or the default section.

    Raises:
        UserError: there is no client_id, no such section, or praw.ini cannot be read.
    """
    site = site or os.getenv("praw_site") or "DEFAULT"  # noqa: SIM112
    try:
        config = Config(site)
    except configparser.NoSectionError:
        raise UserError(f"praw.ini has no section [{site}]; name one that it has with --site, or leave --site away") from None
    except (configparser.Error, ValueError) as error:
        raise UserError(f"praw.ini: {error}") from None
    if not config.client_id:
        raise UserError(f"no client_id for Reddit's API found: {_CREDENTIALS}")
    reddit = Reddit(
        site,
        requestor_class=_Requestor,
        requestor_kwargs={"timeout": config.timeout},
        check_for_updates=False,
        client_secret=config.client_secret or None,
        user_agent=config.user_agent or f"{sys.platform}:lorum:{__version__}",
    )
    reddit.read_only = True
    return Client(reddit, patience)


class _Requestor(prawcore.Requestor):
    """Tells what can be waited out from what cannot, before prawcore tries again by itself with waits that nobody sees."""

    def request(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> requests.Response:
        """Makes one request; the timeout is that of praw.ini."""
        url = str(args[1])
        try:
            response = super().request(*args, timeout=self.timeout, **kwargs)
        except prawcore.RequestException as error:
            raise _unanswered(url, error.original_exception) from None
        if response.ok and not response.is_redirect:
            return response
        status = response.status_code
        if status == 429:
            raise BusyError("Reddit's rate limit (HTTP 429)", _seconds(response, "retry-after", "x-ratelimit-reset"))
        if status == 408 or status >= 500:
            raise BusyError(f"Reddit's servers fail (HTTP {status})", _seconds(response, "retry-after"))
        if "auth" in kwargs:
            raise UserError(f"Reddit refused the credentials (HTTP {status}): {_CREDENTIALS}")
        if status == 401:
            raise _TokenExpiredError
        raise RefusedError(f"{_IN_WORDS.get(status, 'refused')} (HTTP {status})")


def _unanswered(url: str, error: Exception) -> Exception:
    """A request that came to nothing, as what it means; its text names no more of it than the host, as a request holds secrets."""
    host, kind = urlsplit(url).netloc, type(error).__name__
    transient = (
        requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError
    )  # fmt: skip
    if isinstance(error, transient):
        return BusyError(f"no answer from {host} ({kind})")
    return UserError(f"{host or url}: cannot be asked ({kind}); check oauth_url and reddit_url in praw.ini")


def _seconds(response: requests.Response, *headers: str) -> float | None:
    """How long an answer asks to wait, by the first header that says it; None where none does."""
    asked = (retry_after(response.headers.get(name)) for name in headers)
    return next((seconds for seconds in asked if seconds is not None), None)
