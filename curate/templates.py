"""The template that a user chose: built in, their own, or the base model's own chat template, with the bot's name and a system text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap

from formats.errors import UserError
from formats.templates.examples import example
from formats.templates.template import CHAT as CHAT
from formats.templates.template import Template, built_in, load_template, provenance
from formats.templates.values import safe_value

_NARROWEST = 24


def chosen_template(name: str | Path, base: str | None, bot: str | None = None, system_text: str | None = None) -> Template:
    """The template of that name with another name for the bot and another system text, where they are given.

    Args:
        base: whose chat template `chat` is.

    Raises:
        UserError: there is no such template, `chat` has no base or a base without a chat template, or a name or text does not fit
            or would appear nowhere.
    """
    template = _chat(base, system_text or "") if str(name) == CHAT else load_template(name)
    if system_text and not template.system:
        raise UserError(f"template {template.name}: has no part for a system text; take another template, or leave the text out")
    if system_text is not None:
        template = replace(template, system_text=system_text)
    if bot is not None and not _names_speakers(template):
        raise UserError(f"template {template.name}: names no speakers, so no sample would hold {bot!r}; take another, as speakers")
    return template if bot is None else replace(template, bot=bot)


def _names_speakers(template: Template) -> bool:
    return any("{speaker}" in heading for heading in (template.turn, template.bot_turn, template.submission, template.reply))


def _chat(base: str | None, system_text: str) -> Template:
    if base is None:
        raise UserError(f"template {CHAT}: is the base model's own, so name the base with --base")
    from formats.templates.chat_template import template_of
    from train.bases.base_model import tokenizer_of

    return template_of(tokenizer_of(base), system_text)


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


@dataclass(frozen=True)
class Listed:
    """A template to choose: its name, where it comes from, and an example, which `chat` has only where the base is known."""

    name: str
    provenance: str
    example: str | None


def listed_templates(base: str | None = None) -> Iterator[Listed]:
    """Each built-in template, then `chat`.

    Raises:
        UserError: there is no such base.
    """
    for name in built_in():
        yield Listed(name, provenance(name), example(load_template(name)))
    yield _listed_chat(base)


def _listed_chat(base: str | None) -> Listed:
    if base is None:
        return Listed(CHAT, "The base model's own chat template, with its own end of turn: name the base with --base.", None)
    from formats.templates.chat_template import template_of
    from train.bases.base_model import tokenizer_of

    tokenizer = tokenizer_of(base)
    try:
        return Listed(CHAT, f"The chat template of {base}, with its own end of turn.", example(template_of(tokenizer)))
    except UserError as error:
        return Listed(CHAT, f"Not to be had: {error}.", None)


def template_lines(listed: Listed, width: int) -> Iterator[str]:
    """A template in lines of at most so many characters; lines of the example that are wrapped go on behind another sign."""
    yield listed.name
    yield from wrap(listed.provenance, max(_NARROWEST, width), initial_indent="  ", subsequent_indent="  ")
    yield ""
    for line in [] if listed.example is None else listed.example.split("\n"):
        first, *more = wrap(line, max(_NARROWEST, width) - 4, drop_whitespace=False) or [""]
        yield f"  | {first}"
        yield from (f"  : {part}" for part in more)
