"""lorum train, eval and chat."""

import io
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options, tell


@click.command("train")
@click.argument("samples", type=click.Path(path_type=Path))
@click.option("--base", default="smollm2-135m", show_default=True, help="smollm2-135m, a Hub id, a local directory or a .gguf file.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the adapter to write.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="A setting of [train] or [decoding]: epochs=3, decoding.temperature=0.7."
)
@common_options
def train_command(samples: Path, base: str, out: Path, changes: tuple[str, ...], as_json: bool, quiet: bool) -> dict[str, Any]:
    """Train a QLoRA adapter on samples.

    The base stays in 4 bit (NF4, double quantisation); reply and stop carry the loss. The stop contract is checked first. A training
    that was killed goes on from its last checkpoint.

    \b
    Example:
      lorum train samples --base smollm2-135m --out adapter --set epochs=3
    """
    from curate.check import require_contract
    from curate.engine import alone
    from curate.report import training_lines
    from curate.settings import build_settings, set_value
    from formats.errors import UserError
    from train.settings import DecodingSettings, TrainSettings

    tables: dict[str, Any] = {"train": {}, "decoding": {}}
    for change in changes:
        key = change.partition("=")[0].strip()
        if key in ("base", "train.base"):
            raise UserError(f"--set {change}: name the base with --base")
        set_value(tables, change if key.startswith(("train.", "decoding.")) or not key else f"train.{change}")
    settings = build_settings(TrainSettings, {**tables["train"], "base": base}, "train")
    decoding = build_settings(DecodingSettings, tables["decoding"], "decoding")
    require_contract(samples, base, settings.max_tokens)
    from train.learning.trainer import train

    out.parent.mkdir(parents=True, exist_ok=True)
    with Reporter(quiet) as progress, alone(out.with_name(f".{out.name}.lock"), out):
        result = train(samples, base, out, settings, decoding, progress=progress.training)
    if not as_json:
        tell("\n".join([*training_lines(asdict(result)), f"-> {out}"]))
    return asdict(result)


@click.command("eval")
@click.argument("adapter", type=click.Path(path_type=Path))
@click.option("--samples", type=click.Path(path_type=Path), help="Folder of its samples. [default: samples beside the adapter]")
@click.option("--prompts", default=32, show_default=True, type=click.IntRange(1), help="Held-out prompts to answer.")
@click.option("--max-new-tokens", default=128, show_default=True, type=click.IntRange(1), help="Tokens within which an answer must stop.")
@common_options
def eval_command(adapter: Path, samples: Path | None, prompts: int, max_new_tokens: int, as_json: bool, quiet: bool) -> dict[str, Any]:
    """Measure perplexity and termination rate against the base model.

    Uses the test and validation splits, whose threads the training never saw, and writes the rates into the adapter's stop.json, in place
    of those that stand there.

    \b
    Example:
      lorum eval runs/kettle-court/adapter --prompts 64
    """
    from curate.report import evaluation_lines
    from train.evaluation.evaluate import evaluate
    from train.settings import EvalSettings

    settings = EvalSettings(prompts=prompts, max_new_tokens=max_new_tokens)
    with Reporter(quiet) as progress:
        result = evaluate(adapter, samples or adapter.parent / "samples", settings, progress=progress).to_dict()
    if not as_json:
        tell("\n".join(evaluation_lines(result)))
    return result


@click.command("chat")
@click.argument("adapter", type=click.Path(path_type=Path))
@common_options
def chat_command(adapter: Path, as_json: bool, quiet: bool) -> dict[str, Any]:
    """Talk to an adapter.

    Each line you type is a comment; the adapter answers and stops by itself. Ctrl-C stops an answer, /new begins anew, Ctrl-D leaves. Reads
    lines from a pipe as well.

    \b
    Example:
      lorum chat runs/kettle-court/adapter
    """
    if not quiet:
        tell(f"loading {adapter}", err=True)
    from train.answers.chat import open_chat

    chat = open_chat(adapter)
    interactive = sys.stdin.isatty()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if interactive and not quiet:
        click.echo("Type a comment. /new begins anew, Ctrl-D leaves.", err=True)
    answers = []
    while (line := _read_line(interactive)) is not None:
        if line == "/new":
            chat.forget()
        elif line:
            _answer(chat, line, as_json)
            answers.append({"comment": line, "reply": chat.turns[-1].text, "ending": chat.last.ending if chat.last else None})
    return {"adapter": str(adapter), "answers": answers}


def _read_line(interactive: bool) -> str | None:
    """The next comment, None at the end of the input."""
    try:
        return input("you> " if interactive else "").strip()
    except (EOFError, KeyboardInterrupt):
        return None


def _answer(chat: Any, line: str, as_json: bool) -> None:
    """Prints an answer as it grows; Ctrl-C ends the answer only."""
    pieces = chat.reply(line)
    try:
        for piece in pieces:
            if not as_json:
                tell(piece, nl=False)
    except KeyboardInterrupt:
        pieces.close()
    if not as_json:
        click.echo("" if chat.last and chat.last.ending == "stop" else " …")
