"""Rows of output matrices as they are found in real bases, made on the spot."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from formats.contract.report import OutputRow
from formats.errors import UserError
from train.bases.base_model import Base, resolve
from train.bases.output_row import output_row

WIDTH, COUNT = 48, 3_000
NEVER_SEEN = range(5, 17)


def trained_rows() -> torch.Tensor:
    """Rows with a common direction, as output matrices have; those that were never seen lie at one place but for bfloat16's rounding."""
    numbers = np.random.default_rng(0)
    rows = numbers.normal(0, 1, (COUNT, WIDTH)) + numbers.normal(0, 1, WIDTH)
    rows[list(NEVER_SEEN)] = rows[5] + numbers.normal(0, 0.001, (len(NEVER_SEEN), WIDTH))
    rows[20], rows[21] = 0, rows.mean(axis=0) + numbers.normal(0, 0.01, WIDTH)
    rows[22] = numbers.normal(0, 0.02, WIDTH)
    return torch.tensor(rows, dtype=torch.bfloat16)


def base_of(folder: Path, tensors: dict[str, torch.Tensor], tied: bool, files: int = 1) -> Base:
    """A base with these weights and nothing but its configuration."""
    folder.mkdir()
    config = {"model_type": "llama", "tie_word_embeddings": tied, "vocab_size": COUNT, "hidden_size": WIDTH, "num_attention_heads": 4}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if files == 1:
        save_file(tensors, folder / "model.safetensors")
    else:
        names = {name: f"model-{number:05}-of-{files:05}.safetensors" for number, name in enumerate(tensors, 1)}
        for name, tensor in tensors.items():
            save_file({name: tensor}, folder / names[name])
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}), encoding="utf-8")
    return resolve(str(folder))


def test_a_row_that_differs_was_trained_and_one_of_many_alike_was_not(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base", {"lm_head.weight": trained_rows()}, tied=False)
    assert output_row(base, 2) == OutputRow(True, False, "its row in the output matrix differs from those that were never trained")
    for token in (5, 11, 16):
        found = output_row(base, token)
        assert found.trained is False
        assert found.says == "its row in the output matrix is the same as that of 11 other tokens, so no training told them apart"


@pytest.mark.parametrize(
    ("token", "says"), [(20, "nearly zero"), (21, "the mean of the others"), (22, "nearly zero"), (COUNT, "has no row")]
)
def test_rows_that_were_only_filled_in(token: int, says: str, tmp_path: Path) -> None:
    found = output_row(base_of(tmp_path / "base", {"lm_head.weight": trained_rows()}, tied=False), token)
    assert found.trained is False
    assert says in found.says


def test_of_a_tied_base_the_embedding_is_asked_and_of_an_untied_one_never(tmp_path: Path) -> None:
    tensors = {"model.embed_tokens.weight": trained_rows()}
    tied = output_row(base_of(tmp_path / "tied", tensors, tied=True), 5)
    assert (tied.trained, tied.tied) == (False, True)
    assert "the embedding (tied, so the output matrix as well)" in tied.says
    untied = output_row(base_of(tmp_path / "untied", tensors, tied=False), 5)
    assert (untied.trained, untied.tied) == (None, False)


def test_an_untied_base_is_judged_by_its_output_alone(tmp_path: Path) -> None:
    """The input rows of its reserved tokens were trained, say; their output rows never."""
    others = torch.randn(COUNT, WIDTH, generator=torch.Generator().manual_seed(1))
    tensors = {"model.embed_tokens.weight": others, "lm_head.weight": trained_rows()}
    assert output_row(base_of(tmp_path / "base", tensors, tied=False, files=2), 5).trained is False
    assert output_row(base_of(tmp_path / "other", {**tensors, "lm_head.weight": others}, tied=False, files=2), 5).trained is True


def test_a_base_of_random_numbers_is_not_taken_for_untrained(base_folder: Path) -> None:
    assert all(output_row(resolve(str(base_folder)), token).trained for token in (1, 2, 200))


def test_a_tiny_vocabulary_is_read_whole(tmp_path: Path) -> None:
    rows = trained_rows()[:8].clone()
    assert output_row(base_of(tmp_path / "base", {"lm_head.weight": rows}, tied=False), 0).trained is True
    assert output_row(base_of(tmp_path / "other", {"lm_head.weight": rows}, tied=False), 7).trained is False


def test_weights_that_are_not_there_are_not_judged(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base", {"model.norm.weight": torch.ones(WIDTH)}, tied=False)
    found = output_row(base, 2)
    assert found.trained is None
    assert found.says == f"the weights of {base.name} are not at hand in safetensors, only what describes them"


def test_packed_weights_are_not_judged(tmp_path: Path) -> None:
    packed = torch.zeros(COUNT, WIDTH, dtype=torch.uint8)
    assert output_row(base_of(tmp_path / "base", {"lm_head.weight": packed}, tied=False), 2).trained is None


def test_damaged_weights_are_told_in_a_line(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base", {"lm_head.weight": trained_rows()}, tied=False)
    whole = tmp_path / "base" / "model.safetensors"
    content = whole.read_bytes()
    for damaged in (b"x" * 100, content[: len(content) // 2], b""):
        whole.write_bytes(damaged)
        with pytest.raises(UserError, match=rf"base {base.name}: its weights are damaged \(SafetensorError: .*\); fetch it again"):
            output_row(base, 2)


@pytest.mark.parametrize("index", ["{", "{}", "[]"])
def test_a_damaged_index_of_weights_is_told_in_a_line(index: str, tmp_path: Path) -> None:
    base = base_of(tmp_path / "base", {"lm_head.weight": trained_rows(), "model.norm.weight": torch.ones(WIDTH)}, tied=False, files=2)
    (tmp_path / "base" / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    with pytest.raises(UserError, match="its weights are damaged"):
        output_row(base, 2)
