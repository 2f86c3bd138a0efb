"""Trains an adapter: stock Trainer, LoRA, flattened batches, checkpoints that a killed run goes on from."""

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import PeftModel
from transformers import (
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from formats.samples import folder_template
from train.adapters.folder import beside, describe, note_termination, read_adapter, training_record, write_adapter
from train.adapters.lora import add_adapter
from train.adapters.model_card import model_card
from train.bases.base_model import compute_dtype, device, load_for_training, load_tokenizer, resolve
from train.learning.batches import Samples, flatten, read_samples, samples_at_once, stop_in_loss
from train.learning.checkpoints import claim, fingerprint, last_complete
from train.learning.loss import weighted_loss
from train.learning.watch import Watch
from train.progress import OnProgress, silent
from train.settings import DecodingSettings, TrainSettings


@dataclass(frozen=True)
class TrainResult:
    """What a training was: losses in nats a token; `tokens` are real ones, prompt and reply, counted once a pass.

    `trainable_share` is of all parameters, the adapter's included.

    `seconds` and `tokens_per_second` are this process's; `resumed_at` is the step it went on from, 0 if it started afresh.
    `final_loss` is the mean over the last tenth of the steps.
    """

    trainable_parameters: int
    total_parameters: int
    trainable_share: float
    samples: int
    dropped_too_long: int
    steps: int
    epochs: float
    first_loss: float
    final_loss: float
    tokens: int
    tokens_per_second: float
    seconds: float
    resumed_at: int


def train(
    samples: Path,
    base: str,
    out: Path,
    settings: TrainSettings,
    decoding: DecodingSettings | None = None,
    *,
    progress: OnProgress = silent,
) -> TrainResult:
    """Trains an adapter on a samples folder and writes it to `out`, which appears whole or not at all.

    Checkpoints lie in a hidden folder beside `out` until then. Called again with the same samples and settings after a kill, the training
    goes on from the last whole one; where it was finished, only the decoding settings are written anew.

    Raises:
        UserError: the samples or the base are not there or do not fit the settings, or `out` holds something else.
    """
    out = out.resolve()
    before = training_record(out)
    decoding = decoding or DecodingSettings()
    settings = settings.model_copy(update={"base": base})
    found = resolve(base)
    tokenizer = load_tokenizer(found)
    template = folder_template(samples)
    course = fingerprint(samples, settings.model_dump_json(), found.location)
    checkpoints = beside(out, "checkpoints")
    if before.get("course") == course:
        shutil.rmtree(checkpoints, ignore_errors=True)
        result = TrainResult(**before["result"])
        if read_adapter(out).decoding != decoding:
            describe(out, template, tokenizer, settings, decoding, model_card(found.published, template, settings, decoding, result))
            note_termination(out, None)
        return result
    data = read_samples(samples, "train", tokenizer, settings.max_tokens)
    claim(checkpoints, course)
    set_seed(settings.seed)
    model = add_adapter(load_for_training(found, settings.quantisation), settings)
    watch = Watch(progress)
    trainer = make_trainer(model, data, settings, checkpoints, watch)
    resume_from = last_complete(checkpoints)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)

    result = _result(trainer, data, watch, time.monotonic() - started)
    card = model_card(found.published, template, settings, decoding, result)
    model.peft_config["default"].base_model_name_or_path = found.published
    write_adapter(
        out,
        lambda folder: model.save_pretrained(str(folder)),
        tokenizer,
        template,
        settings,
        decoding,
        stop_in_loss(data.rows, template, tokenizer),
        card,
        {"course": course, "result": asdict(result)},
    )
    shutil.rmtree(checkpoints)
    return result


def make_trainer(model: PeftModel, data: Samples, settings: TrainSettings, checkpoints: Path, watch: TrainerCallback) -> Trainer:
    """The stock Trainer with our batches and our loss."""
    at_once = samples_at_once(settings.batch, data.longest, settings.tokens_per_batch)
    # With a bfloat16 base the adapter's float32 matrices are cast for each product, which is faster than casting its input.
    lower = compute_dtype()
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=settings.batch // at_once,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup,
        optim=settings.optimizer,
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
        include_num_input_tokens_seen="all",
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        use_cpu=device() == "cpu",
        dataloader_pin_memory=device() == "cuda",
        seed=settings.seed,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=data.rows,
        data_collator=flatten,
        compute_loss_func=weighted_loss(settings.stop_weight),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def _result(trainer: Trainer, data: Samples, watch: Watch, seconds: float) -> TrainResult:
    model, state = trainer.model, trainer.state
    if not isinstance(model, PeftModel):
        raise TypeError(f"trained a {type(model).__name__}, expected a PeftModel")
    trainable, total = model.get_nb_trainable_parameters()
    losses = [float(entry["loss"]) for entry in state.log_history if "loss" in entry]
    last = losses[-max(1, len(losses) // 10) :]
    tokens = int(state.num_input_tokens_seen)
    return TrainResult(
        trainable_parameters=trainable,
        total_parameters=total,
        trainable_share=trainable / total,
        samples=len(data.rows),
        dropped_too_long=data.dropped,
        steps=state.global_step,
        epochs=float(state.epoch or 0),
        first_loss=losses[0],
        final_loss=sum(last) / len(last),
        tokens=tokens,
        tokens_per_second=(tokens - watch.tokens_before) / max(seconds, 1e-9),
        seconds=seconds,
        resumed_at=watch.begun_at,
    )
