import json
from pathlib import Path
from typing import Any

import pytest

from formats.errors import UserError
from formats.templates.template import Template
from train.adapters.agreement import check_adapter
from train.adapters.folder import write_adapter
from train.bases.base_model import Base, load_tokenizer
from train.settings import DecodingSettings, TrainSettings


@pytest.fixture
def adapter(tmp_path: Path, base: Base, template: Template) -> Path:
    """An adapter's folder without weights, which are not looked at."""

    def save(folder: Path) -> None:
        (folder / "adapter_config.json").write_text("{}", encoding="utf-8")

    write_adapter(
        tmp_path / "adapter", save, load_tokenizer(base), template, TrainSettings(base=base.name), DecodingSettings(), 1.0, "", {}
    )
    return tmp_path / "adapter"


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fields}), encoding="utf-8")


def failing(adapter: Path) -> dict[str, str]:
    return {point.name: point.says for point in check_adapter(adapter).points if point.holds is False}


def test_what_lorum_writes_agrees(adapter: Path) -> None:
    report = check_adapter(adapter)
    assert report.holds
    assert report.problems == ()
    assert [point.holds for point in report.points] == [True] * 5
    assert report.stop.token == "<|end|>"


def test_another_end_of_generating_is_found_in_either_form(adapter: Path) -> None:
    for ends in (0, [0], []):
        change(adapter / "generation_config.json", eos_token_id=ends)
        assert set(failing(adapter)) == {"generating ends at it"}
    assert failing(adapter)["generating ends at it"].startswith("generation_config.json ends at no token, not at <|end|> (1)")


def test_ending_at_more_is_right_for_special_tokens_and_wrong_for_words(adapter: Path) -> None:
    change(adapter / "generation_config.json", eos_token_id=[1, 0])
    assert failing(adapter) == {}
    change(adapter / "generation_config.json", eos_token_id=[1, 12])
    assert set(failing(adapter)) == {"generating ends at nothing else"}


def test_another_token_or_text_in_stop_json_is_found(adapter: Path) -> None:
    change(adapter / "stop.json", token="<|pad|>", token_id=0)
    assert set(failing(adapter)) == {"the tokenizer has its token", "generating ends at it"}
    change(adapter / "stop.json", token="<|end|>", token_id=1, strings=["### STOP"])
    assert set(failing(adapter)) == {"the template has its texts"}


def test_a_stop_that_was_not_learned_in_every_sample_is_found(adapter: Path) -> None:
    change(adapter / "stop.json", trained_share=0.5)
    assert failing(adapter) == {"the stop was learned": "the stop carried loss in 50.0% only"}
    change(adapter / "stop.json", trained_share=None)
    assert failing(adapter) == {}
    assert check_adapter(adapter).points[-1].holds is None


def test_a_missing_or_damaged_generation_config_is_told(adapter: Path) -> None:
    (adapter / "generation_config.json").write_text("[", encoding="utf-8")
    with pytest.raises(UserError, match=r"generation_config\.json: damaged"):
        check_adapter(adapter)
    (adapter / "generation_config.json").unlink()
    with pytest.raises(UserError, match=r"generation_config\.json: missing"):
        check_adapter(adapter)
