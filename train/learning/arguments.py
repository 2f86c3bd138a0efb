"""The stock Trainer's arguments, from our settings."""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainingArguments

from train.bases.base_model import compute_dtype, device
from train.learning.optimizer import optimizer_name
from train.learning.processes import Processes
from train.settings import TrainSettings

PROJECT = "lorum"
"""The project under which Weights & Biases and trackio show a run, where their own environment variables name no other."""


def training_arguments(
    settings: TrainSettings, accumulation: int, checkpoints: Path, run_name: str, processes: Processes
) -> TrainingArguments:
    """What the Trainer is to do. Its batches are ours: it takes them one by one, in the order in which they come."""
    # With a bfloat16 base the adapter's float32 matrices are cast for each product, which is faster than casting its input.
    lower = compute_dtype()
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        run_name=run_name,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=accumulation,
        train_sampling_strategy="sequential",
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup,
        optim=optimizer_name(settings, device()),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=lower == torch.bfloat16,
        fp16=lower == torch.float16,
        activation_checkpointing=settings.activation_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if settings.activation_checkpointing else None,
        save_strategy="steps",
        save_steps=settings.save_every,
        # One checkpoint is whole while the next is being written.
        save_total_limit=2,
        logging_steps=1,
        # It would show a loss that is no number as the mean of those before it.
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        report_to=_senders(settings) or "none",
        project=PROJECT,
        trackio_static_space_id=False,
        disable_tqdm=True,
        use_cpu=device() == "cpu",
        ddp_backend="gloo" if device() == "cpu" and processes.count > 1 else None,
        # Every trained matrix takes part in every pass.
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=device() == "cuda",
        seed=settings.seed,
    )
    if arguments.n_gpu > 1:
        # Several GPUs and one process: the Trainer would copy the model to each of them and split a batch that is one already.
        arguments._n_gpu = 1
    return arguments


def reports(settings: TrainSettings, logs: Path, begun_at: int) -> list[TrainerCallback]:
    """Callbacks that write the course of a training to files: TensorBoard's, into `logs`; what a killed run wrote later is hidden."""
    if "tensorboard" not in settings.report_to:
        return []
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations.integration_utils import TensorBoardCallback

    # transformers leaves it untyped.
    callback: Any = TensorBoardCallback
    return [callback(SummaryWriter(str(logs), purge_step=begun_at + 1 if begun_at else None))]


def _senders(settings: TrainSettings) -> list[str]:
    """Where the Trainer itself reports to. Nothing is sent anywhere that the settings do not name."""
    names: list[str] = [name for name in settings.report_to if name != "tensorboard"]
    if "wandb" in names:
        os.environ.setdefault("WANDB_PROJECT", PROJECT)
    return names
