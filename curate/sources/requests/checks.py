"""Checks of what a live source is asked for: the same for a recipe as for the command line."""

import datetime
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from formats.errors import UserError


def check_choice(field: str, found: str | None, known: Iterable[str]) -> None:
    """Refuses what is none of the known values; None is nothing asked for.

    Args:
        field: the source's name and the field's, as in `lemmy: sort`.

    Raises:
        UserError: it is none of them.
    """
    if found is not None and found not in known:
        raise UserError(f"{field}: found {found!r}, expected one of {', '.join(known)}")


def check_least(field: str, *found: int | None, least: int = 1) -> None:
    """Refuses numbers that are too small.

    Raises:
        UserError: one of them is less than `least`.
    """
    if small := [number for number in found if number is not None and number < least]:
        raise UserError(f"{field}: found {small[0]}, expected {least} or more")


def check_days(source: str, since: datetime.date | None, until: datetime.date | None) -> None:
    """Refuses days between which none lies.

    Raises:
        UserError: `until`, which is not included, is not after `since`.
    """
    if since and until and since >= until:
        raise UserError(f"{source}: since {since} and until {until}: no day lies between them, as until is not included")


def checked_address(address: str) -> str:
    """An API's address as it is used: with its scheme, without a slash at the end, its host in lower case.

    Raises:
        UserError: it is none of http or https, or holds what may be a secret (a user's name, a password, parameters); the message does not.
    """
    parts = _split(address.strip() if "://" in address else f"https://{address.strip()}")
    if "@" in parts.netloc + parts.path:
        raise UserError(f"{parts.hostname}: the address holds a user's name or password; leave them out")
    if parts.query or parts.fragment:
        raise UserError(f"{parts.hostname}: the address holds parameters (behind ? or #), which may be secrets; leave them out")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{parts.scheme}://{parts.netloc}{parts.path}: not an address of a site; expected one like https://forum.example")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise UserError("an address that cannot be read; expected one like https://forum.example") from None
    return parts
