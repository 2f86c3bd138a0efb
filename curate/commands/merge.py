"""lorum adapters merge."""

from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options, tell


@click.command("merge")
@click.argument("adapter")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the merged model to write.")
@click.option(
    "--method",
    type=click.Choice(["exact", "full"]),
    default="exact",
    show_default=True,
    help="Merge into the base as the training computed with it (quantised and dequantised), or into its own weights.",
)
@click.option(
    "--dtype", type=click.Choice(["bfloat16", "float16", "float32"]), default="bfloat16", show_default=True, help="Precision to store."
)
@click.option("--max-shard-size", default="4GB", show_default=True, help="Largest file of weights.")
@click.option("--compare/--no-compare", default=True, help="Measure the logits against the adapter as trained. [default: compare]")
@click.option("--samples", type=click.Path(path_type=Path), help="Samples to measure on. [default: those beside the adapter, if any]")
@common_options
def merge_command(
    adapter: str, out: Path, method: Any, dtype: Any, max_shard_size: str, compare: bool, samples: Path | None, as_json: bool, quiet: bool
) -> dict[str, Any]:
    """Merge an adapter into its base: a model that any program reads.

    One weight at a time is in memory while merging; measuring the difference takes the base and the merged model into memory, one after
    the other, which --no-compare saves. The folder holds sharded safetensors, tokenizer, chat template, generation_config.json, stop.json.

    \b
    Example:
      lorum adapters merge runs/kettle-court/adapter --out kettle-merged
    """
    from dataclasses import asdict

    from curate.exported import merged_lines, samples_beside
    from train.exports.transformers_folder import export_transformers
    from train.shelf.finding import find_adapter

    folder = find_adapter(adapter)
    with Reporter(quiet) as progress:
        exported = export_transformers(
            folder,
            out,
            method,
            dtype,
            max_shard_size=max_shard_size,
            compare=compare,
            samples=samples or samples_beside(folder),
            progress=progress,
        )
    if not as_json:
        tell("\n".join([*merged_lines(exported), f"-> {out}"]))
    return {"out": str(out), **asdict(exported)}
