"""Runs a server in a thread of its own, until it is told to stop: those who are being answered are answered first."""

import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Self

import uvicorn

from formats.errors import UserError
from train.answers.engine import MOST_ROWS, MOST_WAITING, Engine
from train.answers.loaded import Loaded
from train.serving.app import Api, create_app
from train.serving.asked import Chooser, Desk, Limits
from train.serving.guard import LOOPBACK_NAMES

_GRACE_S = 15.0
"""Seconds in which answers that were begun may end once the server stops."""

_KEEP_ALIVE_S = 75
"""Seconds for which a connection stays open between requests: longer than clients keep theirs, so that none sends into a closing one."""

_MOST_CONNECTIONS = 1000


@dataclass(frozen=True)
class Place:
    """Where a server listens, and who may ask.

    Args:
        port: 0: any that is free.
        key: what requests must carry; None: nothing.
        is_open: whether other machines may ask without a key.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    key: str | None = None
    is_open: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can ask."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> frozenset[str] | None:
        """The names under which it may be asked for; None: any, where other machines have names for it that nobody here knows."""
        return LOOPBACK_NAMES | {self.host} if self.is_loopback else None

    def listen(self) -> socket.socket:
        """The socket.

        Raises:
            UserError: other machines could ask without a key, the address is not this machine's, or the port is taken.
        """
        if not (self.is_loopback or self.key or self.is_open):
            instead = "give a key (--api-key-file or LORUM_API_KEY), or --open if everybody there may ask"
            raise UserError(f"{self.host}: other machines could ask this server without a key; {instead}")
        try:
            family = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((self.host, self.port), family=family)
        except (OSError, OverflowError) as error:
            raise UserError(f"{self.host} port {self.port}: cannot listen there ({error}); give another --port or --host") from None


class Server:
    """A server while it runs; a context manager, at whose end it stops.

    Args:
        listening: the socket of `place`.
        chooser: who chooses the adapter for the model `auto`; None: there is no such.
        log: is told a line for each request and each failure.
        grace_s: seconds in which answers that were begun may end when it stops.
    """

    def __init__(
        self,
        loaded: Loaded,
        place: Place,
        listening: socket.socket,
        *,
        chooser: Chooser | None = None,
        most_rows: int = MOST_ROWS,
        most_waiting: int = MOST_WAITING,
        limits: Limits | None = None,
        log: Callable[[str], None] = lambda line: None,
        grace_s: float = _GRACE_S,
    ) -> None:
        limits = limits or Limits(answers=min(Limits.answers, most_waiting))
        self._socket = listening
        self.engine = Engine(loaded, most_rows=most_rows, most_waiting=most_waiting)
        self.api = Api(Desk(loaded, self.engine, chooser, limits), log)
        config = uvicorn.Config(
            create_app(self.api, hosts=place.hosts, key=place.key, log=log),
            http="h11", ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False, server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S, limit_concurrency=_MOST_CONNECTIONS,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._grace_s = grace_s
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, name="http")
        host = f"[{place.host}]" if ":" in place.host else place.host
        self.address = f"http://{host}:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, hurried: threading.Event | None = None) -> None:
        """Takes no more requests, and ends when those that were taken are answered, or cut off after the seconds of grace.

        Args:
            hurried: ends the grace once it is set.
        """
        self.api.is_stopping = self._server.should_exit = True
        until = time.monotonic() + self._grace_s
        while self._thread.is_alive() and time.monotonic() < until and not (hurried and hurried.is_set()):
            self._thread.join(0.05)
        # Who is still being answered hears that the server stops; a connection that does not even take that is cut.
        self.engine.close()
        self._thread.join(2.0)
        self._server.force_exit = True
        self._thread.join()
        self.api.close()

    def run(self) -> None:
        """Serves until SIGINT or SIGTERM; a second one hurries."""
        stopping, hurried = threading.Event(), threading.Event()

        def heard(number: int, frame: FrameType | None) -> None:
            (hurried if stopping.is_set() else stopping).set()

        with _handling(heard):
            while not stopping.wait(0.5) and self._thread.is_alive():
                pass
            self.stop(hurried)


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
