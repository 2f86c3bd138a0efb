"""A template as a Jinja chat template: for the programs that know messages and no templates of ours."""

import json
from typing import TYPE_CHECKING

from formats.rendering.roles import PARAGRAPH
from formats.templates.escape import COMMON_SPECIAL_TOKENS
from formats.templates.headings import Heading, Placeholder, stripped
from formats.templates.template import Template
from formats.tokens.encoding import end_token_id
from formats.tokens.pieces import PieceTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SAFE = """
{%- macro safe(content) -%}
    {%- if content is not string -%}{{- raise_exception("a message's content is a text here, not a list of parts") -}}{%- endif -%}
    {%- set text = content | trim -%}
    {%- set bare = text | replace("\\\\", "") -%}
    {%- set seen = namespace(forged=false, at=0) -%}
    {%- for boundary in boundaries -%}{%- if boundary in bare -%}{%- set seen.forged = true -%}{%- endif -%}{%- endfor -%}
    {%- if not seen.forged -%}{{- text -}}{%- else -%}
        {%- for character in text -%}
            {{- character -}}
            {%- if character != "\\\\" -%}
                {%- set here = namespace(forged=false) -%}
                {%- for boundary in boundaries -%}
                    {%- if bare[seen.at:].startswith(boundary) -%}{%- set here.forged = true -%}{%- endif -%}
                {%- endfor -%}
                {%- if here.forged -%}{{- "\\\\" -}}{%- endif -%}
                {%- set seen.at = seen.at + 1 -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
"""
"""Strips and escapes a content: `formats.templates.escape.Escaper.escape`, without regular expressions, which Jinja has none of."""

_SPLIT = """
{%- set system = {default} -%}
{%- set turns = messages -%}
{%- if turns and turns[0]["role"] == "system" -%}
    {given}
    {%- set turns = turns[1:] -%}
{%- endif -%}
{%- for message in turns -%}
    {%- if message["role"] not in ["user", "assistant"] -%}
        {{- raise_exception("only user and assistant speak here, and one system message stands first; found " ~ message["role"]) -}}
    {%- endif -%}
{%- endfor -%}
{%- set reply = namespace(known=false, text="") -%}
{%- if turns and turns[-1]["role"] == "assistant" and not add_generation_prompt -%}
    {%- set reply.known = true -%}
    {%- set reply.text = safe(turns[-1]["content"]) -%}
    {%- set turns = turns[:-1] -%}
{%- endif -%}
"""
"""Takes the system text and a reply that is there already from the messages."""

_PLAIN = """
{%- for message in turns -%}
    {{- turn(message["role"], safe(message["content"]), system if loop.first else "") -}}
{%- endfor -%}
"""

_ALTERNATING = """
{%- set said = namespace(role="", text="", system=system) -%}
{%- for message in turns -%}
    {%- set role = message["role"] if not loop.first and not loop.last else "user" -%}
    {%- set text = safe(message["content"]) -%}
    {%- if role == said.role -%}
        {%- set said.text = said.text ~ ({paragraph} if said.text and text else "") ~ text -%}
    {%- else -%}
        {%- if said.role -%}{{- turn(said.role, said.text, said.system) -}}{%- set said.system = "" -%}{%- endif -%}
        {%- set said.role = role -%}
        {%- set said.text = text -%}
    {%- endif -%}
{%- endfor -%}
{%- if said.role -%}{{- turn(said.role, said.text, said.system) -}}{%- endif -%}
"""
"""As `formats.rendering.roles.merged_roles`: the first turn and the one that is answered are the user's, neighbours of a role are one."""

_IF_TOLD = 'strftime_now("%Y-%m-%d") if strftime_now is defined else ""'


def jinja_of(template: Template, tokenizer: "PreTrainedTokenizerBase | None" = None) -> str:
    """A chat template in Jinja that renders messages as the template renders the same turns (`formats.rendering.render.render_prompt`).

    Roles are system (first, once, and only where the template has a place for it), user (Speaker_0 where turns are named) and assistant.
    With `add_generation_prompt` it ends in the opening of the reply, without the blank that a reply's first word brings along; without,
    an assistant's last message is the reply with its stop. Contents are stripped and escaped as in samples, so that none forges a boundary.

    What is not the same: a boundary with a value in it (`## Speaker_7: ##`) is escaped wherever its fixed beginning stands; programs read
    the rendered text as a whole and not boundary by boundary, so a tokenizer may join characters across them; communities, flairs and
    titles are unknown, and the date is today's where the program tells it.

    Args:
        tokenizer: gives what it puts before a text, the end token behind a stop that is text, and special tokens of its own that contents
            must not spell; without it these are left out.
    """
    opening = _opening(template, tokenizer) + template.begin
    return "".join(
        [
            f"{{%- set boundaries = {json.dumps(_boundaries(template, tokenizer), ensure_ascii=False)} -%}}",
            _SAFE,
            _system_part(template),
            _turn(template),
            _split(template),
            _shown(_text(opening)) if opening else "",
            _shown("system_part(system)") if template.system and not template.system_inside else "",
            _ALTERNATING.replace("{paragraph}", _text(PARAGRAPH)) if template.has_roles else _PLAIN,
            _reply(template, tokenizer),
        ]
    )


def _boundaries(template: Template, tokenizer: "PreTrainedTokenizerBase | None") -> list[str]:
    """What contents may not spell: the boundaries, of those with values in them the fixed beginnings, and special tokens."""
    fixed = []
    for heading in template.headings:
        for word in map(stripped, heading.words):
            end = next((place for place, item in enumerate(word) if not isinstance(item, str)), len(word))
            fixed.append("".join(str(item) for item in word[:end]).rstrip())
    markers = [] if tokenizer is None else [mark for mark in PieceTokenizer(tokenizer).markers.values() if len(mark) > 1]
    return list(dict.fromkeys(text for text in [*fixed, *COMMON_SPECIAL_TOKENS, *markers] if text))


def _opening(template: Template, tokenizer: "PreTrainedTokenizerBase | None") -> str:
    """What the tokenizer puts before a text, unless the template begins with it: programs add nothing to what a chat template gives."""
    if tokenizer is None or tokenizer.bos_token is None or list(tokenizer("a")["input_ids"])[:1] != [tokenizer.bos_token_id]:
        return ""
    bos = str(tokenizer.bos_token)
    return "" if template.begin.startswith(bos) else bos


def _system_part(template: Template) -> str:
    """The macro that wraps a system text; none where the template has no place for one."""
    if not template.system:
        return ""
    wrapped = _shown(f"{_text(template.system_opening)} ~ text ~ {_text(template.system_closing)}")
    return f"{{%- macro system_part(text) -%}}{{%- if text -%}}{wrapped}{{%- endif -%}}{{%- endmacro -%}}"


def _turn(template: Template) -> str:
    """The macro that wraps a turn; the system text counts where its place is inside."""
    inside = "system_part(system) ~ " if template.system_inside else ""
    bot, user = (
        _shown(f"{_text(opening)} ~ {inside}text ~ {_text(closing + template.separator)}")
        for opening, closing in (
            (template.opens_bot_turn.text({"speaker": template.bot}), template.bot_turn_closing),
            (template.opens_turn.text({"speaker": "Speaker_0"}), template.turn_closing),
        )
    )
    chosen = user if bot == user else f'{{%- if role == "assistant" -%}}{bot}{{%- else -%}}{user}{{%- endif -%}}'
    return f"{{%- macro turn(role, text, system) -%}}{chosen}{{%- endmacro -%}}"


def _split(template: Template) -> str:
    refused = _shown('raise_exception("this model was trained without system texts; leave the system message out")')
    given = '{%- set system = safe(turns[0]["content"]) -%}' if template.system else refused
    return _SPLIT.replace("{given}", given).replace("{default}", _default_system(template))


def _default_system(template: Template) -> str:
    """The system text of a conversation that brings none, as an expression; empty where it needs what nobody knows."""
    source = Heading(template.system_text, template.bot)
    needed = {item.name for part in source.parts if not part.optional for item in part.items if isinstance(item, Placeholder)}
    return '""' if source.is_blank or needed - {"date"} else f"safe({_dated(source)})"


def _reply(template: Template, tokenizer: "PreTrainedTokenizerBase | None") -> str:
    """The reply that is there already, or what asks for one."""
    end = template.stop
    if tokenizer is not None:
        token = str(tokenizer.convert_ids_to_tokens(end_token_id(template, tokenizer)))
        end += "" if end.endswith(token) else token
    known = _shown(f"{_dated(template.opens_reply)} ~ reply.text ~ {_text(end)}")
    asked = _shown(_dated(Heading(template.reply.removesuffix(" "), template.bot)))
    return f"{{%- if reply.known -%}}{known}{{%- elif add_generation_prompt -%}}{asked}{{%- endif -%}}"


def _dated(heading: Heading) -> str:
    """A heading as an expression: the bot speaks, the date is today's, all else is unknown."""
    told = []
    for part in heading.parts:
        items = [
            _text(item) if isinstance(item, str) else {"speaker": _text(heading.bot), "date": f"({_IF_TOLD})"}.get(item.name)
            for item in part.items
        ]
        known = [item for item in items if item is not None]
        if not part.optional:
            told += known
        elif len(known) == len(items):
            told.append(f'(({" ~ ".join(known)}) if strftime_now is defined else "")')
    return " ~ ".join(told) or '""'


def _shown(expression: str) -> str:
    return f"{{{{- {expression} -}}}}"


def _text(text: str) -> str:
    """A text as a literal of Jinja, whose escapes are JSON's."""
    return json.dumps(text, ensure_ascii=False)
