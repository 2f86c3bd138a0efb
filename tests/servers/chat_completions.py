"""An API of OpenAI's style whose model is a function: a judge with known habits."""

import re
from collections.abc import Callable
from typing import Any

from tests.servers.json_server import Answer, JsonServer

Says = Callable[[str, str], str]
"""What the judge replies to the two answers that it is shown."""


class ChatCompletions(JsonServer):
    """A judge under /v1 with the one model `model`; `bodies` are the requests that it answered. Without `key`, it wants none."""

    def __init__(self, says: Says, model: str = "magistrate-7b", key: str | None = None) -> None:
        super().__init__(lambda path, query: (404, {"error": {"message": f"no {path}"}}), self._complete)
        self.says = says
        self.model = model
        self.key = key
        self.bodies: list[dict[str, Any]] = []
        self.url = f"{self.address}/v1"

    def _complete(self, path: str, body: dict[str, Any]) -> Answer:
        if path != "/v1/chat/completions":
            return 404, {"error": {"message": f"no {path}"}}
        if self.key and self.headers[-1].get("Authorization") != f"Bearer {self.key}":
            return 401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
        if body["model"] != self.model:
            return 404, {"error": {"message": f"The model {body['model']} does not exist"}}
        self.bodies.append(body)
        return 200, completion(self.says(*shown_answers(body["messages"][-1]["content"])))


def completion(text: str | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def shown_answers(user: str) -> tuple[str, str]:
    """Both answers in a judge's prompt: the quoted lines behind their headings."""
    found = dict(re.findall(r"^(?:Answer|Reply) ([AB]):\n((?:\|.*\n|\(nothing was written\)\n)+)", user, re.MULTILINE))
    return _unquoted(found["A"]), _unquoted(found["B"])


def _unquoted(lines: str) -> str:
    return "\n".join(line.removeprefix("|").removeprefix(" ") for line in lines.splitlines() if line.startswith("|"))


def prefers_longer(a: str, b: str) -> str:
    return f"Length is all.\n[[{'C' if len(a) == len(b) else 'A' if len(a) > len(b) else 'B'}]]"


def prefers_first(a: str, b: str) -> str:
    return "Whoever comes first.\n[[A]]"
