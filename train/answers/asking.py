"""Renders what is asked of an adapter now: the turns so far, and a system text that the caller may give."""

import datetime
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from formats.errors import UserError
from formats.rendering.render import Turn, render_prompt
from formats.templates.template import Template
from formats.templates.values import Values

_PLACE = "\ue000system text\ue001"
"""Stands at the beginning of the first turn while the rest is rendered: of two characters that no standard gives a meaning."""


def rendered(template: Template, turns: Sequence[Turn], system: str | None = None) -> str:
    """The prompt that asks for the reply to these turns today.

    Args:
        system: a system text in place of the template's own, as it is: braces and brackets in it are plain characters. "": none.

    Raises:
        UserError: the template has no place for a system text.
    """
    known = Values(date=datetime.date.today())
    if system is None:
        return render_prompt(template, turns, known)
    refuse_system_text(template)
    silent = _without_system_text(template)
    part = f"{template.system_opening}{template.escaper.escape(system.strip())}{template.system_closing}" if system.strip() else ""
    if not template.system_inside:
        return template.begin + part + render_prompt(silent, turns, known).removeprefix(template.begin)
    begins = "text" if turns[0].title is None else "title"
    first = replace(turns[0], **{begins: _PLACE + getattr(turns[0], begins).strip()})
    return render_prompt(silent, [first, *turns[1:]], known).replace(_PLACE, part, 1)


def refuse_system_text(template: Template) -> None:
    """Refuses a system text where the template has no place for it.

    Raises:
        UserError: its `system` is empty.
    """
    if not template.system:
        raise UserError(f"the template {template.name} has no system part; say it in the first message, or leave it out")


@lru_cache(maxsize=64)
def _without_system_text(template: Template) -> Template:
    return replace(template, system_text="")
