"""Cuts a rendered sample into what it is made of: boundaries, the system text, who said what, the reply to learn and its stop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from formats.rendering.parsing import parse, pieces
from formats.templates.template import BOT, Template

Kind = Literal["boundary", "system", "context", "reply", "stop"]
LEARNED: tuple[Kind, ...] = ("reply", "stop")
"""The kinds that carry loss: what is learned of a sample."""

_REMEMBERED = 10_000
"""Sequences of boundaries; a template that writes dates or titles into them has another one in every sample."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sample: joined, the texts of its parts are the sample's own text.

    `speaker` is who says a context or a reply, as `formats.rendering.parsing.parse` names them; None for others than the bot where the
    template does not tell them apart.
    """

    kind: Kind
    text: str
    speaker: str | None = None


class Cutter:
    """Cuts samples of one template; it remembers who speaks between which boundaries."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._names_speakers = "{speaker}" in template.turn
        self._known: dict[tuple[str | None, ...], list[Part]] = {}

    def parts(self, prompt: str, completion: str) -> list[Part]:
        """The parts of a rendered sample, in order; a completion without its stop has no part of that kind."""
        stop = self._template.stop if completion.endswith(self._template.stop) else ""
        reply = completion.removesuffix(stop)
        last = [Part("reply", reply, BOT)] * bool(reply) + [Part("stop", stop)] * bool(stop)
        cut = pieces(prompt, self._template)
        return [*(_filled(part, piece) for part, (_, piece) in zip(self._shape(cut), cut, strict=True)), *last]

    def _shape(self, cut: Sequence[tuple[bool, str]]) -> list[Part]:
        """The parts of a prompt, which its boundaries alone decide, without their texts."""
        key = tuple(piece if is_boundary else None for is_boundary, piece in cut)
        shape = self._known.get(key)
        if shape is None:
            if len(self._known) == _REMEMBERED:
                self._known.clear()
            shape = self._known[key] = [Part("boundary", "") if boundary is not None else part for boundary, part in self._heard(key)]
        return shape

    def _heard(self, key: Sequence[str | None]) -> list[tuple[str | None, Part]]:
        """What each piece is, found by parsing the same boundaries with a numbered text at each other place."""
        texts = [f"piece {number}." for number in range(len(key))]
        probe = "".join(text if boundary is None else boundary for text, boundary in zip(texts, key, strict=True))
        turns = parse(probe + "the reply" + self._template.stop, self._template)
        said = [
            (f"{turn.title or ''} {turn.text}", turn.speaker if self._names_speakers or turn.speaker == BOT else None) for turn in turns
        ]
        contexts = [[Part("context", "", speaker) for whole, speaker in said if text in whole] for text in texts]
        return [(boundary, found[0] if found else Part("system", "")) for boundary, found in zip(key, contexts, strict=True)]


def _filled(part: Part, text: str) -> Part:
    return Part(part.kind, text, part.speaker)
