"""What `lorum plan` says: a table by part, the verdict, and what to change."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from train.memory.course import Course
from train.memory.fitting import Advice
from train.memory.plan import FULL_BYTES, Plan
from train.memory.sizes import shown_size

_BAR = 24


def plan_lines(plan: Plan) -> list[str]:
    """A line a part, with a bar and its size, and the sum."""
    most = max(part.bytes for part in plan.parts)
    width = max(len(part.name) for part in plan.parts)
    lines = [
        f"{part.name:<{width}}  {shown_size(part.bytes):>9}  {'█' * max(1, round(_BAR * part.bytes / most)):<{_BAR}}  {part.says}".rstrip()
        for part in plan.parts
    ]
    share = plan.trainable_parameters / plan.total_parameters
    fewer = (plan.total_parameters - plan.trainable_parameters) / max(1, plan.trainable_parameters)
    return [
        *lines,
        f"{'in all':<{width}}  {shown_size(plan.peak_bytes):>9}  on the {'GPU' if plan.device == 'cuda' else 'CPU'}, about",
        f"adapter: {plan.trainable_parameters:,} of {plan.total_parameters:,} parameters ({share:.2%}, {fewer:,.0f}x fewer than the base), "
        f"{plan.adapter_bytes / 1e6:,.0f} MB on disk",
        f"full fine-tuning of the same base: {shown_size(plan.full_bytes)} at {FULL_BYTES} bytes a parameter, without activations",
    ]


def checkpointing_line(plan: Plan, otherwise: Plan, has_it: bool) -> str:
    """What activation checkpointing saves, or would."""
    with_it, without = (plan, otherwise) if has_it else (otherwise, plan)
    return f"activation checkpointing: {shown_size(with_it.peak_bytes)} with it, {shown_size(without.peak_bytes)} without"


def verdict_lines(
    plan: Plan, usable: int, gpu_bytes: int, most_samples: int, max_tokens: int, advice: Advice | None, bases: Sequence[str]
) -> list[str]:
    """Whether it fits the `usable` bytes of a GPU, how much would, and what to change if it does not."""
    left = usable - plan.peak_bytes
    gpu = f"{shown_size(gpu_bytes)}, of which {1 - usable / gpu_bytes:.0%} are kept back for the card and PyTorch's allocator"
    if left >= 0:
        many = f"up to {most_samples:,} samples of {max_tokens:,} tokens ({most_samples * max_tokens:,} tokens) at once would fit"
        return [f"fits {gpu}: {shown_size(left)} to spare; {many}"]
    if plan.unpaged_bytes <= usable:
        return [f"fits {gpu}, with its optimizer paged out: {shown_size(-left)} of its state go to main memory, which takes time"]
    lines = [f"does not fit {gpu}: {shown_size(-left)} too much"]
    if most_samples:
        lines.append(f"tokens_per_batch = {most_samples * max_tokens} would fit: {most_samples:,} samples of {max_tokens:,} tokens at once")
    if advice:
        lines += [
            f"  {change.setting}: saves {shown_size(change.saves)}{', and it fits' if change.fits else ''}" for change in advice.changes
        ]
        if not advice.fits:
            smaller = f"; of the known bases {', '.join(bases)} would" if bases else ""
            lines.append(f"nothing of this makes it fit: take a smaller base or a larger GPU{smaller}")
    return lines


def course_lines(course: Course, tokens_per_second: float | None) -> list[str]:
    """Samples, tokens, and hours where a speed is known."""
    lines = [
        f"{course.samples:,} samples, the longest of {course.longest:,} tokens: {course.steps:,} steps, {course.tokens:,} tokens in all"
    ]
    if tokens_per_second:
        lines.append(f"{course.tokens / tokens_per_second / 3600:,.1f} hours at {tokens_per_second:,.0f} tokens a second")
    return lines


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan for machines."""
    return {**asdict(plan), "peak_bytes": plan.peak_bytes, "full_bytes": plan.full_bytes}
