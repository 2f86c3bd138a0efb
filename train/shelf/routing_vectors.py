"""What a base itself makes of messages: for each a vector, the mean of its tokens' hidden states behind the first half of the layers.

Half of the layers tell forums apart as well as all of them, and take half the time (docs/routing.md).
"""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from formats.errors import UserError
from formats.tokens.pieces import Ids, PieceTokenizer
from train.answers.loaded import Loaded

Vectors = NDArray[np.float32]
"""Shape (messages, width of the base)."""

MOST_TOKENS = 128
"""Of a message that are read: its beginning."""

_TOGETHER = 16
"""Messages that go through the base at once, sorted by length."""


class MessageEncoder:
    """Turns messages into vectors on a loaded base; its adapters take no part.

    It runs on modules of its own that share the base's weights, so that another thread may generate answers meanwhile.

    Raises:
        UserError: the base's layers cannot be told from its other parts.
    """

    def __init__(self, loaded: Loaded) -> None:
        model: Any = loaded.model
        layers = int(getattr(model.config.get_text_config(), "num_hidden_layers", 0) or 0)
        decoder = model.get_decoder()
        if not any(_is_stack(module, layers) for module in decoder.modules()):
            raise UserError(f"{loaded.base.name}: has no {layers} layers one after the other, so that messages cannot be routed by it")
        self.layer = (layers + 1) // 2
        """Layers that a message goes through."""
        self._decoder: Any = _beginning(decoder, layers, self.layer)
        self._device = model.device
        self._reader = PieceTokenizer(loaded.tokenizer)
        tokenizer = loaded.tokenizer
        self._opening = int(next((one for one in (tokenizer.bos_token_id, tokenizer.eos_token_id) if one is not None), loaded.filler))

    def vectors(self, messages: Sequence[str]) -> Vectors:
        """The vectors of messages, in their order; what looks like a special token in one is text, and half a character a question mark."""
        texts = [message.encode(errors="replace").decode() for message in messages]
        ids = [one[:MOST_TOKENS] for one in self._reader.contents(texts, first=True)]
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        found: list[Vectors] = [np.empty(0, np.float32)] * len(ids)
        for start in range(0, len(order), _TOGETHER):
            places = order[start : start + _TOGETHER]
            for place, vector in zip(places, self._read([ids[place] for place in places]), strict=True):
                found[place] = vector
        return np.stack(found) if found else np.empty((0, 0), np.float32)

    def _read(self, rows: Sequence[Ids]) -> Vectors:
        """The vectors of rows of tokens, shorter ones filled up on the right: no token sees those behind it, so no mask is needed.

        A token is put before each row and left out of the mean: models pile up huge values at the first place, whatever stands there
        ("attention sinks", Xiao et al. 2024), and an empty message has that one alone.
        """
        longest = max(map(len, rows))
        ids = torch.tensor([[self._opening, *row.tolist(), *[self._opening] * (longest - len(row))] for row in rows], device=self._device)
        counts = torch.tensor([max(len(row), 1) for row in rows], device=self._device)
        with torch.inference_mode():
            states = self._decoder(input_ids=ids, use_cache=False).last_hidden_state.float()
            if longest:
                states = states[:, 1:]
            counted = torch.arange(states.shape[1], device=self._device)[None] < counts[:, None]
            means = (states * counted[..., None]).sum(1) / counts[:, None]
        vectors: Vectors = means.cpu().numpy()
        return vectors


def _is_stack(module: nn.Module, layers: int) -> bool:
    return isinstance(module, nn.ModuleList) and len(module) == layers


def _beginning(module: nn.Module, layers: int, kept: int) -> nn.Module:
    """A module with the same weights, but without hooks and with the first layers alone."""
    twin = copy.copy(module)
    twin._forward_hooks, twin._forward_pre_hooks = OrderedDict(), OrderedDict()
    inner = list(module._modules.items())
    if layers and _is_stack(module, layers):
        # Within a layer, as many experts may stand one after the other.
        inner, layers = inner[:kept], 0
    twin._modules = {name: one if one is None else _beginning(one, layers, kept) for name, one in inner}
    return twin
