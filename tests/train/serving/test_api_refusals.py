"""What the API refuses: with a true status and the field at fault, and never by doing something else in silence."""

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from formats.errors import UserError
from tests.train.serving.conftest import client_of
from train.answers.loaded import Loaded
from train.serving.running import Place, Server

USER = {"role": "user", "content": "Why?"}
CHAT: dict[str, Any] = {"model": "court", "messages": [USER], "max_tokens": 2}


def ended(server: Server, how: str, count: int) -> None:
    """Waits until so many answers ended so."""
    until = time.monotonic() + 20
    while server.engine.load().ended.get(how, 0) < count:
        assert time.monotonic() < until, server.engine.load()
        time.sleep(0.01)


def running(server: Server, count: int) -> None:
    until = time.monotonic() + 20
    while server.engine.load().running < count:
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("change", "param", "said"),
    [
        ({"tools": [{"type": "function"}]}, "tools", "not supported"),
        ({"tool_choice": "required"}, "tool_choice", "not supported"),
        ({"logprobs": True}, "logprobs", "not supported"),
        ({"response_format": {"type": "json_object"}}, "response_format", "not supported"),
        ({"logit_bias": {"1": 5}}, "logit_bias", "not supported"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "repetition_penalty is there"),
        ({"presence_penalty": -1}, "presence_penalty", "repetition_penalty is there"),
        ({"reasoning_effort": "low"}, "reasoning_effort", "not supported"),
        ({"temprature": 1}, "temprature", "no such field"),
        ({"temperature": 9}, "temperature", "less than or equal to 5, found 9"),
        ({"temperature": "hot"}, "temperature", "found a text of 3 characters"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"n": 17}, "n", "17 answers at once, at most 16"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": 5000}, "max_tokens", "5,000, at most 4,096"),
        ({"max_completion_tokens": 3}, "max_completion_tokens", "max_tokens says otherwise"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "at most 4"),
        ({"stop": ""}, "stop", "1 to 200 characters"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "only with stream"),
        ({"mix": {"milk": 1.0}}, "mix", "milk: no such adapter"),
        ({"mix": {"court": 1e9}}, "mix", "less than or equal to 4"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": [{"role": "user", "content": " \n"}]}, "messages[0].content", "empty"),
        ({"messages": [USER, {"role": "assistant", "content": "So."}]}, "messages", "the last one must be the user's"),
        ({"messages": [{"role": "system", "content": "Hi"}]}, "messages", "the last one must be the user's"),
        ({"messages": [USER, {"role": "system", "content": "Hi"}, USER]}, "messages[1].role", "before all turns"),
        ({"messages": [{"role": "tool", "content": "Hi"}]}, "messages[0].role", "'assistant'"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "required"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages[0].content[0].type",
            "should be 'text', found a text of 9 characters",
        ),
        ({"messages": [{**USER, "mood": "glad"}]}, "messages[0].mood", "no such field"),
        ({"messages": [USER] * 257}, "messages", "257 of them"),
        ({"model": "alpaca", "messages": [{"role": "assistant", "content": "Hi"}, USER]}, "messages", "the user begins"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_refused_and_named(server: Server, change: dict[str, Any], param: str, said: str) -> None:
    answer = httpx2.post(f"{server.address}/v1/chat/completions", json={**CHAT, **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param), error
    assert said in error["message"]


def test_what_asks_for_nothing_is_taken(server: Server) -> None:
    idle: dict[str, Any] = {
        "tools": [], "tool_choice": "none", "logprobs": False, "logit_bias": {}, "frequency_penalty": 0, "presence_penalty": 0.0,
        "response_format": {"type": "text"}, "user": "ann", "metadata": {}, "store": False, "seed": None, "stop": None, "top_k": None,
    }  # fmt: skip
    assert httpx2.post(f"{server.address}/v1/chat/completions", json={**CHAT, **idle}).status_code == 200


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [5, 100_000]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": ["a", 5]}, "prompt[1]"),
        ({"prompt": ["a"] * 17}, "prompt"),
        ({"prompt": [[5] * 500]}, "prompt"),
        ({"logprobs": 0}, "logprobs"),
        ({"best_of": 2}, "best_of"),
        ({"suffix": "end"}, "suffix"),
    ],
    ids=lambda value: json.dumps(value)[:30],
)
def test_prompts_that_cannot_be_read_are_refused(server: Server, change: dict[str, Any], param: str) -> None:
    answer = httpx2.post(f"{server.address}/v1/completions", json={"model": "court", "prompt": "a", "max_tokens": 20, **change})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[1]", "a list, not an object"),
        (b'{"model": NaN}', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"model": "court", "messages": [{"role": "user", "content": "\\ud800"}]}', "not JSON"),
    ],
    ids=["half", "list", "nan", "bytes", "deep", "surrogate"],
)
def test_a_body_that_is_no_json_object_is_refused(server: Server, body: bytes, said: str) -> None:
    answer = httpx2.post(f"{server.address}/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_paths_methods_types_and_sizes(server: Server, client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="model 'milk' is not here; there are court, tea, alpaca, base") as missing:
        client.chat.completions.create(model="milk", messages=[USER])  # type: ignore[list-item]
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert httpx2.get(f"{server.address}/v2").json()["error"]["message"] == "there is no such path"
    assert httpx2.get(f"{server.address}/v1/chat/completions").status_code == 405
    assert httpx2.post(f"{server.address}/v1/chat/completions", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    large = httpx2.post(f"{server.address}/v1/chat/completions", json={**CHAT, "user": "a" * (1 << 20)})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")


def test_beyond_the_queue_clients_hear_when_to_come_again(serve: Callable[..., Server]) -> None:
    server = serve(most_rows=1, most_waiting=1)
    client = client_of(server)
    open_streams = []
    for _ in range(2):
        asked = threading.Thread(target=lambda: open_streams.append(client.chat.completions.create(**LONG, stream=True)), daemon=True)
        asked.start()
        running(server, 1)
    while server.engine.load().waiting < 1:
        time.sleep(0.005)
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(**CHAT)
    assert int(refused.value.response.headers["retry-after"]) >= 1
    assert refused.value.type == "rate_limit_error"
    assert (
        httpx2.post(f"{server.address}/v1/completions", json={"model": "court", "prompt": "a", "n": 2}).json()["error"]["param"] == "prompt"
    )
    open_streams[0].close()


LONG: dict[str, Any] = {"model": "court", "messages": [USER], "max_tokens": 380, "temperature": 3.0}


@pytest.mark.parametrize("stream", [True, False])
def test_who_goes_makes_place_also_from_the_queue(serve: Callable[..., Server], stream: bool) -> None:
    server = serve(most_rows=1, most_waiting=4)
    body = json.dumps({**LONG, "stream": stream, "stop": []}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    waiting = []
    for number in range(3):
        connection = socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])))
        connection.sendall(head.encode() + body)
        waiting.append(connection)
        running(server, 1)
        while server.engine.load().waiting < number:
            time.sleep(0.002)
    for connection in reversed(waiting):
        connection.close()
    ended(server, "cancelled", 3)
    load = server.engine.load()
    assert (load.running, load.waiting, load.ended) == (0, 0, {"cancelled": 3})


def test_a_failure_is_told_once_and_the_next_answers_come(
    serve: Callable[..., Server], loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    server = serve(log=lines.append)
    with monkeypatch.context() as broken:
        broken.setattr(loaded.model, "forward", lambda **inputs: 1 / 0)
        for stream in (False, True):
            answer = httpx2.post(f"{server.address}/v1/chat/completions", json={**CHAT, "stream": stream})
            assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
            assert "ZeroDivisionError" in answer.json()["error"]["message"]
    assert sum("an answer failed: ZeroDivisionError: division by zero" in line for line in lines) == 2
    assert httpx2.post(f"{server.address}/v1/chat/completions", json=CHAT).status_code == 200


def test_a_failure_within_a_stream_ends_it_with_an_error(
    serve: Callable[..., Server], loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = client_of(serve()).chat.completions.create(**LONG, stream=True)
    next(stream)
    monkeypatch.setattr(loaded.model, "forward", lambda **inputs: 1 / 0)
    with pytest.raises(openai.APIError, match="the answer failed"):
        list(stream)


def test_a_stop_lets_answers_end_or_cuts_them_and_refuses_new_ones(serve: Callable[..., Server]) -> None:
    patient, hasty = serve(grace_s=30.0), serve(grace_s=0.0)
    long = client_of(hasty).chat.completions.create(**LONG, stream=True)
    next(long)
    hasty.stop()
    with pytest.raises(openai.APIError, match="shutting down"):
        list(long)
    short = client_of(patient).chat.completions.create(**{**LONG, "max_tokens": 60}, stream=True)
    next(short)
    idle = httpx2.Client(base_url=patient.address)
    idle.get("/health")
    stopping = threading.Thread(target=patient.stop)
    stopping.start()
    assert list(short)[-1].choices[0].finish_reason in ("length", "stop")
    stopping.join(20)
    with pytest.raises(httpx2.HTTPError):
        idle.get("/health")


def test_a_server_that_stops_says_so(serve: Callable[..., Server]) -> None:
    server = serve()
    server.api.is_stopping = True
    answer = httpx2.post(f"{server.address}/v1/chat/completions", json=CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "shutting_down")
    assert (httpx2.get(f"{server.address}/health").status_code, "retry-after" in answer.headers) == (503, True)


def test_keys(serve: Callable[..., Server]) -> None:
    lines: list[str] = []
    server = serve(Place(port=0, key="sesame"), log=lines.append)
    with pytest.raises(openai.AuthenticationError, match="the API key is wrong"):
        client_of(server, "wrong").models.list()
    assert client_of(server, "sesame").models.list().data[0].id == "court"
    bare = httpx2.get(f"{server.address}/metrics")
    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer")
    assert [httpx2.get(server.address + path).status_code for path in ("/", "/health", "/page/main.js")] == [200, 200, 200]
    assert not any("sesame" in line or "wrong" in line for line in lines)


def test_other_sites_and_other_names_are_refused(server: Server) -> None:
    def asked(**headers: str) -> int:
        return httpx2.post(f"{server.address}/v1/chat/completions", json=CHAT, headers=headers).status_code

    port = server.address.rpartition(":")[2]
    assert asked(Host="rebound.example") == 421
    assert asked(Host="[") == 421
    assert asked(Host=f"localhost:{port}", Origin=f"http://localhost:{port}") == 200
    assert asked(Origin="https://elsewhere.example") == 403
    assert asked(Origin="null") == 403
    preflight = httpx2.options(f"{server.address}/v1/chat/completions", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in preflight.headers


def test_other_machines_need_a_key_unless_all_may_ask() -> None:
    with pytest.raises(UserError, match=r"0\.0\.0\.0: other machines could ask this server without a key; give a key"):
        Place("0.0.0.0", 0).listen()
    for place in (Place("0.0.0.0", 0, key="sesame"), Place("0.0.0.0", 0, is_open=True), Place("localhost", 0), Place("127.0.0.2", 0)):
        place.listen().close()
    assert Place("0.0.0.0", 0, is_open=True).hosts is None
    assert "127.0.0.2" in (Place("127.0.0.2").hosts or ())


def test_a_taken_port_is_named() -> None:
    with Place(port=0).listen() as taken, pytest.raises(UserError, match=r"127\.0\.0\.1 port \d+: cannot listen there .* another --port"):
        Place(port=taken.getsockname()[1]).listen()


def test_the_log_holds_no_text_and_the_metrics_count(serve: Callable[..., Server]) -> None:
    lines: list[str] = []
    server = serve(log=lines.append)
    client = client_of(server)
    client.chat.completions.create(**{**CHAT, "messages": [{"role": "user", "content": "A secret kettle"}]})
    httpx2.get(f"{server.address}/a%1b[31mpath?secret")
    httpx2.post(f"{server.address}/v1/completions", json={"model": "secret"})
    text = httpx2.get(f"{server.address}/metrics").text
    assert lines[0].startswith("127.0.0.1 POST /v1/chat/completions 200 court ")
    assert " GET other 404 " in lines[1]
    assert not any("secret" in line or "\x1b" in line for line in lines)
    assert 'lorum_http_requests_total{route="/v1/chat/completions",status="200"} 1' in text
    assert 'lorum_http_requests_total{route="/v1/completions",status="400"} 1' in text
    assert 'lorum_answers_total{model="court"} 1' in text
    assert 'lorum_seconds_to_end_bucket{le="+Inf"} 1' in text
    assert "secret" not in text
