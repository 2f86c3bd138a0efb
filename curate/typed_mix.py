"""A mix of adapters as it is typed."""

import math
from collections.abc import Sequence

from formats.errors import UserError


def parse_mix(parts: Sequence[str], where: str) -> dict[str, float]:
    """A mix as it is typed: `court=0.7 cooks=0.3`; names alone count the same, and together 1.

    Raises:
        UserError: there is no name, one comes twice, or a weight is no number.
    """
    if not parts:
        raise UserError(f"{where} takes adapters and how much each counts, as in court=0.7 cooks=0.3")
    if not any("=" in part for part in parts):
        parts = [f"{part}={1 / len(parts)}" for part in parts]
    mix: dict[str, float] = {}
    for part in parts:
        name, _, said = part.rpartition("=")
        weight = _number(said)
        if not name or weight is None:
            raise UserError(f"{where}: {part}: expected a name and a number, as in court=0.7")
        if name in mix:
            raise UserError(f"{where}: {name} is named twice; name it once, with its whole weight")
        mix[name] = weight
    return mix


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number else None
