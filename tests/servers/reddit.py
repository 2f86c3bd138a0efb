"""A small Reddit on loopback: OAuth, listings, trees with stubs, morechildren, info, search, rate-limit headers, and faults on demand.

Only what a reader needs, in the shapes of the real API's answers.
"""

import base64
import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.servers.reddit_forum import Forum, Record

Request = tuple[str, str, dict[str, str]]

CLIENT_ID, CLIENT_SECRET = "kettle-client", "kettle-secret"
PAGE, BATCH, LEVELS = 100, 100, 10
"""Of the real API: things on a page, comments in an answer of morechildren, levels of a tree."""
CHILDREN_TAKEN = 400
"""Ids in one morechildren request above which the answer is 413."""
WINDOWS = {"hour": 3600, "day": 86_400, "week": 604_800, "month": 2_592_000, "year": 31_536_000}


@dataclass
class Fault:
    """What goes wrong with the next requests whose path begins like this, after `skip` that do not."""

    path: str
    times: int = 1
    skip: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    cut: bool = False
    slow_s: float = 0.0


@dataclass
class Reddit:
    """A running server.

    Args:
        shown: comments in the first answer for a thread.
        rate: the rate-limit headers of every answer: remaining, used, reset.
    """

    forum: Forum
    url: str = ""
    shown: int = 200
    rate: tuple[float, int, int] = (990.0, 10, 590)
    hidden: dict[str, int] = field(default_factory=dict)
    """Statuses with which a subreddit is answered, by its name."""
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    issued: int = 0

    def paths(self, begin: str = "/") -> list[str]:
        """The paths that were asked for, in order, but for the tokens'."""
        return [path for _, path, _ in self.requests if path.startswith(begin) and "access_token" not in path]

    def answer(self, path: str, params: dict[str, str]) -> tuple[int, Any]:
        if found := re.fullmatch(r"/r/(\w+)/(\w+)/?", path):
            return self._subreddit(found[1], found[2], params)
        if found := re.fullmatch(r"/user/([\w-]+)/comments/?", path):
            own = [thing("t1", comment) for comment in self.forum.comments.values() if comment["author"].lower() == found[1].lower()]
            return (200, page(own[::-1], params)) if own else (404, {"message": "Not Found", "error": 404})
        if found := re.fullmatch(r"/comments/(\w+)/(?:_/(\w+))?/?", path):
            return self._thread(found[1], found[2])
        if path.startswith("/api/morechildren"):
            names = params["children"].split(",")
            if len(names) > CHILDREN_TAKEN:
                return 413, {}
            return 200, {"json": {"errors": [], "data": {"things": self._more(names)}}}
        if path.startswith("/api/info"):
            return 200, whole(list(self._info(params["id"].split(","))))
        return 404, {"message": "Not Found", "error": 404}

    def _subreddit(self, name: str, sort: str, params: dict[str, str]) -> tuple[int, Any]:
        if name in self.hidden:
            return self.hidden[name], {"reason": "private", "message": "Forbidden", "error": self.hidden[name]}
        things = [s for s in self.forum.submissions.values() if s["subreddit"].lower() == name.lower() or name == "all"][::-1]
        if not things:
            return 302, {}
        if sort == "search":
            query = params["q"].lower()
            things = [submission for submission in things if query in f"{submission['title']} {submission['selftext']}".lower()]
            sort = params["sort"]
        if sort == "top":
            things.sort(key=lambda submission: -submission["score"])
        if window := WINDOWS.get(params.get("t", "all")):
            things = [submission for submission in things if submission["created_utc"] > time.time() - window]
        return 200, page([thing("t3", self.forum.with_count(submission)) for submission in things], params)

    def _thread(self, name: str, comment: str | None) -> tuple[int, Any]:
        if name not in self.forum.submissions:
            return 404, {"message": "Not Found", "error": 404}
        tree = self.forum.tree()
        submission = thing("t3", self.forum.with_count(self.forum.submissions[name]))
        begin = tree.get(f"t3_{name}", []) if comment is None else [c for c in self.forum.comments.values() if c["id"] == comment]
        left_out = self.forum.vanished if comment else self.forum.vanished | self.forum.unlisted
        waiting, shown = deque(begin), set[str]()
        while waiting and len(shown) < self.shown:
            record = waiting.popleft()
            if record["id"] not in left_out:
                shown.add(record["id"])
                waiting.extend(tree.get(record["name"], []))
        comments = self._nested(begin, tree, shown, 1)
        return 200, [whole([submission]), whole([each for each in comments if comment is None or each["kind"] == "t1"])]

    def _nested(self, replies: list[Record], tree: dict[str, list[Record]], shown: set[str], level: int) -> list[Record]:
        """Replies to one parent, each with its own replies, and a stub for those that are not shown."""
        if not replies:
            return []
        parent = replies[0]["parent_id"]
        if level > LEVELS:
            return [thing("more", {"count": 0, "name": "t1__", "id": "_", "parent_id": parent, "depth": level, "children": []})]
        things = []
        for record in replies:
            if record["id"] in shown:
                below = self._nested(tree.get(record["name"], []), tree, shown, level + 1)
                things.append(thing("t1", {**record, "replies": whole(below) if below else ""}))
        return things + self._stub(parent, [record["id"] for record in replies if record["id"] not in shown])

    def _stub(self, parent: str, names: list[str]) -> list[Record]:
        if not names:
            return []
        stub = {"count": len(names), "name": f"t1_{names[0]}", "id": names[0], "parent_id": parent, "depth": 1, "children": names}
        return [thing("more", stub)]

    def _more(self, names: list[str]) -> list[Record]:
        """Comments with the replies to them, flat, a hundred at most, and stubs for the rest."""
        tree = self.forum.tree()
        missing = self.forum.vanished | self.forum.unlisted
        waiting = deque(name for name in names if name not in missing and name in self.forum.comments)
        things: list[Record] = []
        while waiting and len(things) < BATCH:
            record = self.forum.comments[waiting.popleft()]
            things.append(thing("t1", {**record, "replies": ""}))
            waiting.extend(reply["id"] for reply in tree.get(record["name"], []) if reply["id"] not in names)
        rest: dict[str, list[str]] = {}
        for name in waiting:
            rest.setdefault(self.forum.comments[name]["parent_id"], []).append(name)
        return things + [stub for parent, left in rest.items() for stub in self._stub(parent, left)]

    def _info(self, fullnames: list[str]) -> Iterator[Record]:
        for fullname in fullnames[:BATCH]:
            kind, _, name = fullname.partition("_")
            if kind == "t1" and name in self.forum.comments and name not in self.forum.vanished:
                yield thing("t1", {**self.forum.comments[name], "replies": ""})
            elif kind == "t3" and name in self.forum.submissions:
                yield thing("t3", self.forum.with_count(self.forum.submissions[name]))


def thing(kind: str, data: Record) -> Record:
    return {"kind": kind, "data": data}


def page(things: list[Record], params: dict[str, str]) -> Record:
    """A page of a listing: what comes after `after`, as many as the limit says."""
    names = [each["data"]["name"] for each in things]
    after = params.get("after")
    start = names.index(after) + 1 if after in names else len(names) if after else 0
    shown = things[start : start + min(int(params.get("limit", 25)), PAGE)]
    following = shown[-1]["data"]["name"] if start + len(shown) < len(things) else None
    return {**whole(shown), "data": {**whole(shown)["data"], "after": following}}


def whole(things: list[Record]) -> Record:
    """A listing of one page."""
    return {"kind": "Listing", "data": {"modhash": "", "children": things, "after": None, "before": None}}


@contextmanager
def serve(forum: Forum, **settings: Any) -> Iterator[Reddit]:
    """Runs the server until the block ends."""
    reddit = Reddit(forum, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._handle("GET", parts.path, dict(parse_qsl(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._handle("POST", urlsplit(self.path).path, dict(parse_qsl(body)))

        def log_message(self, *args: object) -> None:
            pass

        def _handle(self, method: str, path: str, params: dict[str, str]) -> None:
            reddit.requests.append((method, path, params))
            fault = next((fault for fault in reddit.faults if path.startswith(fault.path) and fault.times), None)
            if fault and fault.skip:
                fault.skip, fault = fault.skip - 1, None
            if fault:
                fault.times -= 1
                if fault.slow_s:
                    time.sleep(fault.slow_s)
                if fault.status:
                    return self._send(fault.status, fault.body, fault.headers)
            if path == "/api/v1/access_token":
                return self._token()
            if self.headers.get("Authorization", "").removeprefix("bearer ") not in reddit.tokens:
                return self._send(401, {"error": 401}, {"www-authenticate": 'Bearer realm="reddit", error="invalid_token"'})
            status, answer = reddit.answer(path, params)
            headers = {"location": f"{reddit.url}/subreddits/search?q=x"} if status == 302 else {}
            return self._send(status, answer, headers, cut=bool(fault and fault.cut))

        def _token(self) -> None:
            expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {expected}":
                return self._send(401, {"message": "Unauthorized", "error": 401}, {})
            reddit.issued += 1
            token = f"secret-token-{reddit.issued}"
            reddit.tokens.add(token)
            return self._send(200, {"access_token": token, "token_type": "bearer", "expires_in": 3600, "scope": "*"}, {})

        def _send(self, status: int, answer: Any, headers: dict[str, str], cut: bool = False) -> None:
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            remaining, used, reset = reddit.rate
            limits = {"x-ratelimit-remaining": str(remaining), "x-ratelimit-used": str(used), "x-ratelimit-reset": str(reset)}
            self.close_connection |= cut
            if self.close_connection:
                self.send_header("Connection", "close")
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **limits, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    reddit.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield reddit
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
