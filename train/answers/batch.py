"""Answers that are generated together: rows join and leave while the others go on."""

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch.nn.functional import pad
from transformers.cache_utils import DynamicLayer

from train.answers.sampling import next_tokens
from train.answers.voices import Mix, Voices

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel

_LEAVE_TOGETHER = 8
"""Rows that left are taken out once they are one in so many: taking them out copies the keys and values of the others."""

_TRIM = 4
"""Columns that only fill up are cut off once they are one in so many."""


@dataclass(eq=False)
class Row:
    """An answer that is being generated.

    Args:
        prompt: its tokens.
        config: how its tokens are chosen.
        draws: uniform numbers below 1 by which they are drawn, one a token: an answer depends on its own alone.
        mix: the adapters that answer; see `Voices`.
        new: the tokens of the answer so far.
    """

    prompt: Sequence[int]
    config: "GenerationConfig"
    draws: NDArray[np.float32]
    mix: Mix = field(default_factory=dict)
    new: list[int] = field(default_factory=list)


def draws_of(seed: int, place: int, count: int) -> NDArray[np.float32]:
    """The draws of the answer at a place among those of a seed: more tokens leave the first ones as they are."""
    return np.random.default_rng([seed, place]).random(count, np.float32)


class Batch:
    """Rows whose keys and values are kept between steps, shorter ones filled up on the left.

    Args:
        filler: the token that fills up.
        voices: where rows are answered by different adapters; else all by the model as it is.
    """

    def __init__(self, model: "PreTrainedModel | PeftModel", filler: int, voices: Voices | None = None) -> None:
        inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        self._model: Any = model
        self._takes = frozenset(inspect.signature(inner.forward).parameters)
        self._filler = filler
        self._voices = voices
        self._rows: list[Row] = []
        self._left: set[int] = set()
        self._cache: Any = None
        self._ids = self._mask = torch.empty(0, 0, dtype=torch.long)

    def __len__(self) -> int:
        return len(self._rows) - len(self._left)

    @property
    def width(self) -> int:
        """Tokens of keys and values that each row holds, those that fill up included."""
        return self._ids.shape[1]

    @property
    def takes_more(self) -> bool:
        """Whether rows can join now: always while it is empty, later unless the model keeps other than keys and values of all tokens."""
        return self._cache is None or all(type(layer) is DynamicLayer for layer in self._cache.layers)

    def join(self, rows: Sequence[Row]) -> None:
        """Reads the prompts of rows, each of which gets its first token."""
        longest = max(len(row.prompt) for row in rows)
        ids = torch.tensor([[self._filler] * (longest - len(row.prompt)) + list(row.prompt) for row in rows], device=self._model.device)
        mask = torch.tensor([[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in rows], device=self._model.device)
        cache, logits = self._forward(rows, ids, mask, None)
        ids, mask = self._longer(rows, logits, ids, mask)
        if self._cache is None:
            self._rows, self._ids, self._mask, self._cache = list(rows), ids, mask, cache
            return
        longest = max(self.width, ids.shape[1])
        sides = ((self._ids, self._mask, self._cache), (ids, mask, cache))
        for own, other in zip(self._cache.layers, cache.layers, strict=True):
            own.keys = torch.cat([_wider(layer.keys, longest - 1) for layer in (own, other)])
            own.values = torch.cat([_wider(layer.values, longest - 1) for layer in (own, other)])
        self._ids = torch.cat([pad(one, (longest - one.shape[1], 0), value=self._filler) for one, _, _ in sides])
        self._mask = torch.cat([pad(one, (longest - one.shape[1], 0)) for _, one, _ in sides])
        self._rows += rows

    def step(self) -> None:
        """Gives each row its next token."""
        self._cache, logits = self._forward(self._rows, self._ids[:, -1:], self._mask, self._cache)
        self._ids, self._mask = self._longer(self._rows, logits, self._ids, self._mask)

    def leave(self, rows: Iterable[Row]) -> None:
        """Lets rows go, which get no more tokens."""
        self._left.update(map(id, rows))
        if not len(self):
            self._rows, self._left, self._cache = [], set(), None
            self._ids = self._mask = torch.empty(0, 0, dtype=torch.long)
        elif len(self._left) * _LEAVE_TOGETHER >= len(self._rows):
            self._take_out()

    def _take_out(self) -> None:
        kept = [place for place, row in enumerate(self._rows) if id(row) not in self._left]
        places = torch.tensor(kept, device=self._ids.device)
        self._cache.reorder_cache(places)
        self._rows, self._left = [self._rows[place] for place in kept], set()
        self._ids, self._mask = self._ids[places], self._mask[places]
        empty = int(self._mask.any(0).int().argmax())
        if empty * _TRIM >= self.width and self.takes_more:
            self._ids, self._mask = self._ids[:, empty:], self._mask[:, empty:]
            for layer in self._cache.layers:
                layer.keys, layer.values = layer.keys[..., empty:, :].contiguous(), layer.values[..., empty:, :].contiguous()

    def _forward(self, rows: Sequence[Row], new: torch.Tensor, mask: torch.Tensor, cache: Any) -> tuple[Any, torch.Tensor]:
        """The cache behind the new tokens and the logits of the last, (rows, vocabulary)."""
        inputs: dict[str, Any] = {"input_ids": new, "attention_mask": mask, "past_key_values": cache, "use_cache": True}
        if "position_ids" in self._takes:
            inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -new.shape[1] :]
        if "logits_to_keep" in self._takes:
            inputs["logits_to_keep"] = 1
        with torch.inference_mode():
            if self._voices is None:
                outputs = self._model(**inputs)
            else:
                with self._voices.speaking([row.mix for row in rows]):
                    outputs = self._model(**inputs)
        return outputs.past_key_values, outputs.logits[:, -1]

    def _longer(
        self, rows: Sequence[Row], logits: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The ids and the mask with the tokens that are chosen now."""
        chosen = ids.new_empty(len(rows))
        alike: dict[tuple[Any, ...], list[int]] = {}
        for place, row in enumerate(rows):
            how = row.config
            key = (how.do_sample, how.temperature, how.top_p, how.top_k, how.repetition_penalty)
            alike.setdefault(key, []).append(place)
        for places in alike.values():
            drawn = [rows[place].draws[min(len(rows[place].new), len(rows[place].draws) - 1)] for place in places]
            chosen[places] = next_tokens(logits[places], ids[places], rows[places[0]].config, torch.tensor(drawn, device=ids.device))
        for row, token in zip(rows, chosen.tolist(), strict=True):
            if id(row) not in self._left:
                row.new.append(token)
        return torch.cat([ids, chosen[:, None]], dim=1), torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)


def _wider(states: torch.Tensor, tokens: int) -> torch.Tensor:
    """Keys or values, (rows, heads, tokens, width), filled up on the left."""
    return pad(states, (0, 0, tokens - states.shape[-2], 0))
