"""Requests that are answered together: each as if alone, in bounded numbers, whatever happens to the others."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import torch

from formats.errors import UserError
from formats.rendering.render import Turn
from tests.random_adapter import write_random_adapter
from tests.train.conftest import SENTENCES
from train.adapters.folder import read_adapter
from train.answers.engine import BusyError, Engine, StoppedError
from train.answers.loaded import Loaded, Request
from train.answers.reply import Reply
from train.bases import base_model
from train.settings import DecodingSettings

MIXES: list[dict[str, float]] = [{}, {"court": 1.0}, {"tea": 1.0}, {"court": 0.6, "tea": 0.4}]


@pytest.fixture(scope="module")
def loaded(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("two")
    names = {"court": 1, "tea": 2}
    with pytest.MonkeyPatch.context() as patch:
        # In 16 bit, rounding decides between tokens that are as likely.
        patch.setattr(base_model, "compute_dtype", lambda: torch.float32)
        return Loaded({name: read_adapter(write_random_adapter(folder / name, base_folder, seed=seed)) for name, seed in names.items()})


@pytest.fixture
def engine(loaded: Loaded) -> Iterator[Engine]:
    engine = Engine(loaded, most_rows=4, most_waiting=8)
    yield engine
    engine.close()


def request(loaded: Loaded, number: int, limit: int = 12, ends: tuple[str, ...] = ()) -> Request:
    turns = [Turn("Speaker_0", " ".join(SENTENCES[: number % 5 + 1]))]
    decoding = DecodingSettings(max_new_tokens=limit + number % 3, temperature=(0.0, 0.8)[number % 2], repetition_penalty=1.1)
    return loaded.request(turns, MIXES[number % 4], "court", seed=number, decoding=decoding, ends=ends)


def test_many_are_answered_as_if_alone(loaded: Loaded) -> None:
    engine = Engine(loaded, most_rows=4)
    requests = [request(loaded, number) for number in range(12)]
    alone = [list(engine.answer(one))[-1] for one in requests]
    told: list[SimpleQueue[Any]] = [SimpleQueue() for _ in requests]
    for one, queue in zip(requests, told, strict=True):
        engine.ask(one, queue.put)
    together = []
    for queue in told:
        pieces = []
        while isinstance(item := queue.get(timeout=30), str):
            pieces.append(item)
        assert isinstance(item, Reply)
        assert "".join(pieces) == item.text
        together.append(item)
    assert together == alone
    assert len({reply.token_ids for reply in together}) > 8, "they differ from each other"
    load = engine.load()
    assert (load.running, load.waiting, sum(load.ended.values())) == (0, 0, 24)
    assert load.new_tokens == 2 * sum(len(reply.token_ids) for reply in together)
    engine.close()


def test_a_full_queue_refuses_and_says_when(loaded: Loaded, engine: Engine) -> None:
    gate = threading.Event()
    tickets = [engine.ask(request(loaded, 0, 300), lambda item: gate.wait(10) and None)]
    while engine.load().running != 1:
        time.sleep(0.005)
    tickets += [engine.ask(request(loaded, 1), lambda item: None) for _ in range(8)]
    with pytest.raises(BusyError) as refused:
        engine.ask(request(loaded, 1), lambda item: None)
    assert refused.value.seconds >= 1
    for ticket in tickets:
        ticket.cancel()
    gate.set()


def test_who_left_takes_no_place_in_a_full_queue(loaded: Loaded, engine: Engine) -> None:
    gate = threading.Event()
    running = engine.ask(request(loaded, 0, 300), lambda item: gate.wait(10) and None)
    while engine.load().running != 1:
        time.sleep(0.005)
    waiting = [engine.ask(request(loaded, 1), lambda item: None) for _ in range(8)]
    for ticket in waiting[2:5]:
        ticket.cancel()
    waiting += [engine.ask(request(loaded, 1), lambda item: None) for _ in range(3)]
    assert (engine.load().waiting, engine.load().ended) == (8, {"cancelled": 3})
    with pytest.raises(BusyError):
        engine.ask(request(loaded, 1), lambda item: None)
    for ticket in (running, *waiting):
        ticket.cancel()
    gate.set()


def test_who_leaves_makes_place_and_hears_nothing_more(loaded: Loaded, engine: Engine) -> None:
    heard: list[Any] = []
    answer = engine.answer(request(loaded, 0, 300))
    next(answer)
    ticket = engine.ask(request(loaded, 2, 300), heard.append)
    ticket.cancel()
    answer.close()
    before = len(heard)
    assert isinstance(list(engine.answer(request(loaded, 1)))[-1], Reply)
    while engine.load().ended.get("cancelled") != 2:
        time.sleep(0.005)
    assert len(heard) == before
    assert engine.load().running == 0


def test_a_failure_reaches_who_asked_and_ends_there(loaded: Loaded, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise MemoryError("no memory for keys and values")

    with monkeypatch.context() as broken:
        broken.setattr(loaded.model, "forward", fails)
        with pytest.raises(MemoryError, match="keys and values"):
            list(engine.answer(request(loaded, 1)))
    assert isinstance(list(engine.answer(request(loaded, 1)))[-1], Reply)
    assert engine.load().ended["failed"] == 1


def test_a_listener_that_fails_disturbs_nobody(loaded: Loaded, engine: Engine) -> None:
    def fails(item: object) -> None:
        raise RuntimeError("the loop is closed")

    engine.ask(request(loaded, 0), fails)
    assert isinstance(list(engine.answer(request(loaded, 1)))[-1], Reply)


def test_an_asked_end_is_no_part_of_the_answer(loaded: Loaded, engine: Engine) -> None:
    whole = list(engine.answer(request(loaded, 1, 40)))[-1]
    assert isinstance(whole, Reply)
    end = whole.text[6:9]
    *pieces, reply = engine.answer(request(loaded, 1, 40, ends=(end,)))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.ending) == (whole.text[: whole.text.index(end)].rstrip(), "asked end")
    assert "".join(str(piece) for piece in pieces) == reply.text


def test_what_is_too_long_is_refused(loaded: Loaded, engine: Engine) -> None:
    with pytest.raises(UserError, match="reads 512 tokens"):
        engine.ask(request(loaded, 0, 511), lambda item: None)


def test_a_prompt_tells_what_it_left_out(loaded: Loaded) -> None:
    turns = [Turn(f"Speaker_{place % 2}", SENTENCES[place % 8]) for place in range(60)]
    limit = DecodingSettings(max_new_tokens=300)
    short = loaded.request(turns, {}, "court", 0, decoding=limit)
    assert 0 < short.left_out < 60
    assert not short.is_cut
    assert short.prompt == loaded.request(turns[short.left_out :], {}, "court", 0, decoding=limit).prompt
    assert len(short.prompt) <= 512 - 300
    assert len(loaded.request(turns[short.left_out - 1 :], {}, "court", 0, decoding=limit).prompt) == len(short.prompt)
    cut = loaded.request([*turns, Turn("Speaker_0", " ".join(SENTENCES) * 20)], {}, "court", 0, decoding=limit)
    assert (cut.left_out, cut.is_cut) == (60, True)
    assert 0 < len(cut.prompt) <= 512 - 300


def test_a_closed_engine_tells_those_who_wait(loaded: Loaded) -> None:
    engine = Engine(loaded, most_rows=1)
    heard: SimpleQueue[Any] = SimpleQueue()
    for _ in range(3):
        engine.ask(request(loaded, 0, 400), lambda item: None if isinstance(item, str) else heard.put(item))
    engine.close()
    items = [heard.get(timeout=5) for _ in range(3)]
    assert all(isinstance(item, StoppedError | Reply) for item in items)
    with pytest.raises(StoppedError):
        engine.ask(request(loaded, 0), lambda item: None)


def test_other_bases_and_other_templates_are_refused(loaded: Loaded, base_folder: Path, tmp_path: Path) -> None:
    adapter = read_adapter(write_random_adapter(tmp_path / "adapter", base_folder))
    other = tmp_path / "base"
    other.mkdir()
    (other / "config.json").write_bytes((base_folder / "config.json").read_bytes())
    moved = type(adapter)(adapter.folder, str(other), adapter.template, adapter.settings, adapter.decoding, adapter.stop)
    with pytest.raises(UserError, match=r"was trained on the base .*/base, while .* is loaded"):
        loaded.add("moved", moved)
    with pytest.raises(UserError, match="base stands for the base model itself"):
        loaded.add("base", adapter)
    with pytest.raises(UserError, match="milk: no such adapter is loaded; there are court, tea"):
        loaded.request([Turn("Speaker_0", "Why?")], {"milk": 1.0}, "court", 0)
