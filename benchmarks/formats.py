"""How fast samples are made and read: rendering, tokenizing beside the tokenizer's own batches, fitting, and the stop contract's check.

    python benchmarks/formats.py JUDGED_FOLDER_OR_DUMP... [--tokenizer FOLDER_OR_NAME]... [--template NAME]... [--runs 3] [--most 100000]

Seconds are the least of some runs, in which what is compared takes turns, so that a busy machine slows all of it alike. The tokenizer's
own speed is that of `tokenizer(texts)["input_ids"]` over the same samples as whole texts. Rendering is measured for every template,
the rest for the first. Memory is the process's peak.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

# Before this folder, where the package `formats` would be found to be this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import polars as pl

from curate import store, threads
from formats.contract.checking import check_samples
from formats.rendering.conversations import Conversations
from formats.rendering.render import render
from formats.templates.template import Template, built_in, load_template
from formats.tokens.encoding import encode_samples
from formats.tokens.fitting import fit
from train.bases.base_model import load_tokenizer, resolve

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

JUDGE = """
import sys
from pathlib import Path
from curate.gather import import_files
from curate.judging.judge import judge_posts
from filters.catalogue import build_filter
folder = Path(sys.argv[1])
import_files(sys.argv[2:], folder / "posts")
judge_posts(folder / "posts", folder / "judged", build_filter({}), folder / "scores")
"""

RENDERING_GOAL, ENCODING_GOAL = 150_000, 0.8
"""Samples a second, and the share of the tokenizer's own speed."""


def conversations_of(paths: Sequence[Path], max_turns: int, most: int) -> Conversations:
    """The conversations of a folder of judged posts, or of dumps judged by the default rules."""
    if len(paths) == 1 and paths[0].is_dir():
        posts = pl.concat(store.read_bucket(paths[0], bucket, threads.COLUMNS) for bucket in store.bucket_numbers(paths[0]))
        return threads.conversations(posts, threads.chains(posts, max_turns)).part(0, most)
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: the peak of this one is to be that of the samples.
        subprocess.run([sys.executable, "-c", JUDGE, folder, *map(str, paths)], check=True)
        return conversations_of([Path(folder) / "judged"], max_turns, most)


def tokenizer_of(name: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of a base, or of a folder that holds nothing else."""
    if not Path(name).is_dir():
        return load_tokenizer(resolve(name))
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    return tokenizer


def fastest(tasks: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """The least seconds that each task takes."""
    seconds = dict.fromkeys(tasks, float("inf"))
    for _ in range(runs):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            seconds[name] = min(seconds[name], time.perf_counter() - began)
    return seconds


def rendered(conversations: Conversations, template: Template, at_once: int = 10_000) -> int:
    """Renders all, as `lorum format` does some thousand at a time; how many."""
    return sum(render(conversations.part(first, at_once), template).height for first in range(0, len(conversations.turns), at_once))


def rendering(conversations: Conversations, templates: Sequence[Template], runs: int) -> None:
    """Prints the table of rendering."""
    count = len(conversations.turns)
    seconds = fastest({template.name: lambda template=template: rendered(conversations, template) for template in templates}, runs)
    print(f"\n{'rendering':<24}{'ms':>10}{'ksamples/s':>12}{'of goal':>9}")
    for name, taken in seconds.items():
        print(f"{name:<24}{taken * 1000:>10.0f}{count / taken / 1000:>12.0f}{count / taken / RENDERING_GOAL:>9.2f}")


def reading(conversations: Conversations, template: Template, tokenizer: "PreTrainedTokenizerBase", max_tokens: int, runs: int) -> None:
    """Prints the table of one tokenizer."""
    samples = render(conversations, template)
    ids, prompts, completions, texts = (samples[name].to_list() for name in ("id", "prompt", "completion", "text"))
    seconds = fastest(
        {
            "tokenizer's own": lambda: tokenizer(texts)["input_ids"],
            "encode_samples": lambda: encode_samples(template, prompts, completions, tokenizer),
            "fit": lambda: fit(conversations, template, tokenizer, max_tokens),
            "check_samples": lambda: check_samples(ids, prompts, completions, template, tokenizer, max_tokens),
        },
        runs,
    )
    fitted = fit(conversations, template, tokenizer, max_tokens)
    print(f"\n{Path(tokenizer.name_or_path).name[:23]:<24}{'ms':>10}{'ksamples/s':>12}{'MB/s':>9}{'x own':>9}")
    size = sum(map(len, texts)) / 1e6
    for name, taken in seconds.items():
        ratio = seconds["tokenizer's own"] / taken
        print(f"{name:<24}{taken * 1000:>10.0f}{len(texts) / taken / 1000:>12.1f}{size / taken:>9.1f}{ratio:>9.2f}")
    print(f"goal of encode_samples: {ENCODING_GOAL} x own. Fitted to {max_tokens} tokens: {len(fitted.kept):,} of {len(texts):,} kept,")
    print(f"{fitted.long_replies:,} replies too long, {fitted.long_contexts:,} too long with the turn they answer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("posts", nargs="*", type=Path, default=sorted(Path("sample_data").glob("*.zst")))
    parser.add_argument("--tokenizer", action="append", help="a base: a folder or a name; several times for several")
    parser.add_argument("--template", action="append", help="several times for several; all built-in ones where none is named")
    parser.add_argument("--max-turns", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--most", type=int, default=100_000, help="conversations")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    conversations = conversations_of(arguments.posts, arguments.max_turns, arguments.most)
    templates = [load_template(name) for name in arguments.template or built_in()]
    print(f"{len(conversations.turns):,} conversations; least of {arguments.runs}, {os.cpu_count()} cores")
    rendering(conversations, templates, arguments.runs)
    for name in arguments.tokenizer or ["smollm2-135m"]:
        reading(conversations, templates[0], tokenizer_of(name), arguments.max_tokens, arguments.runs)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
