"""Trains an adapter: stock Trainer, LoRA, flattened batches, checkpoints that a killed run goes on from."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, load_peft_weights, set_peft_model_state_dict
from transformers import PrinterCallback, ProgressCallback, Trainer, set_seed

from formats.samples import folder_template
from formats.tokens.encoding import Encoded, end_ids
from train.adapters.folder import beside, describe, note_termination, read_adapter, training_record, write_adapter
from train.adapters.lora import add_adapter, save_adapter
from train.adapters.model_card import model_card
from train.adapters.starts import start_of
from train.adapters.stop_row import stop_to_train
from train.bases.base_model import device, load_for_training, load_tokenizer, resolve
from train.bases.fitting import check_fits
from train.learning.apart import keeps_apart
from train.learning.arguments import reports, training_arguments
from train.learning.batches import Batches, Samples, flatten, read_samples, stop_in_loss
from train.learning.checkpoints import claim, fingerprint, last_complete, step_of
from train.learning.failures import TRAINING, WRITING, Situation, explained, require_room, terminated
from train.learning.fused import fuse
from train.learning.loss import weighted_loss
from train.learning.optimizer import optimizer_note
from train.learning.peak import peak_bytes, start_peak
from train.learning.planned import number_of_steps, planned_bytes, shortage
from train.learning.processes import Processes, joined, spreads_base
from train.learning.validation import Validation, measured
from train.learning.watch import Watch
from train.progress import OnProgress, OnSay, mute, silent
from train.requirements import require_installed
from train.settings import DecodingSettings, TrainSettings

_NOT_THE_COURSE = {"preset", "tokens_per_batch", "activation_checkpointing", "save_every", "report_to"}
"""Settings that may change between two parts of one training: they decide what it needs, not what it learns."""


@dataclass(frozen=True)
class TrainResult:
    """What a training was: losses in nats a token; `tokens` are real ones, prompt and reply, counted once a pass.

    `trainable_share` is of all parameters, the adapter's included.

    `seconds` and `tokens_per_second` are this process's, the latter without the time in which the held-out loss was measured;
    `resumed_at` is the step it went on from, 0 if it started afresh. `final_loss` is the mean over the last tenth of the steps.

    `validation_losses` has the held-out loss by step, every token alike, and `best_step` is the step whose adapter was written, the last
    one where nothing was measured. `peak_bytes` is the most memory of this process while it trained, `planned_bytes` what the
    planner said before, None where it cannot say; `device` is the device's name.
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
    best_step: int | None = None
    validation_losses: Sequence[Sequence[float]] = ()
    peak_bytes: int = 0
    planned_bytes: int | None = None
    device: str = "cpu"
    processes: int = 1


def train(
    samples: Path,
    base: str,
    out: Path,
    settings: TrainSettings,
    decoding: DecodingSettings | None = None,
    *,
    progress: OnProgress = silent,
    say: OnSay = mute,
) -> TrainResult:
    """Trains an adapter on a samples folder and writes it to `out`, which appears whole or not at all.

    Checkpoints lie in a hidden folder beside `out` until then. Called again with the same samples and settings after a kill, the training
    goes on from the last whole one; where it was finished, only the decoding settings are written anew. With `eval_every` the adapter
    written is the one with the least loss on the validation split. What `report_to` has TensorBoard show is in `logs/` beside `out`.

    Told to end by SIGTERM or Ctrl-C it ends after its step, with a checkpoint; `say` gets the lines that the user is to know.

    Started by `torchrun` or `accelerate launch`, several processes train one adapter, with the batch of one; the first one writes.

    Raises:
        UserError: the samples or the base are not there or do not fit the settings, or `out` holds something else.
        TrainingError: memory or disk did not suffice, the loss is no number, or the training was told to end (SIGTERM).
        KeyboardInterrupt: it was told to end by Ctrl-C.
    """
    decoding = decoding or DecodingSettings()
    settings = settings.model_copy(update={"base": base})
    with joined() as processes:
        return _train(samples, out.resolve(), settings, decoding, processes, progress, say)


def _train(
    samples: Path,
    out: Path,
    settings: TrainSettings,
    decoding: DecodingSettings,
    processes: Processes,
    progress: OnProgress,
    say: OnSay,
) -> TrainResult:
    require_installed(settings)
    if note := optimizer_note(settings, device()):
        say(f"train: {note}")
    before = training_record(out)
    found = resolve(settings.base)
    settings = settings.model_copy(update={"base": found.name})
    check_fits(settings, found.config)
    tokenizer = load_tokenizer(found)
    template = folder_template(samples)
    splits = ("train", "validation") if settings.eval_every else ("train",)
    course = fingerprint(samples, splits, settings.model_dump_json(exclude=_NOT_THE_COURSE), found.location)
    checkpoints = beside(out, "checkpoints")
    if before.get("course") == course:
        result = TrainResult(**before["result"])
        if processes.is_main:
            shutil.rmtree(checkpoints, ignore_errors=True)
            if read_adapter(out).decoding != decoding:
                describe(out, template, tokenizer, settings, decoding, model_card(found.published, template, settings, decoding, result))
                note_termination(out, None)
        return result
    data = read_samples(samples, "train", tokenizer, settings.max_tokens)
    held_out = read_samples(samples, "validation", tokenizer, settings.max_tokens) if settings.eval_every else None
    batches = Batches(data.rows, settings.batch, settings.tokens_per_batch, settings.seed, processes.count)
    situation = Situation(checkpoints, settings, data.longest)
    if processes.is_main:
        # Which steps are measured changes no step; whether any is decides which adapter is the best one.
        kept = settings.model_dump_json(exclude=_NOT_THE_COURSE | {"eval_every", "patience"})
        way = fingerprint(samples, splits, kept, found.location, str(settings.eval_every > 0))
        given_up = claim(checkpoints, way, settings.model_dump(mode="json", exclude=_NOT_THE_COURSE))
        if given_up:
            say(f"train: {given_up}")
    with explained(situation):
        planned = planned_bytes(found, settings, batches)
        if short := shortage(planned):
            say(f"train: {short}")
        set_seed(settings.seed)
        loaded = load_for_training(found, settings.quantisation)
        # Asked once the weights of a base from the Hub are on this computer.
        stop_token = stop_to_train(found, settings, end_ids(template, tokenizer)[0])
        together = settings
        if not processes.agreed(keeps_apart(loaded) if processes.is_main else None):
            say(f"train: the layers of {found.config.model_type} let samples in one row read each other: each goes through by itself")
            together = settings.model_copy(update={"tokens_per_batch": 1})
            batches = Batches(data.rows, settings.batch, 1, settings.seed, processes.count)
        model = add_adapter(loaded, settings, stop_token=stop_token)
        if not spreads_base():
            # FSDP gathers a matrix when its own layer is called, which fused layers never do.
            fuse(model)
        start, counts = start_of(model), model.get_nb_trainable_parameters()
        watch = Watch(progress, batches, situation, processes, say)
        run_name = f"{out.parent.name}-{out.name}-{course[:8]}"
        trainer = make_trainer(model, batches, settings, checkpoints, watch, run_name, processes)
        validation = Validation(held_out.rows, together, processes, trainer.log) if held_out else None
        if validation:
            trainer.add_callback(validation)
        resume_from = processes.agreed(last_complete(checkpoints) if processes.is_main else None)
        if processes.is_main:
            require_room(situation, counts[0], number_of_steps(settings, batches))
            for report in reports(settings, out.parent / "logs" / run_name, step_of(resume_from)):
                trainer.add_callback(report)
        situation.doing = TRAINING
        start_peak()
        started = time.monotonic()
        with watch.listening():
            trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
        seconds, peak = time.monotonic() - started, peak_bytes()
        if watch.terminated and not (validation and validation.stopped):
            if watch.interrupted:
                raise KeyboardInterrupt
            raise terminated(trainer.state.global_step, trainer.state.max_steps)
        situation.doing = WRITING
        weights = _weights(trainer)
        result = _result(trainer, data, watch, counts, seconds, peak, planned, processes)
        if processes.is_main:
            model.peft_config["default"].base_model_name_or_path = found.published
            write_adapter(
                out,
                lambda folder: save_adapter(model, folder, start, weights),
                tokenizer,
                template,
                settings,
                decoding,
                stop_in_loss(data.rows, template, tokenizer),
                model_card(found.published, template, settings, decoding, result),
                {"course": course, "result": asdict(result)},
            )
            shutil.rmtree(checkpoints)
    return result


def make_trainer(
    model: PeftModel,
    batches: Batches,
    settings: TrainSettings,
    checkpoints: Path,
    watch: Watch,
    run_name: str,
    processes: Processes,
) -> Trainer:
    """The stock Trainer with our batches and our loss."""
    trainer = Trainer(
        model=model,
        args=training_arguments(settings, batches.accumulation, checkpoints, run_name, processes),
        train_dataset=batches,
        data_collator=_collate,
        compute_loss_func=weighted_loss(settings.stop_weight),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def _collate(items: list[list[Encoded]]) -> dict[str, Any]:
    """Flattens the one micro-batch that the Trainer takes at a time."""
    return flatten(items[0])


def _weights(trainer: Trainer) -> dict[str, torch.Tensor] | None:
    """Puts the best adapter that was measured into the model; its parameters, gathered, where FSDP has spread them over processes."""
    best, model = trainer.state.best_global_step, trainer.model
    if best and best != trainer.state.global_step and trainer.state.best_model_checkpoint:
        checkpoint = trainer.state.best_model_checkpoint
        if trainer.is_fsdp_enabled:
            trainer._load_from_checkpoint(checkpoint, trainer.model_wrapped)
        else:
            set_peft_model_state_dict(model, load_peft_weights(checkpoint, device=str(device())))
    if not trainer.is_fsdp_enabled:
        return None
    # accelerate leaves it untyped.
    accelerator: Any = trainer.accelerator
    gathered: dict[str, torch.Tensor] = accelerator.get_state_dict(model)
    return gathered


def _result(
    trainer: Trainer,
    data: Samples,
    watch: Watch,
    counts: tuple[int, int],
    seconds: float,
    peak: int,
    planned: int | None,
    processes: Processes,
) -> TrainResult:
    state = trainer.state
    trainable, total = counts
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
        tokens_per_second=(tokens - watch.tokens_before) / max(seconds - watch.measuring_s, 1e-9),
        seconds=seconds,
        resumed_at=watch.begun_at,
        best_step=state.best_global_step,
        validation_losses=measured(state),
        peak_bytes=peak,
        planned_bytes=planned,
        device=torch.cuda.get_device_name() if device() == "cuda" else "cpu",
        processes=processes.count,
    )
