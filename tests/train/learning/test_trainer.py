"""Whole trainings of a tiny model: what they leave behind, and that a killed one goes on as if nothing had happened."""

import json
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from formats.templates.template import load_template
from tests.train.learning.tiny import SETTINGS, Killed, changed, train_tiny
from train.adapters.folder import read_adapter
from train.learning.checkpoints import claim, last_complete, mark_complete
from train.learning.trainer import TrainResult, train
from train.settings import DecodingSettings

MEASURED = changed(max_steps=15, tokens_per_batch=160, eval_every=2)


def test_the_adapter_is_whole_and_says_the_same_everywhere(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    result, losses = train_tiny(samples, base_folder, out)
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
    train_tiny(samples, base_folder, out)
    ids = torch.tensor([[5, 9, 40]])
    plain = AutoModelForCausalLM.from_pretrained(base_folder)
    before = plain(input_ids=ids).logits
    joined = PeftModel.from_pretrained(plain, out).eval()
    after = joined(input_ids=ids).logits
    assert (after - before).abs().max() > 1e-2
    torch.testing.assert_close(AutoPeftModelForCausalLM.from_pretrained(out).eval()(input_ids=ids).logits, after)


@pytest.fixture(scope="module")
def uninterrupted(
    module_samples: Path, base_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainResult, list[float], bytes]:
    """Two passes and a part of the third, in micro-batches, with dropout, and with measurements between."""
    out = tmp_path_factory.mktemp("uninterrupted") / "adapter"
    result, losses = train_tiny(module_samples, base_folder, out, MEASURED)
    return result, losses, (out / "adapter_model.safetensors").read_bytes()


# 6 steps are a pass: killed in the first one, at its end, in the second and in the third; the kill after a checkpoint is the usual one.
@pytest.mark.parametrize(("kill_at", "resumes_at"), [(2, 0), (6, 3), (7, 6), (14, 12)])
def test_a_killed_training_goes_on_as_if_it_had_not_been(
    module_samples: Path,
    base_folder: Path,
    tmp_path: Path,
    uninterrupted: tuple[TrainResult, list[float], bytes],
    kill_at: int,
    resumes_at: int,
) -> None:
    whole, expected, weights = uninterrupted
    out = tmp_path / "killed"
    with pytest.raises(Killed):
        train_tiny(module_samples, base_folder, out, MEASURED, kill_at=kill_at)
    assert not out.exists()
    resumed, losses = train_tiny(module_samples, base_folder, out, MEASURED)
    assert resumed.resumed_at >= resumes_at
    assert losses == pytest.approx(expected[resumed.resumed_at :], abs=1e-5)
    assert (resumed.tokens, resumed.steps, resumed.epochs, resumed.best_step) == (whole.tokens, whole.steps, whole.epochs, whole.best_step)
    assert [loss for _, loss in resumed.validation_losses] == pytest.approx([loss for _, loss in whole.validation_losses], abs=1e-5)
    assert len((out / "adapter_model.safetensors").read_bytes()) == len(weights)


def test_a_training_killed_while_it_saves_goes_on_from_the_checkpoint_before(
    module_samples: Path,
    base_folder: Path,
    tmp_path: Path,
    uninterrupted: tuple[TrainResult, list[float], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, expected, _ = uninterrupted
    saved: list[Path] = []

    def dies_at_the_third(checkpoint: Path) -> None:
        saved.append(checkpoint)
        if len(saved) == 3:
            (checkpoint / "optimizer.pt").write_bytes(b"")
            raise Killed
        mark_complete(checkpoint)

    monkeypatch.setattr("train.learning.watch.mark_complete", dies_at_the_third)
    with pytest.raises(Killed):
        train_tiny(module_samples, base_folder, tmp_path / "killed", MEASURED)
    monkeypatch.setattr("train.learning.watch.mark_complete", mark_complete)
    resumed, losses = train_tiny(module_samples, base_folder, tmp_path / "killed", MEASURED)
    assert resumed.resumed_at == int(saved[1].name.split("-")[1])
    assert losses == pytest.approx(expected[resumed.resumed_at :], abs=1e-5)


def test_what_decides_memory_alone_may_change_between_two_parts_of_a_training(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    without_dropout = changed(dropout=0.0)
    whole, expected = train_tiny(samples, base_folder, tmp_path / "whole", without_dropout)
    with pytest.raises(Killed):
        train_tiny(samples, base_folder, tmp_path / "killed", without_dropout, kill_at=7)
    less = changed(dropout=0.0, tokens_per_batch=64, activation_checkpointing=True, save_every=1)
    resumed, losses = train_tiny(samples, base_folder, tmp_path / "killed", less)
    assert resumed.resumed_at == 6
    assert losses == pytest.approx(expected[6:], rel=0.02), "in bfloat16 sums in another order differ"
    assert resumed.tokens == whole.tokens


def test_other_settings_do_not_go_on_from_the_old_checkpoints(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train_tiny(samples, base_folder, tmp_path / "adapter", kill_at=5)
    said: list[str] = []
    result = train(samples, str(base_folder), tmp_path / "adapter", changed(learning_rate=1e-3), say=said.append)
    assert result.resumed_at == 0
    assert said == ["train: the checkpoint of step 3 is given up: learning_rate was 0.005, is 0.001"]


def test_how_often_is_measured_may_change_between_two_parts_of_a_training(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train_tiny(samples, base_folder, tmp_path / "adapter", changed(eval_every=4), kill_at=7)
    result, _ = train_tiny(samples, base_folder, tmp_path / "adapter", changed(eval_every=7, patience=2))
    assert result.resumed_at >= 4
    assert [step for step, _ in result.validation_losses] == [4, 7, 8]


def test_checkpoints_of_other_samples_are_given_up_with_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    assert claim(folder, "one", {"seed": 1}) is None
    (folder / "checkpoint-9").mkdir()
    mark_complete(folder / "checkpoint-9")
    assert claim(folder, "one", {"seed": 1}) is None
    assert claim(folder, "two", {"seed": 1}) == "the checkpoint of step 9 is given up: its samples or its base were others"
    assert last_complete(folder) is None
    assert claim(folder, "three", {"seed": 2}) is None, "nothing was lost"


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
    train_tiny(samples, base_folder, out)
    before = (out / "adapter_model.safetensors").read_bytes()
    other = changed(seed=1)
    with pytest.raises(Killed):
        train_tiny(samples, base_folder, out, other, kill_at=5)
    assert (out / "adapter_model.safetensors").read_bytes() == before
    train_tiny(samples, base_folder, out, other)
    assert (out / "adapter_model.safetensors").read_bytes() != before
