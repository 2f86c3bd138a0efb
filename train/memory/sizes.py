"""Sizes of memory, as vendors and programs write them."""

import re

from formats.errors import UserError

GIB = 1 << 30

_UNITS = {"": GIB, "g": GIB, "gb": GIB, "gib": GIB, "m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20, "t": 1 << 40, "tb": 1 << 40}


def parse_size(text: str) -> int:
    """Bytes of a size such as `24GB`: on GPUs a vendor's GB are GiB, 1,073,741,824 bytes each, and so they are here.

    Raises:
        UserError: it is no size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in _UNITS or float(found[1]) <= 0:
        raise UserError(f"{text!r} is no size of memory; give one such as 24GB (of 1,073,741,824 bytes each, as on GPUs)")
    return round(float(found[1]) * _UNITS[found[2]])


def shown_size(size: float) -> str:
    """Bytes for people: 512 MiB, 13.4 GiB."""
    return f"{size / GIB:,.1f} GiB" if abs(size) >= GIB else f"{size / (1 << 20):,.0f} MiB"
