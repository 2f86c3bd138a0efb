"""Prints what the check of the stop contract found, in lines of at most 80 characters that need no colour."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from formats.visible import for_terminal

WIDTH = 80

SIGNS = {True: "✓", False: "✗", None: "–"}
"""Before a point that holds, one that fails, and one that was not judged."""


def contract_lines(report: Mapping[str, Any]) -> list[str]:
    """What the check found (a `ContractReport` as a dict, as run.json has it): the stop, then a line and more for each point."""
    stop, ids = report["stop"], [str(token) for token in report["stop_token_ids"]]
    strings = "".join(stop["strings"])
    ended = strings.endswith(stop["token"]) or report["stop_token_ids"][-1:] not in ([stop["token_id"]], (stop["token_id"],))
    literal = strings if ended else strings + stop["token"]
    over = f"; {report['too_long']:,} over the limit" if report["too_long"] else ""
    head = [
        f"stop     {for_terminal(literal)!r}" if ids else "stop     none",
        *([f"tokens   {' '.join(ids)}"] if ids else []),
        f"rows     {report['rows']:,}, as {report['trainer']} reads them; the longest has {report['longest']:,} tokens{over}",
    ]
    return [*_wrapped(head, " " * 9), "", *point_lines(report["points"]), "", _verdict(report["points"])]


def point_lines(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Points of a contract (each a `Point` as a dict): a sign, what was found, an example of what breaks it, the way out.

    Those that were not judged come last, by reason.
    """
    lines = []
    for point in points:
        if point["holds"] is not None:
            lines += _wrapped([f"{SIGNS[point['holds']]} {for_terminal(point['says'])}"], "    ")
        if point["counterexample"]:
            lines += _wrapped([f"    such as {for_terminal(point['counterexample'])}"], " " * 12)
        if point["mend"]:
            lines += _wrapped([f"    mend: {for_terminal(point['mend'])}"], " " * 10)
    unknown = [point for point in points if point["holds"] is None]
    for why in dict.fromkeys(point["says"] for point in unknown):
        names = ", ".join(point["name"] for point in unknown if point["says"] == why)
        lines += _wrapped([f"{SIGNS[None]} {for_terminal(why)}: {names}"], "    ")
    return lines


def _verdict(points: Sequence[Mapping[str, Any]]) -> str:
    broken = sum(point["holds"] is False for point in points)
    unknown = sum(point["holds"] is None for point in points)
    said = f"the stop contract is broken: {broken} of {len(points)} points fail" if broken else "the stop contract holds"
    return said + (f"; {unknown} not judged" if unknown else "")


def _wrapped(lines: Sequence[str], indent: str) -> list[str]:
    return [part for line in lines for part in wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)]
