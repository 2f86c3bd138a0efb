"""A judge behind an API of OpenAI's style: `POST …/chat/completions`."""

import json
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from formats.errors import UserError
from train.evaluation.judging.judge_prompt import Asked
from train.waiting import retry_after

KEY = "OPENAI_API_KEY"
"""The environment variable that holds the key of the API; servers of one's own mostly want none."""

AT_ONCE = 4
"""Requests under way together."""

LARGEST_ANSWER = 8 << 20
"""Bytes of one answer."""

_TIMEOUT_S = (10.0, 120.0)
"""For the connection, and between two pieces of an answer; a judge thinks before the first."""

_LONGEST_ANSWER_S = 600.0
"""For a whole answer, so that a server that sends byte after byte holds nobody."""

_LONGEST_WAIT_S = 600.0
_LATER = frozenset((408, 409, 425, 429))


class JudgeDownError(Exception):
    """A judge's server does not answer; what it said until then is kept, and the same command goes on later."""


class _BusyError(Exception):
    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


@dataclass(frozen=True)
class Patience:
    """How often a request is made before the server counts as down, and the wait after the first failure, doubled after each."""

    tries: int = 6
    first_s: float = 1.0
    longest_s: float = 60.0


class EndpointJudge:
    """A model on a server.

    Args:
        url: of the API, up to and with its version: http://localhost:8000/v1.
        name: of the model there.

    Raises:
        UserError: the address is none of http or https, or holds a password or parameters.
    """

    def __init__(self, url: str, name: str, patience: Patience | None = None) -> None:
        self._url = _checked(url)
        self._host = urlsplit(self._url).netloc
        self.name = name
        self.identity = ("endpoint", self._url, name)
        """What makes this judge another than others."""
        self._patience = patience or Patience()
        self._auth = _Key(os.environ.get(KEY) or None)
        self._left = threading.Event()

    def replies(self, asked: Sequence[Asked]) -> Iterator[tuple[int, str]]:
        """The number of each prompt with the judge's reply, at temperature 0, in the order in which they are done.

        Raises:
            UserError: the server refuses what is asked of it (the key, the model, the address), or is none of this style.
            JudgeDownError: it fails or limits the rate however often it is asked.
        """
        self._left.clear()
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            waiting = {pool.submit(self._reply, one): place for place, one in enumerate(asked)}
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            # After an error, or Ctrl-C, nothing more is asked, and nobody waits to ask again.
            self._left.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _reply(self, asked: Asked) -> str:
        body = {
            "model": self.name,
            "messages": [{"role": "system", "content": asked.system}, {"role": "user", "content": asked.user}],
            "temperature": 0,
            "max_tokens": asked.max_new_tokens,
        }
        patience = self._patience
        for attempt in range(patience.tries):
            try:
                return self._said(self._post(body))
            except _BusyError as busy:
                if attempt == patience.tries - 1 or (busy.seconds or 0) > _LONGEST_WAIT_S or self._left.is_set():
                    asks = f" (asks to wait for {busy.seconds:,.0f} s)" if busy.seconds else ""
                    raise JudgeDownError(
                        f"judge at {self._host}: {busy}{asks}, asked {attempt + 1} times; its verdicts are kept: run the same command "
                        "again later"
                    ) from busy
                backoff = min(patience.longest_s, patience.first_s * 2**attempt) * random.uniform(0.75, 1.25)
                self._left.wait(max(backoff, busy.seconds or 0))
        raise AssertionError("unreachable: the last try returns or raises")

    def _post(self, body: dict[str, Any]) -> Any:
        """The JSON of an answer. Redirects are not followed: they would take the key along."""
        try:
            with requests.post(
                f"{self._url}/chat/completions", json=body, auth=self._auth, timeout=_TIMEOUT_S, stream=True, allow_redirects=False
            ) as response:
                content = self._read(response)
        except requests.exceptions.SSLError as error:
            raise UserError(f"--judge-url {self._url}: its certificate is not valid; check the address") from error
        except requests.Timeout as error:
            raise _BusyError("no answer in time") from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise _BusyError("an answer was cut off") from error
        except requests.exceptions.ConnectionError as error:
            if "NameResolutionError" in repr(error):
                raise UserError(f"--judge-url {self._url}: there is no such host, or no network; check the address") from error
            raise _BusyError("no connection") from error
        except (requests.RequestException, UnicodeError) as error:
            raise UserError(f"--judge-url {self._url}: no request can be made ({type(error).__name__}); check the address") from error
        return self._checked_answer(response, self._auth.hidden(content))

    def _read(self, response: requests.Response) -> bytes:
        deadline = time.monotonic() + _LONGEST_ANSWER_S
        content = bytearray()
        for piece in response.iter_content(1 << 16):
            content += piece
            if len(content) > LARGEST_ANSWER:
                raise UserError(f"--judge-url {self._url}: an answer of more than {LARGEST_ANSWER >> 20} MiB, which is no verdict")
            if time.monotonic() > deadline:
                raise _BusyError("no answer in time")
        return bytes(content)

    def _checked_answer(self, response: requests.Response, content: bytes) -> Any:
        status = response.status_code
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        said = _message(answer)
        because = f" ({said})" if said else ""
        if status in (401, 403):
            mend = f"check the key in {KEY}" if self._auth.is_set else f"set {KEY}"
            raise UserError(f"--judge-url {self._url}: HTTP {status}{because}; {mend}")
        if status == 404:
            raise UserError(
                f"--judge-url {self._url}: HTTP 404{because}; check the address, which mostly ends in /v1, and --judge {self.name}"
            )
        # OpenAI answers an empty account as it does a rate limit; no waiting fills it.
        is_spent = "insufficient_quota" in str(answer)
        if (status in _LATER or status >= 500) and not is_spent:
            raise _BusyError(f"HTTP {status}{because}", retry_after(response.headers.get("Retry-After")))
        if 300 <= status < 400:
            raise UserError(f"--judge-url {self._url}: redirects elsewhere, which is not followed; give the address that answers itself")
        if status >= 400:
            raise UserError(f"--judge-url {self._url}: HTTP {status}{because}; the judge refuses what it is asked")
        if answer is None:
            kind = response.headers.get("Content-Type", "no content type").split(";")[0]
            raise UserError(f"--judge-url {self._url}: answers with {kind} that is no JSON; check the address, which mostly ends in /v1")
        return answer

    def _said(self, answer: Any) -> str:
        """The reply in an answer; empty where the model said nothing, as when it refuses."""
        try:
            content = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            raise UserError(
                f"--judge-url {self._url}: answers with JSON without choices[0].message.content; it is no API of OpenAI's style"
            ) from None
        # Halves of surrogate pairs stand in no text, and in no file.
        return content.encode("utf-8", "replace").decode().strip() if isinstance(content, str) else ""


class _Key(AuthBase):
    """Sends the key; as an authentication of its own, so that no entry of a .netrc takes its place."""

    def __init__(self, key: str | None) -> None:
        self._key = key
        self.is_set = key is not None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def hidden(self, content: bytes) -> bytes:
        """An answer without the key, should a server send it back: answers are kept, and their messages shown."""
        return content.replace(self._key.encode(), b"[the key]") if self._key else content


def _checked(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"--judge-url {url}: expected the address of an API, such as http://localhost:8000/v1")
    if parts.username or parts.password:
        raise UserError(f"--judge-url: holds a user or password; put the key into {KEY} instead")
    if parts.query or parts.fragment:
        raise UserError(f"--judge-url {parts.scheme}://{parts.netloc}{parts.path}: give it without parameters")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/chat/completions')}"


def _message(answer: object) -> str:
    """What an error's answer says, in one short line."""
    if not isinstance(answer, dict):
        return ""
    error = answer.get("error", answer.get("detail", answer.get("message", "")))
    said = error.get("message", "") if isinstance(error, dict) else error
    return " ".join(str(said).split())[:200] if said else ""
