"""What a run came to, for the terminal: the funnel and the figures of each stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from curate.evaluated import evaluation_lines
from curate.preview import draw_samples, print_samples
from curate.samples import LEFT_OUT
from filters.funnel import KEPT, OUTCOMES, Funnel
from formats.contract.lines import contract_lines
from formats.visible import for_terminal_line
from train.memory.sizes import shown_size

BAR = 30
WIDTH = 80


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


def verdict_lines(funnel: Funnel) -> list[str]:
    """What the filter did, in lines of at most `WIDTH` characters: rule by rule, then what became of every post.

    A post counts once on each side, with the first rule that drops it there, so that both columns add up to the posts; the third column
    counts it with every rule that drops it on either side.
    """
    most = max(funnel.every.values(), default=0) or 1
    lines = [f"  {'dropped by':<26}{'as a reply':>13}{'as context':>13}{'at all':>13}"]
    for rule, count in funnel.every.items():
        if count:
            sides = "".join(_cell(side.get(rule)) for side in (funnel.target, funnel.context))
            bar = "█" * round((WIDTH - 70) * count / most) or "▏"
            lines.append(f"  {rule:<26}{sides}{_cell(count)}  {bar}")
    lines += [f"  {'kept':<26}{_cell(funnel.target[KEPT])}{_cell(funnel.context[KEPT])}"]
    lines += [f"= {'posts':<26}{_cell(funnel.posts)}{_cell(funnel.posts)}"]
    idle = [rule for rule, count in funnel.every.items() if not count]
    changed = [f"{name} {count:,}" for name, count in funnel.changed.items() if count]
    for what, names in (("dropped nothing", idle), ("changed", changed)):
        if names:
            lines += ["", *wrap(f"{what}: {', '.join(names)}", WIDTH, initial_indent="  ", subsequent_indent="    ")]
    target, context, dropped = (funnel.outcome[name] for name in OUTCOMES)
    return [*lines, "", f"  {funnel.posts:,} posts = {target:,} to learn + {context:,} only context + {dropped:,} dropped"]


def _cell(count: int | None) -> str:
    """A count of a column; a dash where a rule does not judge that side."""
    return f"{'–' if count is None else f'{count:,}':>13}"


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
        rows += funnel_table(Funnel.from_report(stages["filter"]["counts"]))
    if "format" in stages:
        counts = stages["format"]["counts"]
        rows += [
            *(Row(label, counts[reason]) for reason, label in LEFT_OUT.items()),
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
            print(f"  {row.sign} {row.label:<30}{row.count:>12,}  {bar if row.sign == '=' else ''}".rstrip())


def sampled_lines(counts: dict[str, Any]) -> list[str]:
    """What became of the kept posts (a `Sampled` as a dict), in lines."""
    parts = [f"{counts['samples']:,} samples", *(f"{counts[reason]:,} {label}" for reason, label in LEFT_OUT.items() if counts[reason])]
    return [
        f"{counts['targets']:,} kept posts = {' + '.join(parts)}",
        f"train {counts['train']:,}, validation {counts['validation']:,}, test {counts['test']:,}",
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
        *_measured(result),
        f"speed: {result['tokens_per_second']:,.0f} real tokens/s, {result['seconds']:,.0f} s{resumed}",
        *_memory(result),
    ]


def _measured(result: dict[str, Any]) -> list[str]:
    """The held-out loss, where the training measured it."""
    losses = dict(result["validation_losses"])
    if not losses:
        return []
    best = result["best_step"]
    return [
        f"held-out loss: {next(iter(losses.values())):.3f} -> {losses[best]:.3f} at step {best:,} of {result['steps']:,}, which was kept"
    ]


def _memory(result: dict[str, Any]) -> list[str]:
    """Plan and peak side by side."""
    peak, planned = result["peak_bytes"], result["planned_bytes"]
    said = f"planned {shown_size(planned)} ({planned / peak:.2f} of it)" if planned else "not planned: the planner does not know this base"
    return [f"memory: {shown_size(peak)} at most on {result['device']}, {said}"]


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
            print(f"  {for_terminal_line(str(out / name))}  {what}")
    if "train" in stages:
        print(f"\nTalk to it:  lorum chat {for_terminal_line(str(out / 'adapter'))}")


def _heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}")
