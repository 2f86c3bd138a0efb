"""What is said before a training whose plan exceeds the memory that is free."""

import pytest

from train.learning import planned
from train.memory.process import free_bytes

GIB = 1 << 30


def test_a_plan_beyond_what_is_free_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned, "process_bytes", lambda device: GIB)
    monkeypatch.setattr(planned, "free_bytes", lambda device: 2 * GIB)
    assert planned.shortage(3 * GIB) is None, "what the process has already is not taken twice"
    line = planned.shortage(4 * GIB)
    assert line is not None
    assert line.startswith("the plan is 4.0 GiB, and 2.0 GiB are free here")
    assert planned.shortage(None) is None
    monkeypatch.setattr(planned, "free_bytes", lambda device: None)
    assert planned.shortage(4 * GIB) is None


def test_what_is_free_is_some_memory_of_this_computer() -> None:
    free = free_bytes("cpu")
    assert free is None or free > 1 << 20
