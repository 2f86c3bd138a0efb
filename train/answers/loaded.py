"""A base in memory with adapters beside it, and the requests that can be made of them."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from formats.errors import UserError
from formats.rendering.render import Turn
from formats.templates.template import BOT, Template
from formats.tokens.encoding import SampleEncoder
from train.adapters.folder import Adapter, filler_id, generation_config
from train.answers.asking import rendered
from train.answers.voices import Mix, Voices
from train.bases.base_model import load_for_generation, load_tokenizer, resolve
from train.settings import DecodingSettings

if TYPE_CHECKING:
    from transformers import GenerationConfig

BASE = "base"
"""In the place of an adapter's name: the base model without any."""


@dataclass(frozen=True)
class Request:
    """One answer to be generated.

    Args:
        prompt: its tokens.
        template: in which it is rendered, and whose stop ends the answer.
        config: how tokens are chosen, and how many at most.
        mix: the adapters that answer; empty: the base alone.
        seed: of what is drawn.
        ends: texts besides the stop at which the answer ends.
        left_out: turns at the beginning of the conversation for which the prompt has no room.
        is_cut: whether the last turn lost its beginning, too.
    """

    prompt: tuple[int, ...]
    template: Template
    config: "GenerationConfig"
    mix: Mix
    seed: int
    ends: tuple[str, ...] = ()
    left_out: int = 0
    is_cut: bool = False

    @property
    def limit(self) -> int:
        """Tokens of the answer at most."""
        return int(self.config.max_new_tokens or 0)


class Loaded:
    """A base and the adapters that were trained on it, by their names."""

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        """Loads the base of these adapters, then them.

        Raises:
            UserError: there are none, they were trained on different bases, or one cannot be loaded.
        """
        if not adapters:
            raise UserError("no adapter is named; give one or more")
        first = next(iter(adapters.values()))
        self.base = resolve(first.base)
        self.adapters: dict[str, Adapter] = {}
        for name, adapter in adapters.items():
            self._refuse_other_base(name, adapter)
        self.tokenizer = load_tokenizer(self.base)
        self.model = load_for_generation(self.base, first.settings.quantisation)
        self.voices = Voices(self.model)
        self.filler = filler_id(first.template, self.tokenizer)
        for name, adapter in adapters.items():
            self.add(name, adapter)

    def add(self, name: str, adapter: Adapter) -> None:
        """Puts another adapter beside the base.

        Raises:
            UserError: it was trained on another base, its name is taken by the base itself, or its files are damaged.
        """
        self._refuse_other_base(name, adapter)
        self.voices.add(name, adapter)
        self.adapters[name] = adapter

    def request(
        self,
        turns: Sequence[Turn],
        mix: Mix,
        manner: str,
        seed: int,
        *,
        decoding: DecodingSettings | None = None,
        ends: Sequence[str] = (),
        system: str | None = None,
    ) -> Request:
        """The request for a reply to these turns.

        Args:
            mix: who answers.
            manner: the adapter in whose template the turns are rendered and whose decoding holds; the base alone has none of its own.
            decoding: in place of the adapter's own.
            ends: texts besides the stop at which the answer ends.
            system: a system text in place of the template's own.

        Raises:
            UserError: adapters of the mix have other templates, or the template has no place for a system text.
        """
        self.refuse_mix(mix, manner)
        adapter = self.adapters[manner]
        config = generation_config(decoding or adapter.decoding, adapter.template, self.tokenizer)
        prompt, left_out, is_cut = self._fitting(turns, manner, int(config.max_new_tokens or 0), system)
        return Request(prompt, adapter.template, config, dict(mix), seed, tuple(ends), left_out, is_cut)

    def prompt(self, turns: Sequence[Turn], manner: str, max_new_tokens: int = 0, system: str | None = None) -> tuple[int, ...]:
        """The tokens of the prompt with as many of the last turns as fit; of a last turn that is too long alone, its end.

        A prompt has as many tokens as the adapter's longest sample at most, and leaves room for the answer in what the base can read.
        """
        return self._fitting(turns, manner, max_new_tokens, system)[0]

    def tokens(self, text: str, manner: str) -> tuple[int, ...]:
        """The tokens of a prompt that is rendered already, in the template of an adapter."""
        # What an encoder has read it remembers; a server reads new texts for as long as it runs.
        return tuple(SampleEncoder(self.adapters[manner].template, self.tokenizer).prompt(text))

    def _fitting(self, turns: Sequence[Turn], manner: str, max_new_tokens: int, system: str | None) -> tuple[tuple[int, ...], int, bool]:
        """The tokens of the prompt that fits, how many turns it leaves out, and whether the last one is cut."""
        adapter = self.adapters[manner]
        positions = getattr(self.base.config.get_text_config(), "max_position_embeddings", None)
        room = adapter.settings.max_tokens if positions is None else min(adapter.settings.max_tokens, positions - max_new_tokens)

        def without(left_out: int) -> tuple[int, ...]:
            return self.tokens(rendered(adapter.template, turns[left_out:], system), manner)

        ids = without(0)
        if len(ids) <= room:
            return ids, 0, False
        left_out = bisect_left(range(len(turns) - 1), True, 1, key=lambda count: len(without(count)) <= room) if len(turns) > 1 else 0
        # Where user and bot alternate, what begins is the user's.
        while adapter.template.has_roles and left_out < len(turns) - 1 and turns[left_out].speaker == BOT:
            left_out += 1
        ids, last = without(left_out), turns[-1]
        while len(ids) > room and len(last.text) > 1:
            last = Turn(last.speaker, last.text[len(last.text) // 4 + 1 :])
            ids = self.tokens(rendered(adapter.template, [last], system), manner)
        return ids, left_out, last is not turns[-1]

    def refuse_mix(self, mix: Mix, manner: str) -> None:
        """Refuses a mix that cannot speak in the manner of an adapter.

        Raises:
            UserError: no adapter here has one of the names, or their templates differ.
        """
        for name in mix:
            self.refuse_unknown(name)
            if self.adapters[name].template != self.adapters[manner].template:
                templates = [f"{other} has {self.adapters[other].template.name}" for other in (manner, name)]
                raise UserError(f"{' and '.join(templates)}: adapters with different templates cannot be mixed")

    def refuse_unknown(self, name: str) -> None:
        """Refuses a name that no adapter has.

        Raises:
            UserError: no adapter here has that name.
        """
        if name not in self.adapters:
            raise UserError(f"{name}: no such adapter is loaded; there are {', '.join(self.adapters)}")

    def _refuse_other_base(self, name: str, adapter: Adapter) -> None:
        if name == BASE:
            raise UserError(f"{adapter.folder}: {BASE} stands for the base model itself; give the adapter another name")
        if resolve(adapter.base).location != self.base.location:
            both = f"was trained on the base {adapter.base}, while {self.base.name} is loaded"
            raise UserError(f"{adapter.folder}: {both}; an adapter goes with its own base alone")
