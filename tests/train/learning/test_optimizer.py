"""Optimizers and schedules by the names that the settings have."""

from typing import Any, get_args

import pytest
import torch
from transformers import TrainingArguments, get_scheduler
from transformers.training_args import OptimizerNames

from train.learning.optimizer import optimizer_name, optimizer_note
from train.settings import TrainSettings

OPTIMIZERS: tuple[str, ...] = get_args(TrainSettings.model_fields["optimizer"].annotation)
SCHEDULES: tuple[Any, ...] = get_args(TrainSettings.model_fields["schedule"].annotation)


@pytest.mark.parametrize(
    ("asked", "on_a_gpu", "on_a_cpu"),
    [
        ("auto", "paged_adamw_32bit", "adamw_torch"),
        ("adamw_torch", "adamw_torch", "adamw_torch"),
        ("adamw_8bit", "adamw_8bit", "adamw_8bit"),
        ("paged_adamw_8bit", "paged_adamw_8bit", "adamw_8bit"),
        ("paged_adamw_32bit", "paged_adamw_32bit", "adamw_torch"),
    ],
)
def test_what_pages_does_so_on_a_gpu_alone(asked: Any, on_a_gpu: str, on_a_cpu: str) -> None:
    settings = TrainSettings(optimizer=asked)
    assert (optimizer_name(settings, "cuda"), optimizer_name(settings, "cpu")) == (on_a_gpu, on_a_cpu)
    assert optimizer_note(settings, "cuda") is None
    changed = asked not in ("auto", on_a_cpu)
    says = f"{asked} pages its state out of a GPU; on this CPU {on_a_cpu} takes the same steps"
    assert optimizer_note(settings, "cpu") == (says if changed else None)


def test_every_optimizer_is_one_of_transformers() -> None:
    known = {name.value for name in OptimizerNames}
    assert {optimizer_name(TrainSettings(optimizer=name), device) for name in OPTIMIZERS for device in ("cuda", "cpu")} <= known  # type: ignore[arg-type]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_rises_to_its_peak(schedule: Any) -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    arguments = TrainingArguments(output_dir="unused", lr_scheduler_type=schedule, warmup_steps=0.25, use_cpu=True)
    course = get_scheduler(arguments.lr_scheduler_type, optimizer, arguments.get_warmup_steps(8), 8)
    rates = []
    for _ in range(8):
        rates.append(course.get_last_lr()[0])
        optimizer.step()
        course.step()
    assert max(rates) == 1.0
    assert rates[2] == 1.0, "a quarter of the steps leads there"
    assert (rates[0] == 0.0) is (schedule != "constant")
    assert (rates[-1] < 0.3) is (schedule in ("linear", "cosine"))
