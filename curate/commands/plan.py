"""lorum plan."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import common_options, tell


@click.command("plan")
@click.option(
    "--base", default="smollm2-135m", show_default=True, help="A model, a folder or file with its config.json, or a known shape (--list)."
)
@click.option("--list", "is_list", is_flag=True, help="Name the shapes that are known without a config, and leave.")
@click.option("--gpu", metavar="SIZE", help="The GPU's memory, as in 24GB: GiB, as vendors mean it. [default: this computer]")
@click.option("--preset", metavar="NAME", help="Settings under a name, as train.preset.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="A setting of [train]: rank=64, tokens_per_batch=1024.")
@click.option("--samples", type=click.Path(path_type=Path), help="Folder of samples: their real lengths, and how long it takes.")
@click.option("--tokens-per-second", type=click.FloatRange(0, min_open=True), metavar="N", help="A measured speed, for the hours.")
@click.option("--like", type=click.Path(path_type=Path), metavar="ADAPTER", help="Take the speed of the training of this adapter.")
@common_options
def plan_command(
    base: str,
    is_list: bool,
    gpu: str | None,
    preset: str | None,
    changes: tuple[str, ...],
    samples: Path | None,
    tokens_per_second: float | None,
    like: Path | None,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Say how much memory a training takes, before it runs.

    The base's config is enough, no weights are loaded: a step of the training is run on tensors without memory. Without samples the plan
    is for as many tokens at once as the settings allow, half of them with loss.

    \b
    Example:
      lorum plan --base llama-2-7b --preset qlora-paper --gpu 24GB
    """
    from curate import planned
    from curate.settings import build_settings, sections_of
    from formats.errors import UserError
    from train.bases.base_model import device as this_device
    from train.memory.course import course, measured_speed
    from train.memory.fitting import KEPT_BACK, advice, largest, smaller_bases
    from train.memory.plan import plan
    from train.memory.shapes import config_of, known_shapes
    from train.memory.sizes import parse_size
    from train.settings import TrainSettings

    if is_list:
        if not as_json:
            tell("\n".join(known_shapes()))
        return {"shapes": list(known_shapes())}
    named = {"preset": preset} if preset else {}
    tables = sections_of(changes, "train")
    if (tokens_per_second or like) and not samples:
        raise UserError(
            f"{'--like' if like else '--tokens-per-second'}: needs --samples, since hours are their tokens divided by the speed"
        )
    settings = build_settings(TrainSettings, {**named, **tables["train"], "base": base}, "train")
    gpu_bytes = parse_size(gpu) if gpu else None
    device = "cuda" if gpu_bytes else this_device()
    config = config_of(base)
    speed = measured_speed(like) if like else tokens_per_second
    run = course(samples, base, settings) if samples else None
    tokens = run.micro_batch.tokens if run else min(settings.tokens_per_batch, settings.batch * settings.max_tokens)
    found = plan(config, settings, tokens, device, micro_batch=run.micro_batch if run else None)
    result: dict[str, Any] = planned.as_json(found)
    other = settings.model_copy(update={"activation_checkpointing": not settings.activation_checkpointing})
    otherwise = plan(config, other, tokens, device, micro_batch=run.micro_batch if run else None)
    lines = [*planned.plan_lines(found), planned.checkpointing_line(found, otherwise, settings.activation_checkpointing)]
    result[
        "peak_bytes_with_activation_checkpointing" if other.activation_checkpointing else "peak_bytes_without_activation_checkpointing"
    ] = otherwise.peak_bytes
    if gpu_bytes:
        usable = round((1 - KEPT_BACK) * gpu_bytes)
        most = largest(config, settings, usable, device)
        missing = advice(config, settings, tokens, usable, device) if found.peak_bytes > usable else None
        bases: list[str] = []
        if missing and not missing.fits:
            small = settings.model_copy(update={"activation_checkpointing": True})
            bases = smaller_bases(usable, small, {name: config_of(name) for name in known_shapes()}, device)
        lines += planned.verdict_lines(found, usable, gpu_bytes, most, settings.max_tokens, missing, bases)
        result |= {
            "gpu_bytes": gpu_bytes,
            "usable_bytes": usable,
            "fits": found.peak_bytes <= usable,
            "fits_paged": found.unpaged_bytes <= usable,
            "most_samples": most,
            "advice": asdict(missing) if missing else None,
            "smaller_bases": bases,
        }
    if run:
        lines += planned.course_lines(run, speed)
        result["course"] = {**asdict(run), "hours": run.tokens / speed / 3600 if speed else None}
    if not as_json:
        tell("\n".join(lines))
    return result
