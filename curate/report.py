"""What a run came to, for the terminal: the funnel and the figures of each stage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from filters.funnel import Funnel
from formats.preview import preview
from formats.render import SAMPLE_COLUMNS
from formats.samples import folder_template, read_split

BAR = 30


@dataclass(frozen=True)
class Row:
    """A line of the funnel: what it is, how many, and whether they went (`-`) or are what is left (`=`)."""

    label: str
    count: int
    sign: str = "-"


def funnel_table(funnel: Funnel) -> list[Row]:
    """The filter's part of the funnel: what each rule dropped as a reply to learn."""
    return [
        Row("posts", funnel.posts, "="),
        *(Row(rule, count) for rule, count in funnel.target.items() if rule != "kept"),
        Row("kept to learn", funnel.target["kept"], "="),
    ]


def run_table(stages: dict[str, Any]) -> list[Row]:
    """The whole funnel of a run, as far as it went: from the lines read to the samples of each split.

    Every `=` row is the `=` row before it less the `-` rows between, which `adds_up` checks.
    """
    rows: list[Row] = []
    if "gather" in stages:
        counts = stages["gather"]["counts"]
        rows += [
            Row("lines read", counts["lines"], "="),
            Row("rejected lines", counts["rejects"]),
            Row("not asked for", counts["not_asked_for"]),
            *([Row("older records of a post", counts["replaced"])] if counts["replaced"] else []),
            *([Row("forgotten", counts["forgotten"])] if counts.get("forgotten") else []),
        ]
        if "filter" not in stages:
            rows.append(Row("posts", counts["posts"], "="))
    if "filter" in stages:
        rows += funnel_table(Funnel(**stages["filter"]["counts"]))
    if "format" in stages:
        counts = stages["format"]["counts"]
        rows += [
            Row("open a thread", counts["roots"]),
            Row("nothing left before them", counts["without_context"]),
            Row("samples", counts["samples"], "="),
            Row("validation", counts["validation"]),
            Row("test", counts["test"]),
            Row("train", counts["train"], "="),
        ]
    return rows


def adds_up(rows: Sequence[Row]) -> bool:
    """Whether every kept row is the kept row before it less what went between."""
    left: int | None = None
    for row in rows:
        if row.sign == "=":
            if left is not None and row.count != left:
                return False
            left = row.count
        elif left is not None:
            left -= row.count
    return True


def print_table(rows: Sequence[Row]) -> None:
    """Prints a funnel with bars, rows that dropped nothing left out."""
    most = max((row.count for row in rows), default=1) or 1
    for row in rows:
        if row.count or row.sign == "=":
            bar = "█" * round(BAR * row.count / most) or "▏"
            print(f"  {row.sign} {row.label:<26}{row.count:>12,}  {bar if row.sign == '=' else ''}".rstrip())


def contract_lines(report: dict[str, Any]) -> list[str]:
    """What the check of the stop contract found (a `ContractReport` as a dict), in lines."""
    kept = report["rows"] - report["too_long"]
    stop = "".join(report["stop"]["strings"]) + report["stop"]["token"]
    pad = "the end token is also the pad token: trainers that mask pads would mask the stop; Lorum's pads nothing"
    return [
        f"rows: {report['rows']:,}; {report['too_long']:,} too long and left out (longest: {report['longest']} tokens)",
        f"stop: {stop!r} = tokens {list(report['stop_token_ids'])}",
        f"stop in the loss: {report['with_stop_in_loss']:,} of {kept:,} rows",
        f"the same stop for trainers that read whole texts: {report['stable_in_text']:.1%} of rows",
        *([pad] if report["end_token_is_pad"] else []),
        "the stop contract is broken" if report["problems"] else "the stop contract holds",
    ]


def training_lines(result: dict[str, Any]) -> list[str]:
    """What a training was, in lines."""
    trained, total = result["trainable_parameters"], result["total_parameters"]
    resumed = f", resumed at step {result['resumed_at']:,}" if result["resumed_at"] else ""
    return [
        f"trained parameters: {trained:,} of {total:,} ({trained / total:.2%})",
        f"samples: {result['samples']:,} ({result['dropped_too_long']:,} too long); {result['tokens']:,} real tokens in "
        f"{result['steps']:,} steps, {result['epochs']:.2f} passes",
        f"loss: {result['first_loss']:.3f} -> {result['final_loss']:.3f}",
        f"speed: {result['tokens_per_second']:,.0f} real tokens/s, {result['seconds']:,.0f} s{resumed}",
    ]


def comparison(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Base against adapter: what was measured, the base's figure, the adapter's."""
    base, adapter = result["base"], result["adapter"]
    shipped, tokens = base["shipped"]["prompts"], base["shipped"]["max_new_tokens"]

    def both(label: str, show: Callable[[dict[str, Any]], str]) -> tuple[str, str, str]:
        return label, show(base), show(adapter)

    def rate(decoding: str) -> Callable[[dict[str, Any]], str]:
        return lambda model: f"{model[decoding]['stopped']}/{model[decoding]['prompts']} = {model[decoding]['rate']:.2f}"

    return [
        both(f"perplexity of {base['perplexity']['samples']} held-out replies", lambda model: f"{model['perplexity']['reply']:.1f}"),
        both("perplexity with their stops", lambda model: f"{model['perplexity']['with_stop']:.1f}"),
        both("probability of the stop where a reply ends", lambda model: f"{model['perplexity']['stop_probability']:.2g}"),
        both(f"stops within {tokens} tokens, {shipped} prompts, as shipped", rate("shipped")),
        both(f"stops within {tokens} tokens, {shipped} prompts, greedy", rate("greedy")),
        both("of those that do not (greedy), in a loop", lambda model: f"{model['greedy']['looped']:.0%}"),
        both("answers without a word, as shipped", lambda model: f"{model['shipped']['empty']}"),
        both("tokens of an answer that stops, as shipped", lambda model: f"{model['shipped']['mean_tokens']:.0f}"),
    ]


def evaluation_lines(result: dict[str, Any]) -> list[str]:
    """Base against adapter in lines, then the examples."""
    lines = [f"{'':<52}{'base':>14}{'adapter':>14}"]
    lines += [f"{label:<52}{base:>14}{adapter:>14}" for label, base, adapter in comparison(result)]
    for example in result["examples"]:
        lines += ["", *(f"  | {line}" for line in example["prompt"].rstrip().split("\n"))]
        lines += [f"  {who + ':':<9}{' '.join(example[who].split())}" for who in ("forum", "base", "adapter")]
    return lines


def print_run(run: dict[str, Any], out: Path) -> None:
    """Prints what a run came to, as far as it went: funnel, samples, the stop, the training, base against adapter, and where it lies."""
    stages = run["stages"]
    _heading("Funnel")
    print_table(run_table(stages))
    if "format" in stages:
        _heading("Two samples")
        print_samples(out / "samples", draw_samples(out / "samples", 2))
    if "check" in stages:
        _heading("Stop contract")
        print("\n".join(contract_lines(stages["check"]["counts"])))
    if "train" in stages:
        _heading("Training")
        print("\n".join(training_lines(stages["train"]["counts"])))
    if "eval" in stages:
        _heading("Base and adapter on held-out threads")
        print("\n".join(evaluation_lines(stages["eval"]["counts"])))
    _heading("Where it lies")
    left = {"posts": "posts", "judged": "their verdicts", "samples": "for any trainer", "adapter": "the personality"}
    for name, what in {**left, "report.html": "all of this as a page", "run.json": "recipe, counts, versions"}.items():
        if (out / name).exists():
            print(f"  {out / name}  {what}")
    if "train" in stages:
        print(f"\nTalk to it:  lorum chat {out / 'adapter'}")


def draw_samples(folder: Path, count: int, split: str = "train", seed: int = 0) -> pl.DataFrame:
    """Samples of one split, drawn by the seed; fewer where it holds no more."""
    rows = read_split(folder, split, SAMPLE_COLUMNS)
    return rows.sample(min(count, rows.height), seed=seed)


def print_samples(folder: Path, samples: pl.DataFrame) -> None:
    """Prints samples of a folder with their boundaries in colour."""
    from rich.console import Console

    template = folder_template(folder)
    console = Console(highlight=False)
    for sample in samples.iter_rows(named=True):
        console.rule(f"{sample['id']}, score {sample['score']}", style="dim")
        console.print(preview(sample["prompt"], sample["completion"], template), soft_wrap=True)


def _heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}")
