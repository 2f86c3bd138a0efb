"""The report of a run: the funnel and the figures, for the terminal, as report.json and as a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filters.funnel import Funnel
from formats.contract import ContractReport

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
        ]
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


def contract_lines(report: ContractReport) -> list[str]:
    """What the check of the stop contract found, in lines."""
    kept = report.rows - report.too_long
    stop = "".join(report.stop.strings) + report.stop.token
    return [
        f"rows: {report.rows:,}, of which {report.too_long:,} are too long and left out (longest: {report.longest} tokens)",
        f"stop: {stop!r} = tokens {list(report.stop_token_ids)}, the last is the end token {report.stop.token}",
        f"stop in the loss: {report.with_stop_in_loss:,} of {kept:,} rows",
        f"the same stop for trainers that read whole texts: {report.stable_in_text:.1%} of rows",
        *(
            ["the end token is also the pad token: trainers that mask pads would mask the stop; Lorum's does not pad"]
            if report.end_token_is_pad
            else []
        ),
        "the stop contract holds" if report.holds else "THE STOP CONTRACT IS BROKEN",
    ]


def print_run(run: dict[str, Any], out: Path) -> None:
    print_table(run_table(run["stages"]))
