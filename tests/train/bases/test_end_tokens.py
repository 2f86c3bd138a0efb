"""Where generating ends, by a base's own files."""

import json
from pathlib import Path

import pytest
from transformers import AutoConfig

from train.bases.base_model import Base
from train.bases.end_tokens import end_tokens


def base_of(folder: Path, in_config: int | list[int] | None, generation: str | None) -> Base:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": in_config}), encoding="utf-8")
    if generation is not None:
        (folder / "generation_config.json").write_text(generation, encoding="utf-8")
    return Base("base", str(folder), str(folder), AutoConfig.from_pretrained(folder))


@pytest.mark.parametrize(
    ("in_config", "generation", "ends"),
    [
        (2, '{"eos_token_id": [7, 8]}', {7, 8}),
        (2, '{"eos_token_id": 7}', {7}),
        (2, "{}", set()),
        (2, None, {2}),
        ([2, 3], None, {2, 3}),
        (None, None, set()),
        (2, "{", {2}),
    ],
)
def test_the_generation_config_has_the_word_and_else_the_config(
    in_config: int | list[int] | None, generation: str | None, ends: set[int], tmp_path: Path
) -> None:
    assert end_tokens(base_of(tmp_path / "base", in_config, generation)) == ends
