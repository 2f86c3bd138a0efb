"""Requests to live sources as a recipe writes them."""

from dataclasses import fields
from typing import Any

from curate.sources.catalogue import LIVE, live_source
from formats.errors import UserError


def read_request(settings: dict[str, Any]) -> tuple[str, Any]:
    """The source and its request, from a table such as `{source = "reddit", subreddits = ["KettleCourt"], limit = 100}`.

    Raises:
        UserError: there is no such source, a setting is unknown or does not fit.
    """
    from pydantic import TypeAdapter, ValidationError

    source = settings.get("source")
    if source not in LIVE:
        raise UserError(f"gather.scrape: source = {source!r}; expected one of {', '.join(LIVE)}")
    request = live_source(source).Request
    known = [entry.name for entry in fields(request)]
    given = {name: value for name, value in settings.items() if name != "source"}
    if unknown := [name for name in given if name not in known]:
        raise UserError(f"gather.scrape, {source}: unknown setting {unknown[0]!r}; known: {', '.join(known)}")
    try:
        return source, TypeAdapter(request).validate_python(given)
    except UserError as error:
        raise UserError(f"gather.scrape, {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"gather.scrape, {source}: {'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r}") from None
