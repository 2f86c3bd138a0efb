"""lorum export."""

from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options, tell


@click.command("export")
@click.argument("adapter")
@click.option(
    "--to", "target", required=True, type=click.Choice(["gguf", "ollama", "vllm", "transformers"]), help="The program to export for."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--form",
    type=click.Choice(["merged", "adapter"]),
    help="Merged into the base, or the adapter beside it. [default: merged; for vllm adapter, where it takes it]",
)
@click.option(
    "--type", "gguf_type", type=click.Choice(["f16", "bf16", "f32", "q8_0"]), default="f16", show_default=True, help="Type of a GGUF."
)
@click.option(
    "--method",
    type=click.Choice(["exact", "full"]),
    default="exact",
    show_default=True,
    help="Merge into the base as the training computed with it (quantised and dequantised), or into its own weights.",
)
@click.option(
    "--dtype",
    type=click.Choice(["bfloat16", "float16", "float32"]),
    default="bfloat16",
    show_default=True,
    help="Precision of a merged model for vllm and transformers.",
)
@click.option("--max-shard-size", default="4GB", show_default=True, help="Largest file of weights.")
@click.option("--compare/--no-compare", default=True, help="Measure the logits against the adapter as trained. [default: compare]")
@click.option("--samples", type=click.Path(path_type=Path), help="Samples to measure on. [default: those beside the adapter, if any]")
@click.option("--name", help="What the other program calls it. [default: the run's name]")
@common_options
def export_command(
    adapter: str,
    target: Any,
    out: Path,
    form: Any,
    gguf_type: Any,
    method: Any,
    dtype: Any,
    max_shard_size: str,
    compare: bool,
    samples: Path | None,
    name: str | None,
    as_json: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Take an adapter to another program, its stop with it.

    gguf is for llama.cpp, ollama adds a Modelfile, vllm adds the command that serves it, transformers is a folder that any program of
    that library loads. Each is written from the adapter's stop.json and template.

    \b
    Example:
      lorum export runs/kettle-court/adapter --to ollama --out kettle-ollama
    """
    from dataclasses import asdict

    from curate.exported import merged_lines, samples_beside
    from train.exports.targets import Wanted, export
    from train.shelf.finding import find_adapter, short_name

    folder = find_adapter(adapter)
    held_out = samples or samples_beside(folder)
    wanted = Wanted(target, name or short_name(folder), form, gguf_type, method, dtype, max_shard_size, compare, held_out)
    with Reporter(quiet) as progress:
        done = export(folder, out, wanted, progress)
    if not as_json:
        told = list(merged_lines(done.exported)) if done.exported else ["the adapter beside its base, nothing is merged"]
        tell("\n".join([*told, *(f"  {file}" for file in done.files), f"-> {out}"]))
    return {"out": str(out), **asdict(done)}
