"""How well messages are routed between adapters, as a table and in lines for a terminal."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from curate.evaluated import estimate, two
from formats.visible import cut, for_terminal_line

_WIDTH = 80
_NAME = 20
_CELL = 10


def routing_summary(result: Mapping[str, Any]) -> str:
    """The accuracy, how sure the router was, and how long it takes, in two sentences.

    Args:
        result: `RoutingResult.to_dict()`.
    """
    median, slow = result["milliseconds"]
    return (
        f"{estimate(result['accuracy'], two)} of {result['messages']:,} held-out messages went to the adapter of their own forum "
        f"(by a coin: {1 / len(result['adapters']):.2f}); the router was {result['sureness']:.2f} sure on average. "
        f"A message takes {median:.0f} ms, of a hundred the slowest five {slow:.0f} ms and more."
    )


def routing_table(result: Mapping[str, Any]) -> list[list[str]]:
    """A head and a row for each forum: its name, how often each adapter was chosen for its messages, and the share that was right."""
    chosen = [*result["adapters"], *sorted({name for forum in result["forums"] for name in forum["chosen"]} - set(result["adapters"]))]
    rows = [
        [forum["name"], *(f"{forum['chosen'].get(name, 0):,}" for name in chosen), estimate(forum["right"], two)]
        for forum in result["forums"]
    ]
    return [["forum of the message", *(f"to {name}" for name in chosen), "right"], *rows]


def routing_lines(result: Mapping[str, Any]) -> list[str]:
    """What was found, in lines of at most 80 characters while there are few adapters."""
    lines = wrap(for_terminal_line(f"Routing: {routing_summary(result)}"), _WIDTH)
    for name, *counts, right in routing_table(result):
        cells = "".join(f" {cut(for_terminal_line(cell), _CELL - 1):>{_CELL - 1}}" for cell in counts)
        lines.append(f"  {cut(for_terminal_line(name), _NAME):<{_NAME}}{cells}  {right:>17}")
    return [*lines, *(line for note in result["notes"] for line in wrap(f"note: {note}", _WIDTH, subsequent_indent="  "))]
