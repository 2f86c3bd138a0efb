"""A judge behind an API on loopback: verdicts, waits, refusals, and a key that goes nowhere else."""

import json
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from formats.errors import UserError
from tests.servers.chat_completions import ChatCompletions, completion, prefers_longer
from tests.servers.json_server import Fault
from train.evaluation.judging.endpoint import AT_ONCE, KEY, EndpointJudge, JudgeDownError, Patience
from train.evaluation.judging.judge_prompt import Asked, load_judge_prompt

SOON = Patience(tries=3, first_s=0.001, longest_s=0.002)
SECRET = "sk-kettle-0123456789"
PROMPT = load_judge_prompt("choice")
ASKED = [PROMPT.ask(f"Count {number}?", "Guilty.", "Not guilty." if number % 2 else "No.") for number in range(10)]


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)


@pytest.fixture
def server() -> Iterator[ChatCompletions]:
    with ChatCompletions(prefers_longer) as served:
        yield served


def judge(server: ChatCompletions, model: str = "magistrate-7b", patience: Patience = SOON) -> EndpointJudge:
    return EndpointJudge(server.url, model, patience)


def verdicts(judge: EndpointJudge, asked: list[Asked] = ASKED) -> list[str | None]:
    said = dict(judge.replies(asked))
    return [PROMPT.read(said[place]) for place in range(len(asked))]


def test_every_prompt_gets_its_own_reply(server: ChatCompletions) -> None:
    assert verdicts(judge(server)) == ["a", "b"] * 5
    assert len(server.bodies) == 10
    body = next(body for body in server.bodies if "Count 3?" in body["messages"][1]["content"])
    assert body == {
        "model": "magistrate-7b",
        "messages": [{"role": "system", "content": ASKED[3].system}, {"role": "user", "content": ASKED[3].user}],
        "temperature": 0,
        "max_tokens": PROMPT.max_new_tokens,
    }
    assert all("Authorization" not in headers for headers in server.headers)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, body=b'{"error": {"message": "slow down"}}', kind="application/json", headers={"Retry-After": "0.01"}, times=2),
        Fault(status=500, times=2),
        Fault(status=503, headers={"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}),
        Fault(status=200, body=json.dumps(completion("[[A]]")).encode() * 9, kind="application/json", cut=True),
    ],
)
def test_what_passes_is_waited_out(server: ChatCompletions, fault: Fault) -> None:
    server.faults = [fault]
    assert verdicts(judge(server)) == ["a", "b"] * 5


def test_a_wait_is_as_long_as_asked(server: ChatCompletions) -> None:
    server.faults = [Fault(status=429, headers={"Retry-After": "0.3"})]
    started = time.monotonic()
    assert verdicts(judge(server), ASKED[:1]) == ["a"]
    assert time.monotonic() - started >= 0.3


def test_a_server_that_stays_down_is_given_up(server: ChatCompletions) -> None:
    server.faults = [Fault(status=500, body=b'{"error": "out of\\nmemory"}', times=99)]
    with pytest.raises(JudgeDownError) as error:
        verdicts(judge(server))
    assert str(error.value).startswith(f"judge at {server.host}: HTTP 500 (out of memory), asked 3 times; its verdicts are kept")
    assert len(server.requests) <= 3 * AT_ONCE + 3


def test_a_wait_of_hours_is_not_sat_through(server: ChatCompletions) -> None:
    server.faults = [Fault(status=429, headers={"Retry-After": "7200"})]
    with pytest.raises(JudgeDownError, match=r"asks to wait for 7,200 s"):
        verdicts(judge(server), ASKED[:1])


def test_what_was_judged_before_an_error_is_handed_over(server: ChatCompletions) -> None:
    server.faults = [Fault(where="never", status=500, times=99)]
    replies = judge(server).replies(ASKED)
    place, reply = next(replies)
    assert PROMPT.read(reply) == ("b" if place % 2 else "a")
    server.faults[0].where = ""
    with pytest.raises(JudgeDownError):
        list(replies)


def test_no_server_at_all() -> None:
    with ChatCompletions(prefers_longer) as gone:
        url = gone.url
    with pytest.raises(JudgeDownError, match="no connection, asked 3 times"):
        verdicts(EndpointJudge(url, "m", SOON), ASKED[:1])


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(status=200), "answers with text/html that is no JSON; check the address, which mostly ends in /v1"),
        (Fault(status=200, body=b'{"choices": []}', kind="application/json"), "without choices[0].message.content"),
        (Fault(status=200, body=b"[1, 2]", kind="application/json"), "without choices[0].message.content"),
        (
            Fault(status=400, body=b'{"error": {"message": "context length is 2048"}}', kind="application/json"),
            "HTTP 400 (context length is 2048); the judge refuses what it is asked",
        ),
        (Fault(status=403), f"HTTP 403; set {KEY}"),
        (
            Fault(status=429, body=b'{"error": {"message": "Pay first", "code": "insufficient_quota"}}', kind="application/json"),
            "HTTP 429 (Pay first)",
        ),
        (Fault(status=307, headers={"Location": "https://elsewhere.example/v1"}), "redirects elsewhere, which is not followed"),
    ],
)
def test_what_no_waiting_mends_is_said_at_once(server: ChatCompletions, fault: Fault, said: str) -> None:
    server.faults = [fault]
    with pytest.raises(UserError) as error:
        verdicts(judge(server), ASKED[:1])
    assert said in str(error.value)
    assert server.url in str(error.value)
    assert len(server.requests) == 1


def test_another_model_is_named(server: ChatCompletions) -> None:
    with pytest.raises(UserError, match=r"HTTP 404 \(The model ladle does not exist\); check the address.*--judge ladle"):
        verdicts(judge(server, "ladle"), ASKED[:1])


def test_a_judge_that_says_nothing_is_unreadable(server: ChatCompletions) -> None:
    server.faults = [Fault(status=200, body=json.dumps(completion(None)).encode(), kind="application/json")]
    assert verdicts(judge(server), ASKED[:1]) == [None]


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with ChatCompletions(prefers_longer, key=SECRET) as server:
        with pytest.raises(UserError, match=rf"HTTP 401 \(Incorrect API key provided\); set {KEY}"):
            verdicts(judge(server), ASKED[:1])
        monkeypatch.setenv(KEY, SECRET)
        assert verdicts(judge(server)) == ["a", "b"] * 5
        monkeypatch.setenv(KEY, "sk-wrong-one")
        server.faults = [Fault(status=401, body=b'{"error": {"message": "No such key: sk-wrong-one"}}', kind="application/json")]
        with pytest.raises(UserError) as error:
            verdicts(judge(server), ASKED[:1])
    shown = "".join(traceback.format_exception(error.value)) + repr(judge(server).__dict__)
    assert f"(No such key: [the key]); check the key in {KEY}" in shown
    assert "sk-wrong-one" not in shown


def test_no_redirect_takes_the_key_along(monkeypatch: pytest.MonkeyPatch, server: ChatCompletions) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with ChatCompletions(prefers_longer) as other:
        for status in (301, 302, 307, 308):
            server.faults = [Fault(status=status, headers={"Location": f"{other.url}/chat/completions"})]
            with pytest.raises(UserError, match="redirects elsewhere"):
                verdicts(judge(server), ASKED[:1])
        assert other.requests == []


def test_a_netrc_does_not_take_the_keys_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with ChatCompletions(prefers_longer, key=SECRET) as server:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password else\n")
        monkeypatch.setenv("NETRC", str(netrc))
        assert verdicts(judge(server), ASKED[:1]) == ["a"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000", "expected the address of an API, such as http://localhost:8000/v1"),
        ("ftp://tea.example/v1", "expected the address"),
        ("http:///v1", "expected the address"),
        ("http://user:secret@tea.example/v1", "holds a user or password"),
        ("http://tea.example/v1?key=secret", "without parameters"),
    ],
)
def test_other_addresses_are_refused(url: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        EndpointJudge(url, "m")
    assert said in str(error.value)
    assert "secret" not in str(error.value)


def test_the_whole_path_is_taken_as_well(server: ChatCompletions) -> None:
    whole = EndpointJudge(f"{server.url}/chat/completions", "magistrate-7b", SOON)
    assert whole.identity == judge(server).identity
    assert verdicts(whole, ASKED[:2]) == ["a", "b"]
