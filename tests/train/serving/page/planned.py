"""A server for the page alone: its files as they are served, and answers that are planned beforehand."""

import json
import select
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from train.serving.page.files import HEADERS, START, page_files

STOP = "\n\n### END"
OWN = {"temperature": 0.8, "top_p": 0.9, "top_k": 50, "repetition_penalty": 1.0, "max_new_tokens": 128}


def adapter(name: str, template: str = "comment-response", stop: str = STOP) -> dict[str, Any]:
    known = {"template": template, "stop": stop, "takes_system_text": template == "chatml", "decoding": OWN}
    return {"id": name, "base": "smollm2-135m", "rank": 16, "termination_rate": 0.984, **known}


MODELS = (
    adapter("kettle"),
    adapter("college"),
    adapter("teapot", "chatml", "<|im_end|>"),
    {"id": "base", "base": "smollm2-135m"},
    {"id": "auto"},
)


@dataclass(frozen=True)
class Plan:
    """How one request for an answer is answered.

    `held` pieces are sent before the server's `go` is awaited; `cut`: then the connection breaks; `more` is said of its end.
    """

    pieces: Sequence[str] = ("The court ", "finds the ", "kettle guilty.")
    held: int | None = None
    ending: str = "stop"
    cut: bool = False
    failure: str | None = None
    status: int = 200
    message: str = ""
    wait: int | None = None
    model: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class PageServer:
    """Serves the page and planned answers on a free port; a context manager.

    `plans` are used up model by model, then `Plan()` holds; `asked` are the requests for answers, `left` is set when one of those who
    asked went away while `go` was awaited, and `paths` is all that was asked for.
    """

    plans: dict[str, list[Plan]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    key: str | None = None
    closed: bool = False
    go: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"page": self, "files": page_files()})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.close()

    def close(self) -> None:
        """Takes no more connections, and answers nothing on those that are open."""
        self.closed = True
        self._server.shutdown()
        self._server.server_close()

    def planned(self, model: str) -> Plan:
        return self.plans[model].pop(0) if self.plans.get(model) else Plan()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    page: PageServer
    files: dict[str, Any]

    def do_GET(self) -> None:
        self.page.paths.append(self.path)
        name = START if self.path == "/" else self.path.removeprefix("/page/")
        if self.path == "/v1/models" and not self._refused():
            self._send(200, {"object": "list", "data": MODELS})
        elif name in self.files:
            self._send(200, self.files[name].content, {"Content-Type": self.files[name].media_type, **HEADERS})
        elif self.path != "/v1/models":
            self._send(404, {"error": {"message": "Not found"}})

    def do_POST(self) -> None:
        if self.page.closed:
            self.close_connection = True
            return
        self.page.paths.append(self.path)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused():
            return
        self.page.asked.append(asked)
        plan = self.page.planned(asked["model"])
        if plan.status != 200:
            headers = {} if plan.wait is None else {"Retry-After": str(plan.wait)}
            self._send(plan.status, {"error": {"message": plan.message}}, headers)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in self._events(plan, asked["model"]):
                data = f"data: {event}\n\n".encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            if plan.cut:
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            self.page.left.set()

    def _events(self, plan: Plan, model: str) -> Iterator[str]:
        for place, piece in enumerate(plan.pieces):
            if place == plan.held:
                self._await()
            yield json.dumps({"model": plan.model or model, "choices": [{"delta": {"content": piece}, "finish_reason": None}]})
        if plan.held == len(plan.pieces):
            self._await()
        if plan.failure is not None:
            yield json.dumps({"error": {"message": plan.failure}})
        elif not plan.cut:
            lorum = {"ending": plan.ending, "tokens": 11, "seconds": 0.7, "seconds_to_first": 0.2, **plan.more}
            reason = "length" if plan.ending == "length" else "stop"
            yield json.dumps({"model": plan.model or model, "choices": [{"delta": {}, "finish_reason": reason}], "lorum": lorum})
            yield json.dumps({"choices": [], "usage": {"completion_tokens": 11}})
            yield "[DONE]"

    def _await(self) -> None:
        """Until `go`; a client that goes away ends it."""
        while not self.page.go.wait(0.01):
            if select.select([self.connection], [], [], 0)[0] and not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError

    def _refused(self) -> bool:
        given = self.headers.get("Authorization")
        self.page.keys.append(given)
        if self.page.key is None or given == f"Bearer {self.page.key}":
            return False
        self._send(401, {"error": {"message": "The API key is missing or wrong."}})
        return True

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass
