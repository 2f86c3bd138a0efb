"""The template that a user chose: built in, their own, or the base model's own chat template, with the bot's name and a system text."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import indent

from formats.errors import UserError
from formats.templates.template import Template, built_in, load_template
from formats.templates.values import safe_value

CHAT = "chat"
"""In the place of a template's name: what the base model's tokenizer has as its chat template."""


def chosen_template(name: str | Path, base: str | None, bot: str | None = None, system_text: str | None = None) -> Template:
    """The template of that name with another name for the bot and another system text, where they are given.

    Args:
        base: whose chat template `chat` is.

    Raises:
        UserError: there is no such template, `chat` has no base or a base without a chat template, or a name or text does not fit.
    """
    template = _chat(base, system_text or "") if str(name) == CHAT else load_template(name)
    if system_text and not template.system:
        raise UserError(f"template {template.name}: has no part for a system text; take another template, or leave the text out")
    if system_text is not None:
        template = replace(template, system_text=system_text)
    return template if bot is None else replace(template, bot=bot)


def _chat(base: str | None, system_text: str) -> Template:
    if base is None:
        raise UserError(f"template {CHAT}: is the base model's own, so name the base with --base")
    from formats.templates.chat_template import template_of
    from train.base_model import load_tokenizer, resolve

    return template_of(load_tokenizer(resolve(base)), system_text)


def told_community(template: Template, community: str) -> Template:
    """The template with the only community that there is in the place of {community}, so that a chat knows it too.

    It stays as it is where the name holds signs that a heading cannot.
    """
    if safe_value(community) != community:
        return template

    def told(text: str) -> str:
        said = text.replace("{community}", community)
        return re.sub(r"\[\[([^{}]*?)\]\]", r"\1", said) if said != text else text

    return replace(
        template,
        system_text=told(template.system_text),
        turn=told(template.turn),
        bot_turn=told(template.bot_turn),
        submission=told(template.submission),
        reply=told(template.reply),
    )


def template_lines() -> Iterator[str]:
    """Each built-in template with where it comes from and an example, in lines, then `chat`."""
    from formats.templates.examples import example
    from formats.templates.template import provenance

    for name in built_in():
        yield f"{name}\n{indent(provenance(name), '  ')}\n"
        yield f"{indent(example(load_template(name)), '  | ', lambda line: True)}\n"
    yield f"{CHAT}\n  The base model's own chat template, with its own end of turn: name the base with --base."
