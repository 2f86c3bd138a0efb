"""Many clients at once: each request is answered or refused once, as if it were alone, and memory does not grow with them."""

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from formats.rendering.render import Turn
from tests.train.conftest import SENTENCES
from tests.train.serving.conftest import client_of
from train.answers.engine import Engine
from train.answers.loaded import Loaded
from train.answers.reply import Reply
from train.serving.running import Server
from train.settings import DecodingSettings

CLIENTS, REQUESTS = 16, 200
MODELS = ("court", "tea", "base", "alpaca")


def kind_of(number: int) -> str:
    return ("streamed", "whole", "whole", "streamed", "cancelled", "whole", "malformed", "streamed", "whole", "mixed")[number % 10]


def body_of(number: int) -> dict[str, Any]:
    """Requests of all lengths, models and ways to decode; what is drawn depends on the seed alone."""
    kind = kind_of(number)
    body: dict[str, Any] = {
        "model": "court" if kind == "mixed" else MODELS[number % 4],
        "messages": [{"role": "user", "content": " ".join(SENTENCES[: number % 5 + 1])}],
        "max_tokens": 300 if kind == "cancelled" else 4 + number % 5,
        "temperature": (0.0, 0.9)[number % 2],
        "seed": number,
    }
    return body | ({"extra_body": {"mix": {"court": 0.5, "tea": 0.5}}} if kind == "mixed" else {})


def alone(loaded: Loaded, engine: Engine, number: int) -> str:
    """The same request, without a server, while nothing else is answered."""
    body = body_of(number)
    mix = body.get("extra_body", {}).get("mix") or ({} if body["model"] == "base" else {body["model"]: 1.0})
    manner = "court" if body["model"] == "base" else body["model"]
    own = loaded.adapters[manner].decoding.model_dump()
    decoding = DecodingSettings(**{**own, "temperature": body["temperature"], "max_new_tokens": body["max_tokens"]})
    request = loaded.request([Turn("Speaker_0", body["messages"][0]["content"])], mix, manner, number, decoding=decoding)
    reply = list(engine.answer(request))[-1]
    assert isinstance(reply, Reply)
    return reply.text


def ask(client: OpenAI, number: int) -> tuple[str, str]:
    """How a request ended, and what was answered."""
    body, kind = body_of(number), kind_of(number)
    try:
        if kind == "malformed":
            broken = ({"temperature": "hot"}, {"messages": []}, {"model": "milk"}, {"extra_body": {"colour": "red"}})[number // 10 % 4]
            client.chat.completions.create(**(body | broken))
        if kind in ("streamed", "cancelled"):
            said = ""
            with client.chat.completions.create(**body, stream=True) as stream:
                for chunk in stream:
                    said += chunk.choices[0].delta.content or ""
                    if kind == "cancelled":
                        return "cancelled", ""
            return "answered", said
        return "answered", client.chat.completions.create(**body).choices[0].message.content or ""
    except openai.APIStatusError as refused:
        return f"refused {refused.status_code}", ""


def a_round(server: Server, requests: int) -> list[tuple[str, str]]:
    clients = [client_of(server) for _ in range(CLIENTS)]
    together = threading.Barrier(CLIENTS)

    def run(place: int) -> dict[int, tuple[str, str]]:
        together.wait(10)
        return {number: ask(clients[place], number) for number in range(place, requests, CLIENTS)}

    with ThreadPoolExecutor(CLIENTS) as threads:
        found = {number: result for part in threads.map(run, range(CLIENTS)) for number, result in part.items()}
    for client in clients:
        client.close()
    return [found[number] for number in range(requests)]


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]


def test_200_requests_of_16_clients_at_once(serve: Callable[..., Server], loaded: Loaded) -> None:
    server = serve(most_rows=8)
    results = a_round(server, REQUESTS)
    kinds = Counter(how for how, _ in results)
    assert kinds == {"answered": 160, "cancelled": 20, "refused 400": 15, "refused 404": 5}
    engine = Engine(loaded)
    checked = [number for number in range(REQUESTS) if results[number][0] == "answered"][::4]
    assert [results[number][1] for number in checked] == [alone(loaded, engine, number) for number in checked]
    engine.close()
    before = resident_bytes()
    assert a_round(server, REQUESTS // 2) == results[: REQUESTS // 2]
    assert resident_bytes() - before < 32 << 20
    server.stop()
    load = server.engine.load()
    assert (load.running, load.waiting) == (0, 0)
    # An answer whose client goes may have come to its end before.
    assert sum(load.ended.values()) == 180 + 90
    assert load.ended["cancelled"] <= 20 + 10
    text = server.api.tally.text(load)
    counted = dict(re.findall(r'http_requests_total\{route="/v1/chat/completions",status="(\d+)"\} (\d+)', text))
    assert counted == {"200": "270", "400": "23", "404": "7"}


def test_what_does_not_fit_into_the_queue_is_refused_and_the_rest_answered(serve: Callable[..., Server]) -> None:
    server = serve(most_rows=2, most_waiting=3)
    together = threading.Barrier(12)

    def run(place: int) -> httpx2.Response:
        together.wait(10)
        body = {"model": "court", "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 60, "seed": place}
        return httpx2.post(f"{server.address}/v1/chat/completions", json=body, timeout=60)

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(run, range(12)))
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) == {200, 429}
    assert counts[200] >= 5
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.status_code == 429)


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02", b"GET / HTTP/9\r\n\r\n", b"POST /v1/completions HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"]
)
def test_what_is_no_request_disturbs_nobody(server: Server, client: OpenAI, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2]))) as connection:
        connection.sendall(sent)
    answer = client.chat.completions.create(model="court", messages=[{"role": "user", "content": "Why?"}], max_tokens=2)
    assert answer.choices[0].finish_reason == "length"
