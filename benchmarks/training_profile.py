"""Where the time of our own training steps goes, and how far the whole is from what the machine multiplies at best."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiler

from formats.tokens.encoding import Encoded
from train.adapters.lora import add_adapter
from train.bases.base_model import compute_dtype, device
from train.learning.batches import Batches, flatten
from train.learning.fused import fuse
from train.learning.loss import weighted_loss
from train.settings import TrainSettings

STEPS = 4
PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "aten::linear", "aten::matmul")


def profile(model: Any, rows: Sequence[Encoded]) -> None:
    """Prints the shares of some steps, and their floating-point operations a second against the machine's best at the same shapes.

    Raises:
        SystemExit: there are not samples enough for a step to warm up and one to measure.
    """
    settings = TrainSettings()
    adapted = add_adapter(model, settings).train()
    fuse(adapted)
    batches = Batches(rows, settings.batch, settings.tokens_per_batch, seed=0)
    steps = min(STEPS, batches.steps - 1)
    if not steps:
        sys.exit(f"{len(rows)} samples are one step; the profile needs two: give more --pairs")
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer, loss_of = torch.optim.AdamW(trained, lr=settings.learning_rate), weighted_loss(1.0)

    def step(number: int) -> None:
        for place in range(number * batches.accumulation, (number + 1) * batches.accumulation):
            batch = {name: value.to(device()) if torch.is_tensor(value) else value for name, value in flatten(batches[place]).items()}
            labels = batch.pop("labels")
            with torch.autocast(device(), compute_dtype(), enabled=compute_dtype() != torch.float32):
                loss = loss_of(adapted(**batch), labels)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, settings.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    step(0)
    seconds = [timed(lambda number=number: step(number), 1) for number in range(1, 1 + steps)]
    places = range(batches.accumulation, (1 + steps) * batches.accumulation)
    seen = [row for place in places for row in batches[place]]
    operations = flops(adapted, seen)
    achieved = operations / sum(seconds)
    best = limit(model, sum(len(row.input_ids) for row in seen) // len(places))
    tokens = sum(len(row.input_ids) for row in seen)
    print(f"\n{steps} steps: {tokens / sum(seconds):,.0f} tokens/s; {operations / tokens / 1e6:,.0f} million operations a token")
    print(f"{achieved / 1e12:.3f} TFLOP/s, {achieved / best:.0%} of the {best / 1e12:.3f} of its largest products alone")
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device() == "cuda" else [])]
    with profiler(activities=kinds) as found:
        step(1)
    spent = shares(found.events())
    for kind, share in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {kind:<24}{share / sum(spent.values()):>7.1%}")


def shares(events: Any) -> dict[str, float]:
    """Microseconds by kind of work."""
    spent: dict[str, float] = defaultdict(float)
    for event in events:
        own = event.self_device_time_total if device() == "cuda" else event.self_cpu_time_total
        spent[_kind(event)] += own
    return spent


def _kind(event: Any) -> str:
    within = event
    names = []
    while within is not None:
        names.append(within.name)
        within = within.cpu_parent
    if any("dequantize" in name for name in names):
        return "dequantisation"
    if any("_Segments" in name or "scaled_dot_product" in name for name in names):
        return "attention"
    if any("_TokenLosses" in name for name in names):
        return "vocabulary projection"
    if any(name.startswith("Optimizer.step") for name in names):
        return "optimizer"
    return "matrix products" if names[0] in PRODUCTS else "rest"


def flops(model: Any, rows: Sequence[Encoded]) -> float:
    """Operations of forward and backward pass, a multiplication and an addition counted as two.

    Frozen weights need no gradient of their own; nothing that is computed twice is counted twice. Attention is causal: half the square of
    each sample's length.
    """
    config = model.get_base_model().config
    tokens, told = sum(len(row.input_ids) for row in rows), sum(int((row.labels != -100).sum()) for row in rows)
    adapter = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads, key_heads = config.num_attention_heads * size, config.num_key_value_heads * size
    frozen = config.num_hidden_layers * config.hidden_size * (2 * heads + 2 * key_heads + 3 * config.intermediate_size)
    squares = sum(len(row.input_ids) ** 2 for row in rows)
    products = tokens * (4 * frozen + 6 * adapter) + told * 4 * config.vocab_size * config.hidden_size
    return float(products + 6 * squares * heads * config.num_hidden_layers)


def limit(model: Any, tokens: int) -> float:
    """Operations a second of the largest products of a layer alone, the weights unpacked beforehand."""
    config, lower = model.config, compute_dtype()
    x = torch.randn(tokens, config.hidden_size, dtype=lower, device=device())
    weight = torch.randn(config.intermediate_size, config.hidden_size, dtype=lower, device=device())
    made = x @ weight.t()
    seconds = timed(lambda: x @ weight.t(), 20) + timed(lambda: made @ weight, 20)
    return 4 * tokens * config.hidden_size * config.intermediate_size / seconds


def timed(work: Callable[[], object], times: int) -> float:
    """The seconds of the fastest time."""
    taken = []
    for _ in range(times):
        if device() == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        if device() == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return min(taken)
