"""Derives a template from a tokenizer's own chat template: a base model is then trained in the very form that it has been taught."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from formats.errors import UserError
from formats.rendering.conversations import Turn
from formats.rendering.render import render_prompt
from formats.templates.template import BOT, Template, built_in

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SAID = ("qzaskedqz", "qzansweredqz", "qzaskedagainqz", "qzansweredagainqz")
_SYSTEM = "qzsystemqz"
_SYSTEM_PROBE = "You are the clerk.\n\nBe brief."

_PROBES = (
    ("Who boiled the kettle?", "Not I."),
    ("Two lines,\nthe second: 100 % <b>warm</b>.", "A list:\n\n* one\n* two", "And?", '{So} [it] is "so" - l\'été.'),
    ("A", "b", "C", "d", "E", "f"),
)
"""Conversations to verify a derived template with, user and bot in turn."""


def template_of(tokenizer: "PreTrainedTokenizerBase", system_text: str = "") -> Template:
    """The template that renders what the tokenizer's chat template renders, without the tokenizer's own token at the beginning.

    Conversations of known texts are rendered and cut at the texts; what is found is then compared on others, character for character, so
    that a chat template which does more than put literals around texts is never taken for one that does not. A system text that
    the chat template puts where none is given becomes `system_text`, which one's own replaces; where it takes another form than given ones,
    it becomes `begin`.

    Args:
        system_text: one's own, with the placeholders of `Template.system_text`.

    Raises:
        UserError: there is no chat template, or no `Template` can express it; the message says why and names the built-in templates.
    """
    probe = _ChatTemplate(tokenizer)
    before, to_bot, to_user, again, after = probe.cut(_messages(_SAID), _SAID)
    if again != to_bot:
        probe.refuse(f"opens a reply with {to_bot!r} once and with {again!r} later")
    closes_bot = probe.common(to_user, after)
    opens_user = to_user.removeprefix(closes_bot)
    if probe.bos and opens_user.startswith(probe.bos):  # the tokenizer puts the first one
        closes_bot, opens_user = closes_bot + probe.bos, opens_user.removeprefix(probe.bos)
    if not before.endswith(opens_user):
        probe.refuse(f"opens the first turn with {before!r} and later ones with {opens_user!r}")
    closes_user = probe.common(to_bot, probe.cut(_messages(_SAID[:1]), _SAID[:1])[1])
    opens_bot = to_bot.removeprefix(closes_user)
    stop = closes_bot.removesuffix(probe.bos).rstrip() or after.rstrip()
    begin = before.removesuffix(opens_user)
    fields = {
        "turn": f"{opens_user}{{text}}{closes_user}",
        "bot_turn": f"{opens_bot}{{text}}{closes_bot}",
        "reply": opens_bot,
        "stop": stop,
        **_system_part(probe, opens_user, begin, system_text),
    }
    try:
        template = Template(name="chat", **fields)  # type: ignore[arg-type]
    except UserError as error:
        probe.refuse(str(error).removeprefix("template chat: "))
    _verify(template, probe, system_text)
    return template


def _system_part(probe: "_ChatTemplate", opens_user: str, begin: str, own: str) -> dict[str, str | bool]:
    """The fields begin, system, system_text and system_inside."""
    try:
        before, between, *_ = probe.cut([{"role": "system", "content": _SYSTEM}, *_messages(_SAID)], (_SYSTEM, *_SAID))
    except UserError:
        if own:
            probe.refuse("has no place for a system text before the first turn")
        return {"begin": begin}
    always = begin if before.startswith(begin) else ""
    before, default = before.removeprefix(always), begin.removeprefix(always)
    inside = before.startswith(opens_user)
    if not inside and not between.endswith(opens_user):
        probe.refuse(f"opens the first turn with {between!r} behind a system text and with {opens_user!r} elsewhere")
    opening, closing = (before.removeprefix(opens_user), between) if inside else (before, between.removesuffix(opens_user))
    system: dict[str, str | bool] = {"begin": always, "system": f"{opening}{{text}}{closing}", "system_inside": inside}
    text = default.removeprefix(opening).removesuffix(closing)
    if own or not default:
        return {**system, "system_text": own}
    if not inside and default == f"{opening}{text}{closing}" and text.strip() == text != "" and not {"{", "["} & set(text):
        return {**system, "system_text": text}
    return {"begin": begin}


def _verify(template: Template, probe: "_ChatTemplate", own: str) -> None:
    """Compares with the chat template on other texts, with a system text where there is a place for one and without where it gives none."""
    forms: list[tuple[Template, list[dict[str, str]]]] = [] if own else [(template, [])]
    if template.system:
        forms.append((replace(template, system_text=_SYSTEM_PROBE), [{"role": "system", "content": _SYSTEM_PROBE}]))
    for form, system in forms:
        for said in _PROBES:
            turns = [Turn("Speaker_0" if place % 2 == 0 else BOT, text) for place, text in enumerate(said[:-1])]
            prompt, messages = render_prompt(form, turns), [*system, *_messages(said)]
            sample, expected = f"{prompt}{said[-1]}{form.stop}", probe.render(messages)
            asked = probe.render(messages[:-1], add_generation_prompt=True)
            found = _common(expected, sample)
            if found != sample:
                probe.refuse(f"does more than put fixed text around turns: behind {found[-24:]!r} it has {expected[len(found) :][:24]!r}")
            if prompt.rstrip() != asked.rstrip() or not prompt.startswith(asked):
                probe.refuse(f"asks for a reply with {asked[-24:]!r} and tells one behind {prompt[-24:]!r}")


def _messages(said: Sequence[str]) -> list[dict[str, str]]:
    return [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(said)]


class _ChatTemplate:
    """A tokenizer's chat template, rendered without the tokenizer's own token at the beginning."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer
        opens = tokenizer.bos_token is not None and list(tokenizer("a")["input_ids"])[:1] == [tokenizer.bos_token_id]
        self.bos = str(tokenizer.bos_token) if opens else ""
        """What the tokenizer puts before every text."""
        if not tokenizer.chat_template:
            raise UserError(f"the tokenizer of {tokenizer.name_or_path} has no chat template; {_instead()}")
        if "strftime_now" in str(tokenizer.chat_template):
            self.refuse("writes today's date into conversations")

    def refuse(self, reason: str) -> NoReturn:
        """Raises the reason as an error that says what to do."""
        raise UserError(f"the chat template of {self._tokenizer.name_or_path} {reason}; {_instead()}")

    def render(self, messages: Sequence[dict[str, str]], add_generation_prompt: bool = False) -> str:
        """The text of a conversation."""
        try:
            text = str(self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=add_generation_prompt))
        except Exception as error:  # a chat template is a program: it raises what it likes
            self.refuse(f"fails for {' and '.join(message['role'] for message in messages)} ({' '.join(str(error).split()) or error!r})")
        return text.removeprefix(self.bos)

    def cut(self, messages: Sequence[dict[str, str]], said: Sequence[str]) -> list[str]:
        """What stands before, between and after the texts of a conversation."""
        left, found = self.render(messages), []
        for text in said:
            if left.count(text) != 1:
                self.refuse(f"tells {len(said)} messages in another order, or one of them not once")
            before, left = left.split(text)
            found.append(before)
        return [*found, left]

    def common(self, one: str, other: str) -> str:
        """How both begin, not cut within a special token of the tokenizer."""
        common = _common(one, other)
        for token in map(str, self._tokenizer.added_tokens_decoder.values()):
            for start in range(max(0, len(common) - len(token) + 1), len(common)):
                if one.startswith(token, start) or other.startswith(token, start):
                    common = common[:start]
        return common


def _common(one: str, other: str) -> str:
    """How both begin."""
    differ = (place for place, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    return one[: next(differ, min(len(one), len(other)))]


def _instead() -> str:
    return f"give one of the built-in templates ({', '.join(built_in())}) or a file of your own"
