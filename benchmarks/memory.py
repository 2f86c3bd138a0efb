"""How near the planner comes to the measured peak of a training, each setting in a process of its own.

    python benchmarks/memory.py [--steps 3] [--setting NAME]... [--gpu]

On the CPU the real trainer learns samples made on the spot with SmolLM2-135M; the peak is the process's resident set while it trains.
Exit code 1: a plan is more than a tenth off.
With --gpu, on CUDA: shapes of 7B and 65B with random weights, quantised layer by layer, and the trainer's own step.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before this folder, which holds a file of the name of a package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import polars as pl
import torch

GOAL = 0.10
"""Planned and measured differ by at most this share."""

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "activation checkpointing": {"activation_checkpointing": True},
    "no quantisation, rank 64": {"quantisation": "none", "rank": 64},
    "512 tokens at once": {"tokens_per_batch": 512},
}

GPU_RUNS = [
    ("llama-2-7b", 1, 512),
    ("llama-2-7b", 1, 2048),
    ("llama-2-7b", 4, 512),
    ("llama-2-7b", 4, 2048),
    ("llama-65b", 1, 512),
]
"""Shape, samples at once and their tokens."""

WORDS = ("the", "court", "finds", "kettle", "guilty", "milk", "goes", "after", "statute", "says", "toast", "help", "overruled", "buttered")


def make_samples(folder: Path, rows: int = 32, words: int = 420) -> None:
    """A samples folder of invented nonsense, each row some 480 tokens of SmolLM2's, half of them reply."""
    from formats.templates.template import load_template

    template, draw = load_template("comment-response"), random.Random(0)

    def text() -> str:
        return " ".join(draw.choice(WORDS) for _ in range(words // 2))

    made = [{"prompt": template.turn.replace("{text}", text()) + template.reply_opening(), "completion": text() + template.stop}]
    made += [
        {"prompt": template.turn.replace("{text}", text()) + template.reply_opening(), "completion": text() + template.stop}
        for _ in range(rows - 1)
    ]
    folder.mkdir(parents=True)
    for split in ("train", "validation", "test"):
        pl.DataFrame(made).write_parquet(folder / f"{split}.parquet")
    (folder / "template.toml").write_text(template.to_toml(), encoding="utf-8")


def train_once(settings: dict[str, Any], steps: int) -> dict[str, Any]:
    """Trains some steps on the CPU; the peak, and what was planned."""
    from train.learning.trainer import train
    from train.settings import TrainSettings

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_samples(folder / "samples")
        result = train(folder / "samples", "smollm2-135m", folder / "adapter", TrainSettings(max_steps=steps, **settings))
    return {"measured": result.peak_bytes, "planned": result.planned_bytes}


def random_model(config: Any, device: str, dtype: torch.dtype = torch.bfloat16) -> Any:
    """A model of random weights in NF4 on a device, quantised one layer after the other, so that it is never there in full precision.

    Its rotary embedding is computed anew; other buffers would have to be empty.
    """
    from bitsandbytes.nn import Linear4bit, Params4bit

    from train.bases.base_model import keep_gradients_flowing
    from train.memory.imagined_model import skeleton
    from train.memory.quantised import quantise

    model: Any = skeleton(config, dtype, "sdpa")
    tied = config.get_text_config().tie_word_embeddings
    quantise(model, "nf4", dtype)
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is None or not parameter.is_meta:
                continue
            shape = (module.out_features, module.in_features) if isinstance(module, Linear4bit) and name == "weight" else parameter.shape
            values = torch.ones(shape, dtype=dtype) if len(shape) == 1 else torch.randn(shape, dtype=dtype, device=device) * 0.02
            if isinstance(module, Linear4bit) and name == "weight":
                packed = Params4bit(values.cpu(), requires_grad=False, quant_type="nf4", compress_statistics=True)
                module.weight = packed.to(device)
            else:
                module._parameters[name] = torch.nn.Parameter(values.to(device), requires_grad=False)
    if tied:
        model.tie_weights()
    rotary = model.model.rotary_emb
    model.model.rotary_emb = type(rotary)(config=config).to(device)
    keep_gradients_flowing(model)
    model.config.use_cache = False
    return model


def step_once(shape: str, samples: int, length: int, device: str = "cuda", config: Any = None, **changes: Any) -> dict[str, Any]:
    """Two optimizer steps of a random model with an adapter of rank 64; the peak, and what was planned."""
    from train.adapters.lora import add_adapter
    from train.learning.batches import flatten
    from train.learning.fused import fuse
    from train.learning.loss import weighted_loss
    from train.learning.peak import peak_bytes, start_peak
    from train.memory.plan import REPLY_SHARE, plan
    from train.memory.shapes import config_of
    from train.memory.step import micro_batch_of
    from train.settings import TrainSettings

    config = config or config_of(shape)
    settings = TrainSettings(
        **{"rank": 64, "batch": samples, "max_tokens": length, "activation_checkpointing": shape == "llama-65b", **changes}
    )
    planned = plan(config, settings, samples * length, device)
    model = add_adapter(random_model(config, device), settings)
    fuse(model)
    model.train()
    if settings.activation_checkpointing:
        model.get_base_model().activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = _optimizer(trained, device)
    micro_batch = micro_batch_of(samples * length, length, REPLY_SHARE)
    start_peak()
    for _ in range(2):
        batch = {
            name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in flatten(micro_batch.samples()).items()
        }
        labels = batch.pop("labels")
        with torch.autocast(device, torch.bfloat16):
            loss = weighted_loss(1.0)(model(**batch), labels, labels.shape[1])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return {"measured": peak_bytes(), "planned": planned.peak_bytes, "loss": float(loss.detach())}


def _optimizer(trained: list[torch.nn.Parameter], device: str) -> torch.optim.Optimizer:
    if device == "cpu":
        return torch.optim.AdamW(trained, lr=1e-4)
    from bitsandbytes.optim import PagedAdamW32bit

    optimizer: torch.optim.Optimizer = PagedAdamW32bit(trained, lr=1e-4)
    return optimizer


def in_own_process(task: str, **arguments: Any) -> dict[str, Any]:
    """Runs a function of this file in a process of its own."""
    ran = subprocess.run(
        [sys.executable, __file__, "--task", task, "--arguments", json.dumps(arguments)], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise RuntimeError(f"{task} {arguments}: {ran.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


TASKS: dict[str, Callable[..., dict[str, Any]]] = {"train_once": train_once, "step_once": step_once}


def show(name: str, found: dict[str, Any]) -> bool:
    """A line of the table; whether the plan was near enough."""
    ratio = found["planned"] / found["measured"]
    is_near = abs(ratio - 1) <= GOAL
    verdict = "" if is_near else f"  more than {GOAL:.0%} off"
    print(f"{name:<36}{found['measured'] / (1 << 20):>10,.0f}{found['planned'] / (1 << 20):>10,.0f}{ratio:>8.2f}{verdict}", flush=True)
    return is_near


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--setting", action="append", choices=list(SETTINGS), help="several times for several")
    parser.add_argument("--gpu", action="store_true", help="the GPU's runs in place of the CPU's")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--arguments", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        print(json.dumps(TASKS[arguments.task](**json.loads(arguments.arguments))))
        return
    if arguments.gpu and not torch.cuda.is_available():
        parser.error("--gpu: there is no CUDA device")
    device = torch.cuda.get_device_name() if arguments.gpu else f"{os.cpu_count()} cores"
    print(f"{device}\n{'MiB':<36}{'measured':>10}{'planned':>10}{'ratio':>8}", flush=True)
    if arguments.gpu:
        near = [
            show(f"{shape}, {samples} x {length}", in_own_process("step_once", shape=shape, samples=samples, length=length))
            for shape, samples, length in GPU_RUNS
        ]
    else:
        near = [
            show(name, in_own_process("train_once", settings=SETTINGS[name], steps=arguments.steps))
            for name in arguments.setting or SETTINGS
        ]
    if not all(near):
        sys.exit(1)


if __name__ == "__main__":
    main()
