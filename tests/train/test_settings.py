"""Settings: what is refused, and that reading them costs no heavy import."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from train.settings import DecodingSettings, EvalSettings, TrainSettings


def test_settings_need_neither_torch_nor_transformers() -> None:
    code = "import sys, train, train.settings, train.progress; print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        (TrainSettings, {"ranks": 8}),
        (TrainSettings, {"rank": 0}),
        (TrainSettings, {"learning_rate": 0}),
        (TrainSettings, {"quantisation": "int3"}),
        (TrainSettings, {"dropout": 1.0}),
        (DecodingSettings, {"temperature": -1}),
        (DecodingSettings, {"top_p": 0}),
        (EvalSettings, {"prompts": 0}),
    ],
)
def test_what_makes_no_sense_is_refused(settings: type[TrainSettings], values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        settings(**values)


def test_every_setting_says_what_it_is() -> None:
    for settings in (TrainSettings, DecodingSettings, EvalSettings):
        assert [name for name, field in settings.model_fields.items() if not field.description] == []
