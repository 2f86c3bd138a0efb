"""Settings: what is refused, and that reading them costs no heavy import."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from train.adapters.folder import _toml
from train.presets import PRESETS
from train.settings import DecodingSettings, EvalSettings, TrainSettings

SAMPLE_RECIPE = Path(__file__).parents[2] / "sample_data" / "recipe.toml"


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


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"init": "pissa"}, 'init = "pissa" does not go with quantisation = "nf4".*set quantisation = "none"'),
        ({"init": "pissa", "quantisation": "int8"}, 'init = "pissa" does not go with quantisation = "int8"'),
        ({"init": "loftq", "quantisation": "none"}, 'init = "loftq" does not go with quantisation = "none".*set quantisation = "nf4"'),
        ({"init": "loftq", "quantisation": "int8"}, 'init = "loftq" does not go with quantisation = "int8"'),
        ({"init": "loftq", "dora": True}, "does not go with dora = true.*leave one of the two out"),
        ({"init": "pissa", "quantisation": "none", "dora": True}, "does not go with dora = true"),
        ({"dora": True, "quantisation": "int8"}, 'dora = true does not go with quantisation = "int8"'),
        ({"patience": 3}, "patience = 3 needs eval_every.*as in eval_every = 50"),
        ({"preset": "small-gpu", "init": "pissa"}, 'init = "pissa" does not go with quantisation = "nf4"'),
        ({"target_modules": []}, "target_modules names no layer"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TrainSettings(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"init": "pissa", "quantisation": "none"},
        {"init": "loftq"},
        {"dora": True, "rslora": True},
        {"patience": 3, "eval_every": 10},
        {"max_tokens": 512, "tokens_per_batch": 256},
    ],
)
def test_what_goes_together_is_taken(values: dict[str, Any]) -> None:
    settings = TrainSettings(**values)
    assert {name: getattr(settings, name) for name in values} == values


def test_every_preset_is_one_that_can_be_named_and_says_what_the_sources_say() -> None:
    names = get_args(get_args(TrainSettings.model_fields["preset"].annotation)[0])
    assert set(names) == set(PRESETS)
    for name in names:
        settings = TrainSettings(preset=name)
        assert {key: getattr(settings, key) for key in PRESETS[name]} == dict(PRESETS[name])
    tutorial = TrainSettings(preset="tutorial")
    assert (tutorial.rank, tutorial.alpha, tutorial.dropout, tutorial.quantisation) == (64, 16.0, 0.1, "nf4")
    assert (tutorial.learning_rate, tutorial.batch, tutorial.max_grad_norm) == (2e-4, 7, 0.3)
    paper = TrainSettings(preset="qlora-paper")
    assert (paper.rank, paper.alpha, paper.batch, paper.target_modules, paper.schedule) == (64, 16.0, 16, "all-linear", "constant")


def test_what_is_written_beside_a_preset_wins() -> None:
    settings = TrainSettings(preset="tutorial", rank=8, dropout=0.0)
    assert (settings.rank, settings.dropout, settings.alpha) == (8, 0.0, 16.0)
    assert TrainSettings(preset=None, rank=8) == TrainSettings(rank=8)
    with pytest.raises(ValidationError, match="preset"):
        TrainSettings(preset="no-such")  # type: ignore[arg-type]


def test_a_seed_that_numpy_does_not_take_is_refused() -> None:
    assert TrainSettings(seed=2**32 - 1).seed == 2**32 - 1
    with pytest.raises(ValidationError, match="less than 4294967296"):
        TrainSettings(seed=2**32)


def test_the_demonstration_s_preset_is_the_sample_forum_s_recipe() -> None:
    recipe = TrainSettings(**tomllib.loads(SAMPLE_RECIPE.read_text(encoding="utf-8"))["train"])
    preset = TrainSettings(preset="cpu-demo")
    for key in ("base", "learning_rate", "max_steps", "max_tokens", "rank", "alpha", "batch"):
        assert getattr(preset, key) == getattr(recipe, key), key


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "preset": st.sampled_from(sorted(PRESETS)) | st.none(),
            "rank": st.integers(1, 256),
            "alpha": st.floats(1e-3, 1e3),
            "learning_rate": st.floats(1e-8, 1.0),
            "rslora": st.booleans(),
            "target_modules": st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1), min_size=1).map(tuple)
            | st.just("all-linear"),
            "report_to": st.lists(st.sampled_from(["tensorboard", "wandb", "trackio"])).map(tuple),
            "seed": st.integers(0, 2**31),
        },
    )
)
def test_settings_read_back_from_an_adapter_s_folder_are_the_same(values: dict[str, Any]) -> None:
    settings = TrainSettings(**values)
    assert TrainSettings(**tomllib.loads(_toml(train=settings.model_dump()))["train"]) == settings
