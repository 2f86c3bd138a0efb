"""How well messages are routed between a run's adapter and others, as a section of its report."""

from collections.abc import Mapping
from html import escape
from typing import Any

from curate.routed import routing_summary, routing_table
from formats.visible import for_page


def routing_sections(result: Mapping[str, Any]) -> list[str]:
    """The section of a routing, as HTML.

    Args:
        result: `train.evaluation.routing.RoutingResult.to_dict()`.
    """
    head, *rows = routing_table(result)
    heads = "".join(f"<th{'' if place == 0 else ' class=e'}>{for_page(cell)}</th>" for place, cell in enumerate(head))
    lines = "".join(
        f"<tr><td>{for_page(name)}</td>{''.join(f'<td class=e>{escape(cell)}</td>' for cell in cells)}</tr>" for name, *cells in rows
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in result["notes"])
    return [
        "<h2>Routed between adapters</h2>",
        f"<p>{escape(routing_summary(result))}</p>",
        *([f"<ul>{notes}</ul>"] if notes else []),
        f'<table class="rows"><tr>{heads}</tr>{lines}</table>',
    ]
