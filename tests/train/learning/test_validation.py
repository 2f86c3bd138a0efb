"""The loss on held-out samples while training: that it is exact, changes nothing, and decides which adapter is written."""

import math
from pathlib import Path

import polars as pl
import pytest
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

from formats.templates.template import Template
from tests.train.conftest import SENTENCES, sample
from tests.train.learning.tiny import Killed, changed, train_tiny
from train.adapters.lora import WEIGHTS
from train.learning.batches import Samples, read_samples
from train.learning.processes import Processes
from train.learning.validation import held_out_loss, measuring_batches

STEADY = changed(max_steps=15, eval_every=3, schedule="constant", save_every=4)
"""With a constant rate a training of fewer steps is the beginning of one of more."""


def held_out(samples: Path, folder: Path) -> Samples:
    return read_samples(samples, "validation", AutoTokenizer.from_pretrained(folder), 128)


def scripted(monkeypatch: pytest.MonkeyPatch, *losses: float) -> None:
    """Lets the measurements of the next training come to these."""
    left = iter(losses)
    monkeypatch.setattr("train.learning.validation.held_out_loss", lambda *args: next(left))


def test_the_loss_is_that_of_every_token_alike(samples: Path, base_folder: Path, tmp_path: Path, template: Template) -> None:
    out = tmp_path / "adapter"
    uneven = [sample(template, "How?", reply) for reply in (SENTENCES[4], SENTENCES[6] * 2, SENTENCES[1])]
    pl.DataFrame(uneven).write_parquet(samples / "validation.parquet")
    result, _ = train_tiny(samples, base_folder, out, changed(max_steps=5, eval_every=2, quantisation="none", dropout=0.0))
    assert [step for step, _ in result.validation_losses] == [2, 4, 5], "every so many steps and at the end"
    assert result.best_step == 5
    model = AutoPeftModelForCausalLM.from_pretrained(out).eval()
    losses = []
    for row in held_out(samples, out).rows:
        logits = model(input_ids=torch.from_numpy(row.input_ids[None]).long()).logits[0, row.num_prompt - 1 : -1].float()
        losses.append(torch.nn.functional.cross_entropy(logits, torch.from_numpy(row.input_ids[row.num_prompt :]).long(), reduction="none"))
    assert len({len(each) for each in losses}) > 1, "the mean of the samples' means would be another"
    assert result.validation_losses[-1][1] == pytest.approx(float(torch.cat(losses).mean()), rel=5e-3), "in bfloat16 and in float32"


def test_the_adapter_written_is_the_best_one(
    module_samples: Path, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter, _ = train_tiny(module_samples, base_folder, tmp_path / "shorter", STEADY.model_copy(update={"max_steps": 6, "eval_every": 0}))
    assert (shorter.best_step, list(shorter.validation_losses)) == (None, [])
    scripted(monkeypatch, 5.0, 4.0, 4.5, 4.0, 4.2)
    result, _ = train_tiny(module_samples, base_folder, tmp_path / "best", STEADY)
    assert (result.best_step, result.steps) == (6, 15), "of two alike the earlier one"
    assert (tmp_path / "best" / WEIGHTS).read_bytes() == (tmp_path / "shorter" / WEIGHTS).read_bytes()

    # Killed after the checkpoints of later steps were saved, and gone on with.
    scripted(monkeypatch, 5.0, 4.0, 4.5, 4.0)
    with pytest.raises(Killed):
        train_tiny(module_samples, base_folder, tmp_path / "killed", STEADY, kill_at=14)
    kept = sorted(int(path.name.split("-")[1]) for path in (tmp_path / ".killed.checkpoints").glob("checkpoint-*"))
    assert kept == [6, 12], "the best one and the last one"
    scripted(monkeypatch, 4.2)
    resumed, _ = train_tiny(module_samples, base_folder, tmp_path / "killed", STEADY)
    assert (resumed.resumed_at, resumed.best_step) == (12, 6)
    assert (tmp_path / "killed" / WEIGHTS).read_bytes() == (tmp_path / "shorter" / WEIGHTS).read_bytes()


def test_patience_ends_a_training_that_no_longer_gets_better(
    module_samples: Path, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = STEADY.model_copy(update={"patience": 2, "save_every": 3})
    scripted(monkeypatch, 5.0, 6.0, 4.0, 4.5, 4.0)
    result, losses = train_tiny(module_samples, base_folder, tmp_path / "adapter", settings.model_copy(update={"max_steps": 30}))
    assert (result.steps, result.best_step, len(losses)) == (15, 9, 15)
    scripted(monkeypatch, 5.0, 4.0, 4.5, 4.1)
    with pytest.raises(Killed):
        train_tiny(module_samples, base_folder, tmp_path / "killed", settings, kill_at=12)
    scripted(monkeypatch, 4.1)
    again, losses = train_tiny(module_samples, base_folder, tmp_path / "killed", settings)
    assert (again.steps, again.best_step, len(losses)) == (12, 6, 3), "killed right before it was to stop, it stops at the same step"


def test_measuring_leaves_the_course_as_it_is(samples: Path, base_folder: Path, tmp_path: Path) -> None:
    with_dropout = {"dropout": 0.2, "neftune_alpha": 5.0, "quantisation": "nf4"}
    _, without = train_tiny(samples, base_folder, tmp_path / "without", changed(**with_dropout))
    _, measured = train_tiny(samples, base_folder, tmp_path / "measured", changed(eval_every=1, eval_samples=1, **with_dropout))
    assert measured == without


class _Counting(torch.nn.Module):
    """Stands for a model: gives every token the same probability, and notes how many it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[int] = []

    def forward(self, input_ids: torch.Tensor, logits_to_keep: torch.Tensor, **inputs: object) -> object:
        self.seen.append(input_ids.shape[1])
        assert not self.training
        assert not torch.is_grad_enabled()

        class Output:
            logits = torch.zeros(1, int(logits_to_keep.sum()), 400)

        return Output()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_processes_share_the_rows_in_the_same_number_of_passes(
    samples: Path, base_folder: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    rows = held_out(samples, base_folder).rows
    sums: list[torch.Tensor] = []
    monkeypatch.setattr(Processes, "summed", lambda self, values: sums.append(values.clone()) or torch.ones(2))
    models = [_Counting() for _ in range(count)]
    for rank, model in enumerate(models):
        model.train()
        held_out_loss(model, measuring_batches(rows, 64, processes := Processes(count, rank, rank)), processes)
        assert model.training
    assert len({len(model.seen) for model in models}) == 1
    losses, tokens = torch.stack(sums).sum(0).tolist()
    assert losses / tokens == pytest.approx(math.log(400), rel=1e-6)
    assert tokens == sum((row.labels >= 0).sum() for row in rows)
