"""How long a server asks to be left alone: one that posts are fetched from, or one that judges."""

import contextlib
import email.utils
import time
from datetime import UTC


def retry_after(value: str | None) -> float | None:
    """The seconds that a `Retry-After` asks for, as a number or as the date until when; None where it says neither."""
    if value is None:
        return None
    with contextlib.suppress(ValueError):
        seconds = float(value)
        return seconds if 0 <= seconds < float("inf") else None
    with contextlib.suppress(ValueError):
        until = email.utils.parsedate_to_datetime(value)
        return max(0.0, (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - time.time())
    return None
