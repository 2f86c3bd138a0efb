"""Whole trainings with every kind of adapter: what they leave behind, and that a killed one goes on as if nothing had happened."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from train.adapters.folder import read_adapter
from train.answers.generate import attach
from train.bases.base_model import Base, load_for_generation, load_tokenizer
from train.learning.batches import read_samples
from train.learning.trainer import TrainResult, train
from train.progress import TrainProgress
from train.settings import TrainSettings

COMMON: dict[str, Any] = {"rank": 4, "batch": 4, "max_tokens": 128, "max_steps": 4, "save_every": 2, "learning_rate": 5e-3}
IDS = torch.tensor([[5, 9, 40, 41, 77, 3, 60, 61, 62, 1]])


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def trained(samples: Path, base: Base, out: Path, values: dict[str, Any], kill_at: int = 0) -> tuple[TrainResult, list[float]]:
    losses: list[float] = []

    def watch(progress: TrainProgress) -> None:
        losses.append(progress.loss)
        if progress.step == kill_at:
            raise Killed

    return train(samples, base.name, out, TrainSettings(**COMMON, **values), progress=watch), losses


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS).logits.float()
    return found


@pytest.mark.parametrize(
    "values",
    [
        {"init": "pissa", "quantisation": "none", "neftune_alpha": 2.0},
        {"init": "loftq", "optimizer": "paged_adamw_8bit"},
    ],
    ids=str,
)
def test_a_killed_training_of_any_kind_goes_on_and_leaves_the_same_adapter(
    values: dict[str, Any], samples: Path, base: Base, tmp_path: Path
) -> None:
    whole, expected = trained(samples, base, tmp_path / "whole", values)
    with pytest.raises(Killed):
        trained(samples, base, tmp_path / "killed", values, kill_at=3)
    resumed, losses = trained(samples, base, tmp_path / "killed", values)
    assert (whole.resumed_at, resumed.resumed_at) == (0, 2)
    assert losses == pytest.approx(expected[2:], abs=1e-6)
    of_whole, of_resumed = (
        logits(attach(load_for_generation(base, read_adapter(tmp_path / name).settings.quantisation), read_adapter(tmp_path / name)))
        for name in ("whole", "killed")
    )
    torch.testing.assert_close(of_resumed, of_whole, atol=1e-4, rtol=1e-4)


def test_the_stop_s_rows_are_part_of_the_adapter(samples: Path, untrained_base: Base, tmp_path: Path) -> None:
    """Killed and gone on with, merged for answers, and with plain PEFT."""
    settings = TrainSettings(**{**COMMON, "learning_rate": 3e-2, "max_steps": 5})
    tokens = read_samples(samples, "train", load_tokenizer(untrained_base), 128).rows[0].input_ids

    def kill(progress: TrainProgress) -> None:
        if progress.step == 4:
            raise Killed

    def stop_and_fellow(model: Any) -> list[float]:
        """Their probabilities where the reply ends."""
        model.train(False)
        with torch.no_grad():
            at_the_end = model(input_ids=torch.from_numpy(tokens).long()[None]).logits[0, -2].float().softmax(-1)
        return [float(at_the_end[token]) for token in (1, 300)]

    def answering(name: str) -> list[float]:
        return stop_and_fellow(attach(load_for_generation(untrained_base, "nf4"), read_adapter(tmp_path / name)))

    train(samples, untrained_base.name, tmp_path / "whole", settings)
    with pytest.raises(Killed):
        train(samples, untrained_base.name, tmp_path / "killed", settings, progress=kill)
    assert train(samples, untrained_base.name, tmp_path / "killed", settings).resumed_at == 2

    stop, fellow = answering("whole")
    assert stop > 2 * fellow
    assert answering("killed") == pytest.approx([stop, fellow], rel=1e-3)
    tied = untrained_base.config.get_text_config().tie_word_embeddings
    config = json.loads((tmp_path / "whole" / "adapter_config.json").read_text())
    assert config["trainable_token_indices"] == ([1] if tied else {"model.embed_tokens": [1], "lm_head": [1]})
    with safe_open(str(tmp_path / "whole" / "adapter_model.safetensors"), framework="pt") as weights:
        assert {weights.get_slice(name).get_shape()[0] for name in weights.keys() if "lora" not in name} == {1}  # noqa: SIM118
    plain = AutoModelForCausalLM.from_pretrained(untrained_base.location, dtype=torch.float32)
    stop, fellow = stop_and_fellow(PeftModel.from_pretrained(plain, str(tmp_path / "whole")))
    assert stop > 1.5 * fellow
