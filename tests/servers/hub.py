"""A Hub on loopback with a few repositories, as `huggingface_hub` asks it."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

Files = Mapping[str, bytes]


def commit_of(revision: str) -> str:
    """The commit of a revision: its name, spelled in hexadecimal."""
    return revision.encode().hex().ljust(40, "0")[:40]


class Hub:
    """Serves repositories, given their files by revision; a context manager. `fetched` are the files that were asked for."""

    def __init__(self, repositories: Mapping[str, Mapping[str, Files]]) -> None:
        self.fetched: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET(has_body=False)

            def do_GET(self, has_body: bool = True) -> None:
                status, headers, body = hub._answer(unquote(urlsplit(self.path).path), repositories, has_body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if has_body:
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, repositories: Mapping[str, Mapping[str, Files]], is_fetched: bool) -> tuple[int, Mapping[str, str], bytes]:
        parts = path.removeprefix("/api/models/").strip("/").split("/")
        if len(parts) < 4:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        name, what, revision, rest = "/".join(parts[:2]), *parts[2:4], "/".join(parts[4:])
        if name not in repositories:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        revisions = repositories[name]
        known = {key: files for key, files in revisions.items() if revision in (key, commit_of(key))}
        if not known:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        ((key, files),) = known.items()
        commit = commit_of(key)
        if what == "revision":
            return 200, {}, json.dumps({"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files]}).encode()
        if what == "tree":
            tree = [{"type": "file", "path": file, "size": len(body), "oid": commit_of(body.hex())} for file, body in files.items()]
            return 200, {}, json.dumps(tree).encode()
        if is_fetched:
            self.fetched.append(rest)
        return 200, {"ETag": f'"{commit_of(files[rest].hex())}"', "X-Repo-Commit": commit}, files[rest]
