"""Packages that a training's settings need are asked for before anything is loaded."""

import importlib.util
from typing import Any

import pytest

from formats.errors import UserError
from train.requirements import require_installed
from train.settings import TrainSettings


@pytest.mark.parametrize(
    ("values", "missing", "says"),
    [
        ({"report_to": ("wandb",)}, "wandb", 'report_to = "wandb": the package wandb is not installed; run: pip install wandb'),
        ({"report_to": ["tensorboard", "trackio"]}, "trackio", "run: pip install trackio"),
        ({}, "bitsandbytes", 'quantisation = "nf4": the package bitsandbytes is not installed; run: pip install bitsandbytes'),
        ({"quantisation": "none", "optimizer": "adamw_8bit"}, "bitsandbytes", 'optimizer = "adamw_8bit": the package bitsandbytes'),
        ({"quantisation": "none"}, "bitsandbytes", None),
        ({}, "wandb", None),
    ],
)
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    values: dict[str, Any], missing: str, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else object())
    if says is None:
        require_installed(TrainSettings(**values))
        return
    with pytest.raises(UserError) as caught:
        require_installed(TrainSettings(**values))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
