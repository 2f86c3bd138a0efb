"""Whole trainings of a tiny model: what they leave behind, and that a killed one goes on as if nothing had happened."""

import json
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from formats.templates.template import load_template
from train.adapters.folder import read_adapter
from train.learning.checkpoints import last_complete, mark_complete
from train.learning.trainer import TrainResult, train
from train.progress import TrainProgress
from train.settings import DecodingSettings, TrainSettings

SETTINGS = TrainSettings(
    rank=4, dropout=0.1, batch=4, max_tokens=128, max_steps=8, save_every=3, learning_rate=5e-3, tokens_per_batch=256, warmup=0.2
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def _train(samples: Path, base: Path, out: Path, settings: TrainSettings = SETTINGS, kill_at: int = 0) -> tuple[TrainResult, list[float]]:
    losses: list[float] = []

    def watch(progress: TrainProgress) -> None:
        losses.append(progress.loss)
        if progress.step == kill_at:
            raise Killed

    return train(samples, str(base), out, settings, DecodingSettings(temperature=0.7, top_k=20), progress=watch), losses


def test_the_adapter_is_whole_and_says_the_same_everywhere(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    result, losses = _train(samples, base_folder, out)
    assert (result.steps, result.samples, result.dropped_too_long, result.resumed_at) == (8, 23, 1, 0)
    assert result.first_loss == losses[0] > losses[-1] == result.final_loss
    assert result.trainable_parameters == 2 * 4 * (2 * 128 + 2 * 96 + 3 * 192)
    assert not list(tmp_path.glob("adapter.*")), "checkpoints and partial folders are gone"

    config = GenerationConfig.from_pretrained(out)
    stop = json.loads((out / "stop.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert config.eos_token_id == stop["token_id"] == tokenizer.eos_token_id == 1
    assert stop["token"] == "<|end|>"
    assert stop["strings"] == ["\n\n### END"]
    assert stop["reply_opens_with"] == "### Response:\n"
    assert stop["trained_share"] == 1.0
    assert config.pad_token_id == 0
    assert (config.do_sample, config.temperature, config.top_k, config.max_new_tokens) == (True, 0.7, 20, 128)
    adapter = read_adapter(out)
    assert adapter.settings == SETTINGS.model_copy(update={"base": str(base_folder)})
    assert adapter.decoding == DecodingSettings(temperature=0.7, top_k=20)
    assert adapter.template == load_template("comment-response")
    card = (out / "README.md").read_text()
    assert f"{result.trainable_parameters:,} of {result.total_parameters:,}" in card
    assert "1 left out" in card


def test_the_adapter_loads_with_plain_peft(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    _train(samples, base_folder, out)
    ids = torch.tensor([[5, 9, 40]])
    plain = AutoModelForCausalLM.from_pretrained(base_folder)
    before = plain(input_ids=ids).logits
    joined = PeftModel.from_pretrained(plain, out).eval()
    after = joined(input_ids=ids).logits
    assert (after - before).abs().max() > 1e-2
    torch.testing.assert_close(AutoPeftModelForCausalLM.from_pretrained(out).eval()(input_ids=ids).logits, after)


@pytest.mark.parametrize("kill_at", [2, 5, 7])
def test_a_killed_training_goes_on_with_the_same_losses(samples: Path, base_folder: Path, tmp_path: Path, kill_at: int) -> None:
    whole, expected = _train(samples, base_folder, tmp_path / "whole")
    with pytest.raises(Killed):
        _train(samples, base_folder, tmp_path / "killed", kill_at=kill_at)
    assert not (tmp_path / "killed").exists()
    resumed, losses = _train(samples, base_folder, tmp_path / "killed")
    assert resumed.resumed_at == kill_at // 3 * 3
    assert losses == pytest.approx(expected[resumed.resumed_at :], abs=1e-6)
    assert (resumed.tokens, resumed.final_loss) == (whole.tokens, pytest.approx(whole.final_loss, abs=1e-6))
    for name in ("adapter_model.safetensors",):
        assert (tmp_path / "killed" / name).stat().st_size == (tmp_path / "whole" / name).stat().st_size


def test_other_settings_do_not_go_on_from_the_old_checkpoints(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        _train(samples, base_folder, tmp_path / "adapter", kill_at=5)
    result, _ = _train(samples, base_folder, tmp_path / "adapter", SETTINGS.model_copy(update={"learning_rate": 1e-3}))
    assert result.resumed_at == 0


def test_a_checkpoint_killed_while_saving_is_passed_over(tmp_path: Path) -> None:
    for step in (3, 6, 9, 12):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(b"x" * 100)
        if step < 12:
            mark_complete(folder)
    (tmp_path / "checkpoint-9" / "adapter_model.safetensors").write_bytes(b"x" * 60)
    assert last_complete(tmp_path) == tmp_path / "checkpoint-6"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-3", "checkpoint-6"]
    assert last_complete(tmp_path / "none") is None


def test_an_adapter_that_was_there_stays_until_the_new_one_is_whole(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    _train(samples, base_folder, out)
    before = (out / "adapter_model.safetensors").read_bytes()
    other = SETTINGS.model_copy(update={"seed": 1})
    with pytest.raises(Killed):
        _train(samples, base_folder, out, other, kill_at=5)
    assert (out / "adapter_model.safetensors").read_bytes() == before
    _train(samples, base_folder, out, other)
    assert (out / "adapter_model.safetensors").read_bytes() != before
