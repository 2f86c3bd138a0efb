"""A JSON API on loopback that notes every request, and fails where it is told to."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

Query = list[tuple[str, str]]
Answer = tuple[int, Any]


@dataclass
class Fault:
    """What happens instead of an answer to requests whose target holds `where`, so many times."""

    where: str = ""
    status: int = 503
    body: bytes = b"<html>busy</html>"
    kind: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Half of the body, and then the end of the connection."""
    slow_s: float = 0.0
    times: int = 1


class JsonServer:
    """Serves `answer(path, query)` as JSON, and `post(path, body)` where there is such; a context manager.

    `requests` are the targets that were asked for, `headers` what came with the last one.
    """

    def __init__(self, answer: Callable[[str, Query], Answer], post: Callable[[str, Any], Answer] | None = None) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[Fault] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                self._reply(lambda: answer(parts.path, parse_qsl(parts.query, keep_blank_values=True)))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._reply(lambda: post(self.path, json.loads(body)) if post else (405, {"error": "Method Not Allowed"}))

            def _reply(self, find: Callable[[], Answer]) -> None:
                server.requests.append(self.path)
                server.headers.append(dict(self.headers))
                fault = server._fault(self.path)
                if fault is None:
                    status, found = find()
                    self._send(status, "application/json", json.dumps(found).encode(), {})
                    return
                time.sleep(fault.slow_s)
                self._send(fault.status, fault.kind, fault.body, fault.headers, fault.cut)

            def _send(self, status: int, kind: str, body: bytes, headers: dict[str, str], cut: bool = False) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection = cut

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, start: str = "") -> int:
        """How many requests there were so far whose target begins so."""
        return sum(target.startswith(start) for target in self.requests)

    def _fault(self, target: str) -> Fault | None:
        for fault in self.faults:
            if fault.where in target and fault.times > 0:
                fault.times -= 1
                return fault
        return None
