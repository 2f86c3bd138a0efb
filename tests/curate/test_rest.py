import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from curate import __version__
from curate.sources.fetching import rest
from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.fetching.rest import RefusedError, Rest, epoch
from formats.errors import UserError
from tests.servers.json_server import Fault, JsonServer, Query

FOUND = {"kettle": "boils", "id": 1}


@dataclass
class Waits:
    slept: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def patience(self, tries: int = 4) -> Patience:
        return Patience(lambda what, done, total: self.told.append(f"{what} {done}/{total}"), tries, sleep=self.slept.append)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def server() -> Iterator[JsonServer]:
    def answer(path: str, query: Query) -> tuple[int, Any]:
        return (200, {**FOUND, "query": query}) if path == "/kettle" else (404, {"errors": ["no such kettle"], "error_type": "not_found"})

    with JsonServer(answer) as running:
        yield running


def test_gives_what_is_there_and_says_who_asks(server: JsonServer, waits: Waits) -> None:
    found = Rest(server.address, waits.patience(), 0).get("/kettle", [("ids[]", 1), ("ids[]", 2)])
    assert found == {**FOUND, "query": [["ids[]", "1"], ["ids[]", "2"]]}
    assert server.headers[0]["User-Agent"].startswith(f"lorum/{__version__} ")
    assert waits.slept == []


def test_leaves_a_pause_between_requests(server: JsonServer, waits: Waits) -> None:
    api = Rest(server.address, waits.patience(), 5)
    for _ in range(3):
        api.get("/kettle")
    assert [4.5 < pause <= 5 for pause in waits.slept] == [True, True]
    assert waits.told == []


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(status=429, headers={"Retry-After": "7"}), "limits the rate"),
        (Fault(status=400, body=b'{"error":"rate_limit_error"}', kind="application/json", headers={"Retry-After": "7"}), "limits the rate"),
        (Fault(status=503, headers={"Retry-After": "7"}), "answers HTTP 503"),
        (Fault(status=502, headers={"Retry-After": "7"}), "answers HTTP 502"),
    ],
)
def test_waits_as_long_as_it_is_asked_to(server: JsonServer, waits: Waits, fault: Fault, why: str) -> None:
    server.faults = [fault]
    assert Rest(server.address, waits.patience(), 0).get("/kettle")["kettle"] == "boils"
    assert sum(waits.slept) == pytest.approx(7)
    assert waits.told[0] == f"waiting: {server.host} {why} 0/7"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "fault", [Fault(status=503, times=2), Fault(status=200, cut=True, times=2), Fault(status=500, times=2), Fault(status=408, times=2)]
)
def test_asks_again_after_longer_and_longer_waits(server: JsonServer, waits: Waits, fault: Fault) -> None:
    server.faults = [fault]
    assert Rest(server.address, waits.patience(), 0).get("/kettle")["kettle"] == "boils"
    assert 1.5 + 3 <= sum(waits.slept) <= 2.5 + 5
    assert len(server.requests) == 3


@pytest.mark.parametrize("asked", ["0", "Wed, 21 Oct 2015 07:28:00 GMT", "1"])
def test_asked_to_wait_for_next_to_nothing_it_waits_longer_and_longer(server: JsonServer, waits: Waits, asked: str) -> None:
    server.faults = [Fault(status=503, headers={"Retry-After": asked}, times=3)]
    assert Rest(server.address, waits.patience(), 0).get("/kettle")["kettle"] == "boils"
    assert 1.5 + 3 + 6 <= sum(waits.slept) <= 2.5 + 5 + 10


def test_does_not_wait_for_an_answer_for_ever(server: JsonServer, waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_TIMEOUT_S", (0.2, 0.1))
    server.faults = [Fault(status=200, slow_s=0.4)]
    assert Rest(server.address, waits.patience(), 0).get("/kettle")["kettle"] == "boils"
    assert waits.told[0].startswith(f"waiting: {server.host} did not answer in time")


def test_gives_up_a_server_that_stays_down(server: JsonServer, waits: Waits) -> None:
    server.faults = [Fault(times=99)]
    with pytest.raises(SourceDownError, match=r"answers HTTP 503, 4 times in a row; what was fetched is kept"):
        Rest(server.address, waits.patience(), 0).get("/kettle")
    assert len(server.requests) == 4


def test_does_not_wait_for_hours(server: JsonServer, waits: Waits) -> None:
    server.faults = [Fault(status=429, headers={"Retry-After": "90000"})]
    with pytest.raises(SourceDownError, match=r"asks to wait for 90,000 s; what was fetched is kept"):
        Rest(server.address, waits.patience(), 0).get("/kettle")
    assert waits.slept == []


def test_a_request_that_breaks_the_server_is_not_the_end_of_it(server: JsonServer, waits: Waits) -> None:
    server.faults = [Fault(status=500, times=99)]
    with pytest.raises(RefusedError, match=r"/kettle: HTTP 500, 3 times in a row") as refused:
        Rest(server.address, waits.patience(tries=8), 0).get("/kettle")
    assert (refused.value.status, refused.value.is_gone) == (500, False)


def test_no_server_at_all(waits: Waits) -> None:
    with JsonServer(lambda path, query: (200, {})) as gone:
        address = gone.address
    with pytest.raises(SourceDownError, match=r"no connection to 127\.0\.0\.1:\d+, 4 times in a row"):
        Rest(address, waits.patience(), 0).get("/kettle")


def test_no_such_host(waits: Waits) -> None:
    with pytest.raises(UserError, match=r"kettles\.invalid: there is no such host, or no network; check the address"):
        Rest("https://kettles.invalid", waits.patience(), 0).get("/kettle")


@pytest.mark.parametrize(
    ("fault", "message", "gone"),
    [
        (None, "/none: HTTP 404 (no such kettle)", True),
        (Fault(status=403, body=b"<html>Just a moment</html>"), "/none: HTTP 403 (text/html)", True),
        (Fault(status=410, body=b"", kind="text/plain"), "/none: HTTP 410 (text/plain)", True),
        (Fault(status=422, body=b'{"message":"too\\n long"}', kind="application/json"), "/none: HTTP 422 (too long)", False),
        (Fault(status=200), "/none: answers with text/html that is no JSON, as a login page, a proxy or another kind of site does", False),
        (
            Fault(status=200, body=b"[" * 100_000, kind="application/json"),
            "/none: answers with application/json that is no JSON, as a login page, a proxy or another kind of site does",
            False,
        ),
    ],
)
def test_what_waiting_will_not_mend(server: JsonServer, waits: Waits, fault: Fault | None, message: str, gone: bool) -> None:
    server.faults = [fault] if fault else []
    with pytest.raises(RefusedError) as refused:
        Rest(server.address, waits.patience(), 0).get("/none", {"secret": "s3cret"})
    assert str(refused.value) == server.host + message
    assert refused.value.is_gone is gone
    assert len(server.requests) == 1


def test_nothing_is_an_answer(server: JsonServer, waits: Waits) -> None:
    server.faults = [Fault(status=200, body=b" null\n", kind="application/json")]
    assert Rest(server.address, waits.patience(), 0).get("/kettle") is None


def test_an_answer_may_not_grow_without_end(server: JsonServer, waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "LARGEST_ANSWER", 1 << 20)
    bomb = gzip.compress(b'"' + b"a" * (32 << 20) + b'"')
    server.faults = [Fault(status=200, body=bomb, kind="application/json", headers={"Content-Encoding": "gzip"})]
    with pytest.raises(RefusedError, match="an answer of more than 1 MiB, which is not read"):
        Rest(server.address, waits.patience(), 0).get("/kettle")


def test_halves_of_characters_become_question_marks(server: JsonServer, waits: Waits) -> None:
    server.faults = [Fault(status=200, body=b'{"a \\ud83c": "\\ud83c\\udf75 \\udf75"}', kind="application/json")]
    assert Rest(server.address, waits.patience(), 0).get("/kettle") == {"a ?": "🍵 ?"}


def test_follows_redirects_and_keeps_its_key_to_its_own_host(server: JsonServer, waits: Waits) -> None:
    with JsonServer(lambda path, query: (200, {"at": path})) as other:
        server.faults = [
            Fault("/old", 301, b"", headers={"Location": "/kettle?id=1"}),
            Fault("/away", 302, b"", headers={"Location": f"{other.address}/there"}),
        ]
        api = Rest(server.address, waits.patience(), 0, {"Api-Key": "s3cret"})
        assert api.get("/old")["query"] == [["id", "1"]]
        assert api.get("/away", {"page": 1}) == {"at": "/there"}
        assert [headers.get("Api-Key") for headers in server.headers + other.headers] == ["s3cret", "s3cret", "s3cret", None]


@pytest.mark.parametrize(
    ("target", "message"), [("file:///etc/hostname", "redirects to file:, which is not followed"), ("/round", "more than 5 redirects")]
)
def test_redirects_that_are_not_followed(server: JsonServer, waits: Waits, target: str, message: str) -> None:
    server.faults = [Fault("/round", 302, b"", headers={"Location": target}, times=9)]
    with pytest.raises(RefusedError, match=message):
        Rest(server.address, waits.patience(), 0, {"Api-Key": "s3cret"}).get("/round")


def test_epoch() -> None:
    moments = ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20", "2023-11-14T22:13:20.123456789Z", "2023-11-15T00:13:20+02:00")
    assert [epoch(moment) for moment in moments] == [1_700_000_000] * 4
    assert [epoch(moment) for moment in ("yesterday", "", None, 5)] == [None] * 4
    assert json.dumps(epoch("0001-01-01T00:00:00Z")) == "-62135596800"
