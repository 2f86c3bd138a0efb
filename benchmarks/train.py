"""How fast an adapter is trained, in how much memory and how well, against the stock Trainer and TRL, each in a process of its own.

    python benchmarks/train.py SAMPLES [--pairs 300] [--contenders padded,single,trl,trl-free,trl-packed,lorum] [--profile]
    python benchmarks/train.py SAMPLES --base llama-7b --contenders trl-free,trl-packed,lorum

The same base in NF4 with double quantisation, the same tokens of at most 512 a sample, 8 samples an optimizer step, LoRA of rank 16 on all
linear layers, one pass. Tokens a second are real ones, padding not counted, of `trainer.train()` alone. Peak memory is the process's
highest resident set up to the end of the training, on a GPU what the allocator held at most. The held-out loss is measured after that, by
one function for all: nats a token of reply and stop, sample by sample. Nothing is evaluated before or within a training: bitsandbytes
would repack the base for inference and cut its gradients.

The rivals have what makes them fast: no activation checkpointing, save for TRL's default, which turns it on; a packed row of TRL is 512
tokens, and as many rows are a step as hold 8 samples on average. How threads wait and how many kernels are kept is for them as PyTorch has
it, for Lorum as it sets it. `llama-7b` has random weights in the shape of Llama-2-7B, on a GPU, and
tokens drawn at random in the lengths of the samples: its speed means something, its loss does not.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Before this folder, where the package `train` would be found to be train.py.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

from formats.tokens.encoding import Encoded
from train.adapters.lora import add_adapter
from train.bases.base_model import compute_dtype, device, keep_gradients_flowing, load_for_training, load_tokenizer, resolve
from train.evaluation.perplexity import losses
from train.learning.batches import Batches, flatten, read_samples
from train.learning.fused import fuse
from train.learning.loss import weighted_loss
from train.settings import TrainSettings

SETTINGS = TrainSettings()
BATCH, MAX_TOKENS, RANK = 8, 512, 16
SEVEN_B = "llama-7b"

THREADS_WAIT = "OMP_WAIT_POLICY"
KERNELS_KEPT = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "1024", "LRU_CACHE_CAPACITY": "1024"}
"""What Lorum sets of PyTorch as it is imported, and PyTorch's own numbers of kernels to keep."""


@dataclass(frozen=True)
class Measured:
    """A contender's training: `tokens` in `seconds`, of which the processors worked `cpu_seconds`; `peak` bytes; held-out nats a token."""

    tokens: int
    seconds: float
    cpu_seconds: float
    steps: int
    peak: int
    held_out: float


def base_model(name: str, attention: str | None) -> Any:
    """The base in NF4, with frozen weights; with our attention where `attention` is None."""
    if name == SEVEN_B:
        return random_llama()
    base = resolve(name)
    if attention is None:
        return load_for_training(base, "nf4")
    model: Any = load_for_training(base, "nf4")
    model.set_attn_implementation(attention)
    return model


def random_llama() -> Any:
    """Random weights in the shape of Llama-2-7B, quantised layer by layer: no more than one layer is on the GPU in full."""
    from bitsandbytes.nn.modules import Linear4bit, Params4bit
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model: Any = LlamaForCausalLM(LlamaConfig(vocab_size=32000, attn_implementation="sdpa")).to(compute_dtype())
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            layer = Linear4bit(
                module.in_features, module.out_features, bias=False, compute_dtype=compute_dtype(), quant_type="nf4", device="meta"
            )
            dense = torch.randn(module.out_features, module.in_features, dtype=compute_dtype()).mul_(0.02)
            layer.weight = Params4bit(dense, requires_grad=False, quant_type="nf4", compress_statistics=True, module=layer).to("cuda")
            model.set_submodule(name, layer)
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.device.type == "meta":
                drawn = torch.randn(parameter.shape, dtype=parameter.dtype, device="cuda").mul_(0.02)
                setattr(module, name, torch.nn.Parameter(drawn if parameter.dim() > 1 else torch.ones_like(drawn), requires_grad=False))
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config).to("cuda")
    model.is_loaded_in_4bit = True
    model.config.use_cache = False
    model.requires_grad_(False)
    return model


def lora() -> LoraConfig:
    return LoraConfig(r=RANK, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")


def common(folder: str) -> dict[str, Any]:
    """The arguments that all trainers share; 16-bit products as the machine has them."""
    lower = compute_dtype()
    return {
        "output_dir": folder,
        "num_train_epochs": 1,
        "learning_rate": SETTINGS.learning_rate,
        "lr_scheduler_type": SETTINGS.schedule,
        "warmup_steps": SETTINGS.warmup,
        "max_grad_norm": SETTINGS.max_grad_norm,
        "optim": "adamw_torch",
        "bf16": lower == torch.bfloat16,
        "fp16": lower == torch.float16,
        "save_strategy": "no",
        "logging_steps": 1000,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": device() == "cpu",
        "dataloader_pin_memory": False,
        "seed": 0,
    }


def stock(model: Any, rows: Sequence[Encoded], tokenizer: Any, folder: str, at_once: int) -> Trainer:
    """The stock Trainer, with the collator that pads each batch to its longest sample."""
    data = [{"input_ids": row.input_ids.tolist(), "labels": row.labels.tolist()} for row in rows]
    sizes = {"per_device_train_batch_size": at_once, "gradient_accumulation_steps": BATCH // at_once}
    collator = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)
    return Trainer(get_peft_model(model, lora()), TrainingArguments(**common(folder), **sizes), collator, data)


def trl(model: Any, rows: Sequence[Encoded], tokenizer: Any, folder: str, **options: Any) -> Trainer:
    """TRL's SFTTrainer on our tokens, with the loss on the completion alone."""
    from trl import SFTConfig, SFTTrainer

    columns = {
        "input_ids": [row.input_ids.tolist() for row in rows],
        "completion_mask": [[0] * row.num_prompt + [1] * (len(row.input_ids) - row.num_prompt) for row in rows],
    }
    # No sample is longer than MAX_TOKENS; padding-free batches take no limit.
    limit = None if options.get("padding_free") else MAX_TOKENS
    arguments = SFTConfig(**common(folder), max_length=limit, completion_only_loss=True, **options)
    return SFTTrainer(model, arguments, train_dataset=Dataset.from_dict(columns), processing_class=tokenizer, peft_config=lora())


def ours(model: Any, rows: Sequence[Encoded], folder: str) -> Trainer:
    """The stock Trainer with our batches, layers and loss, as `lorum train` sets it up."""
    adapted = add_adapter(model, SETTINGS)
    fuse(adapted)
    batches = Batches(rows, BATCH, SETTINGS.tokens_per_batch, seed=0)
    sizes = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": batches.accumulation}
    options = common(folder) | {"train_sampling_strategy": "sequential", "remove_unused_columns": False}
    return Trainer(
        adapted,
        TrainingArguments(**options, **sizes),
        lambda items: flatten(items[0]),
        batches,
        compute_loss_func=weighted_loss(1.0),
    )


CONTENDERS: dict[str, tuple[str, Callable[..., Trainer]]] = {
    "padded": ("stock Trainer, padded batches of 8", lambda m, r, t, f: stock(m, r, t, f, BATCH)),
    "single": ("stock Trainer, one sample at a time", lambda m, r, t, f: stock(m, r, t, f, 1)),
    "trl": ("TRL, default", lambda m, r, t, f: trl(m, r, t, f, per_device_train_batch_size=BATCH)),
    "trl-free": (
        "TRL, padding-free",
        lambda m, r, t, f: trl(m, r, t, f, per_device_train_batch_size=BATCH, padding_free=True, gradient_checkpointing=False),
    ),
    "trl-packed": (
        "TRL, packed (bfd)",
        lambda m, r, t, f: trl(m, r, t, f, **packed_sizes(r), packing=True, packing_strategy="bfd", gradient_checkpointing=False),
    ),
    "lorum": ("Lorum", lambda m, r, t, f: ours(m, r, f)),
}


def packed_sizes(rows: Sequence[Encoded]) -> dict[str, int]:
    """One packed row at a time, and as many a step as hold 8 samples on average."""
    mean = float(np.mean([len(row.input_ids) for row in rows]))
    return {"per_device_train_batch_size": 1, "gradient_accumulation_steps": max(1, round(BATCH * mean / MAX_TOKENS))}


def rows_of(samples: Path, base: str, pairs: int) -> tuple[list[Encoded], list[Encoded], Any]:
    """Training rows, held-out rows and the tokenizer; for a base without one random tokens in the same lengths."""
    tokenizer = load_tokenizer(resolve("smollm2-135m" if base == SEVEN_B else base))
    kinds = [read_samples(samples, split, tokenizer, MAX_TOKENS).rows for split in ("train", "validation")]
    train, held_out = kinds[0][:pairs], kinds[1][:64]
    if base == SEVEN_B:
        draw = np.random.default_rng(0)
        train, held_out = (
            [Encoded(draw.integers(3, 32000, len(row.input_ids), np.int32), row.num_prompt, row.num_stop) for row in rows]
            for rows in (train, held_out)
        )
    return train, held_out, tokenizer


def measure(name: str, samples: Path, base: str, pairs: int) -> Measured:
    """Trains one contender, in this process."""
    torch.manual_seed(0)
    rows, held_out, tokenizer = rows_of(samples, base, pairs)
    attention = None if name == "lorum" else "sdpa"
    with tempfile.TemporaryDirectory() as folder:
        trainer = CONTENDERS[name][1](base_model(base, attention), rows, tokenizer, folder)
        cpu, started = time.process_time(), time.perf_counter()
        trainer.train()
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    peak = torch.cuda.max_memory_allocated() if device() == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    model: Any = trainer.model
    keep_gradients_flowing(model)
    model.train(False)
    with torch.autocast(device(), compute_dtype(), enabled=compute_dtype() != torch.float32):
        found = losses(model, held_out)
    nats = float((found.reply.sum() + found.stop.sum()) / (found.reply_tokens.sum() + found.stop_tokens.sum()))
    tokens = sum(len(row.input_ids) for row in rows)
    return Measured(tokens, seconds, cpu_seconds, trainer.state.global_step, peak, nats)


def alone(arguments: argparse.Namespace, name: str) -> Measured:
    """Trains one contender in a process of its own.

    Raises:
        SystemExit: that process failed.
    """
    options = ["--pairs", str(arguments.pairs), "--base", arguments.base, "--alone", name]
    command = [sys.executable, __file__, str(arguments.samples), *options]
    stock = {key: value for key, value in os.environ.items() if key != THREADS_WAIT} | KERNELS_KEPT
    environment = None if name == "lorum" else stock
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr[-2000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def measured_in_turn(arguments: argparse.Namespace) -> dict[str, Measured]:
    """Trains one contender after the other, and prints each as soon as it is known."""
    print(f"\n{'':<38}{'tokens/s':>9}{'seconds':>9}{'CPU s':>8}{'steps':>7}{'peak GB':>9}{'held-out':>10}", flush=True)
    found = {}
    for name in arguments.contenders.split(","):
        one = found[name] = alone(arguments, name)
        speed = f"{one.tokens / one.seconds:>9.0f}{one.seconds:>9.0f}{one.cpu_seconds:>8.0f}"
        print(f"{CONTENDERS[name][0]:<38}{speed}{one.steps:>7}{one.peak / 1e9:>9.2f}{one.held_out:>10.4f}", flush=True)
    return found


def compare(found: dict[str, Measured]) -> None:
    """Prints our speed, memory and loss against the padded contender's and the best rival's."""
    rivals = {name: one for name, one in found.items() if name != "lorum"}
    speed = {name: one.tokens / one.seconds for name, one in found.items()}
    if "lorum" not in found or not rivals:
        return
    own, least = found["lorum"], min(rivals, key=lambda name: rivals[name].peak)
    fastest = max(rivals, key=lambda name: speed[name])
    best_loss = min(one.held_out for one in rivals.values())
    if "padded" in rivals:
        ratios = f"speed x {speed['lorum'] / speed['padded']:.2f} (goal 2.5), memory x {own.peak / rivals['padded'].peak:.2f} (goal 0.25)"
        print(f"\nagainst padded: {ratios}")
    print(f"against the fastest ({fastest}): speed x {speed['lorum'] / speed[fastest]:.2f} (goal 1.3)")
    print(f"against the smallest ({least}): memory x {own.peak / rivals[least].peak:.2f} (goal 0.7)")
    print(f"held-out loss: {own.held_out / best_loss - 1:+.2%} of the best rival's (goal within 1 %)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path, help="a samples folder")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--base", default="smollm2-135m", help=f"a base model, or {SEVEN_B} on a GPU")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="of " + ", ".join(CONTENDERS))
    parser.add_argument("--profile", action="store_true", help="where our own time goes, and how far it is from the machine's limit")
    parser.add_argument("--alone", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(asdict(measure(arguments.alone, arguments.samples, arguments.base, arguments.pairs))))
        return
    rows, held_out, _ = rows_of(arguments.samples, arguments.base, arguments.pairs)
    lengths = [len(row.input_ids) for row in rows]
    told = sum(int((row.labels != -100).sum()) for row in rows)
    where = torch.cuda.get_device_name() if device() == "cuda" else f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before"
    print(f"{arguments.base}: {len(rows)} pairs, {sum(lengths):,} tokens, {told:,} with loss, longest {max(lengths)}")
    print(f"{len(held_out)} pairs held out; {where}", flush=True)
    if arguments.profile:
        from training_profile import profile

        profile(base_model(arguments.base, None), rows)
    else:
        compare(measured_in_turn(arguments))


if __name__ == "__main__":
    main()
