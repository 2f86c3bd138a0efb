"""lorum train and eval."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.commands.judging import JudgingOptions, judge_if_asked, judging_options, refuse_half
from curate.commands.routing import RoutingOptions, refuse_half_routing, route_if_asked, routing_options
from curate.console import Reporter, common_options, tell


@click.command("train")
@click.argument("samples", type=click.Path(path_type=Path))
@click.option("--base", default="smollm2-135m", show_default=True, help="smollm2-135m, a Hub id, a local directory or a .gguf file.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the adapter to write.")
@click.option("--preset", help="Settings under a name: tutorial, qlora-paper, small-gpu or cpu-demo; --set replaces them one by one.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="A setting of [train] or [decoding]: epochs=3, decoding.temperature=0.7."
)
@common_options
def train_command(
    samples: Path, base: str, out: Path, preset: str | None, changes: tuple[str, ...], as_json: bool, quiet: bool
) -> dict[str, Any]:
    """Train a QLoRA adapter on samples.

    The base stays in 4 bit (NF4, double quantisation); reply and stop carry the loss. The stop contract is checked first. A training
    that was killed, or stopped with Ctrl-C or SIGTERM, goes on from its last checkpoint. Several processes train one adapter:
    torchrun --nproc-per-node 2 -m curate.cli train ...

    \b
    Example:
      lorum train samples --base smollm2-135m --out adapter --preset cpu-demo --set eval_every=20
    """
    from contextlib import nullcontext

    from curate.check import require_contract, require_fitting
    from curate.engine import alone
    from curate.report import training_lines
    from curate.settings import build_settings, sections_of
    from train.settings import DecodingSettings, TrainSettings

    tables = sections_of(changes, "train", "decoding")
    named = {"preset": preset} if preset else {}
    settings = build_settings(TrainSettings, {**named, **tables["train"], "base": base}, "train")
    decoding = build_settings(DecodingSettings, tables["decoding"], "decoding")
    from train.learning.processes import one_voice

    with one_voice() as is_main:
        require_fitting(settings)
        require_contract(samples, base, settings.max_tokens, settings.train_stop)
        from train.learning.trainer import train

        out.parent.mkdir(parents=True, exist_ok=True)
        lock = alone(out.with_name(f".{out.name}.lock"), out) if is_main else nullcontext()
        with Reporter(quiet or not is_main) as progress, lock:
            result = train(samples, base, out, settings, decoding, progress=progress.training, say=progress.say)
    if not is_main:
        raise click.exceptions.Exit(0)
    if not as_json:
        tell("\n".join([*training_lines(asdict(result)), f"-> {out}"]))
    return asdict(result)


@click.command("eval")
@click.argument("adapter", type=click.Path(path_type=Path))
@click.option("--samples", type=click.Path(path_type=Path), help="Folder of its samples. [default: samples beside the adapter]")
@click.option("--prompts", type=click.IntRange(1), help="Held-out prompts to answer. [default: 64]")
@click.option("--max-new-tokens", type=click.IntRange(1), help="Tokens within which an answer must stop. [default: 128]")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="A setting of [eval]: perplexity_samples=256, toxicity=none.")
@judging_options
@routing_options
@common_options
def eval_command(
    adapter: Path,
    samples: Path | None,
    prompts: int | None,
    max_new_tokens: int | None,
    changes: tuple[str, ...],
    judging: JudgingOptions,
    routing: RoutingOptions,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Measure an adapter: does it stop, and is it the personality?

    Compares it with its base and with the forum's own replies on the test and validation splits, whose threads the training never saw:
    perplexity, how answers end, their length, variety, copying, toxicity and style, with 95 % intervals. Writes the figures into the
    adapter's eval.json, the termination rates into its stop.json, and all of it into the report of its run, in place of what stands
    there. With --against and --judge a judge compares answers by pairs as well; with --route it is measured how well messages are routed
    between it and other adapters.

    \b
    Example:
      lorum eval runs/kettle-court/adapter --prompts 128
    """
    from curate.evaluated import evaluation_lines
    from curate.judged_pairs import judging_lines
    from curate.pages.run import note_evaluation_in_run
    from curate.routed import routing_lines
    from curate.settings import build_settings, sections_of
    from train.evaluation.evaluate import evaluate
    from train.settings import EvalSettings
    from train.shelf.finding import find_adapter

    refuse_half(judging)
    adapter = find_adapter(str(adapter))
    tables = sections_of(changes, "eval")
    named = {"prompts": prompts, "max_new_tokens": max_new_tokens}
    settings = build_settings(EvalSettings, {**tables["eval"], **{name: value for name, value in named.items() if value}}, "eval")
    samples = samples or adapter.parent / "samples"
    refuse_half_routing(adapter, samples, routing)
    with Reporter(quiet) as progress:
        started = time.monotonic()
        result = evaluate(adapter, samples, settings, progress=progress).to_dict()
        note_evaluation_in_run(result, time.monotonic() - started, adapter, samples)
        judged = judge_if_asked(adapter, samples, judging, progress)
        routed = route_if_asked(adapter, samples, routing, progress)
    if not as_json:
        sections = [evaluation_lines(result), judging_lines(judged) if judged else [], routing_lines(routed) if routed else []]
        tell("\n\n".join("\n".join(lines) for lines in sections if lines))
    return {**result, **({"judged": judged} if judged else {}), **({"routed": routed} if routed else {})}
