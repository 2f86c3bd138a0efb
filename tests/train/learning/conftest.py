"""Trainings of these tests are not planned: it takes longer than training the tiny base does."""

import pytest


@pytest.fixture(autouse=True)
def unplanned(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "planned" not in request.node.name:
        monkeypatch.setattr("train.learning.trainer.planned_bytes", lambda *args: None)
