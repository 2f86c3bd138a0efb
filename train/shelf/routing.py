"""Chooses the adapter for a message, by likeness to what each adapter's training prompts end in: several adapters answer as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from formats.errors import UserError
from formats.samples import folder_template
from train.answers.loaded import BASE, Loaded
from train.progress import OnStage
from train.shelf.routing_decision import Decision, decide
from train.shelf.routing_index import Index, Made, narrowed, read_index, samples_beside, training_messages, write_index
from train.shelf.routing_vectors import MessageEncoder

_AT_ONCE = 16


@dataclass(frozen=True)
class Choice:
    """Who answers a message.

    Args:
        name: the adapter, or `base` where the message is like none and the router may say so.
        shares: how probable it is that the message belongs to each adapter's forum, of sum 1, the most probable first.
        likeness: the share of the likest forum's own messages that are less like it than this one; near 0: it is like none.
    """

    name: str
    shares: dict[str, float]
    likeness: float


class Router:
    """Chooses between adapters on one loaded base. Several threads may ask it, also while others generate.

    Args:
        floor: a message of less likeness goes to the base; 0: none does.
    """

    def __init__(self, names: Sequence[str], decision: Decision, encoder: MessageEncoder, floor: float = 0.0) -> None:
        self.names = tuple(names)
        self._decision = decision
        self._encoder = encoder
        self._floor = floor

    @classmethod
    def of(
        cls,
        folders: Mapping[str, Path],
        loaded: Loaded,
        *,
        samples: Mapping[str, Path] | None = None,
        floor: float = 0.0,
        progress: OnStage = lambda what, done, total: None,
    ) -> Self:
        """A router between adapters, by the indexes in their folders; one that is missing is made of the adapter's samples, and kept.

        Args:
            folders: of the adapters, by the names under which they are loaded.
            samples: folders of samples by the names of adapters, whose indexes are made anew; of others those beside the adapter are taken.

        Raises:
            UserError: an index is damaged, or missing and there are no samples to make it of; the samples are not the adapter's.
        """
        for name in samples or {}:
            if name not in folders:
                raise UserError(f"{name}: no such adapter to route to; there are {', '.join(folders)}")
        encoder = MessageEncoder(loaded)
        indexes = [
            index_of(folder, loaded, name, encoder, samples=(samples or {}).get(name), progress=progress)
            for name, folder in folders.items()
        ]
        return cls(list(folders), decide([index.vectors for index in indexes]), encoder, floor)

    def choose(self, message: str) -> Choice:
        """Who answers a message: a text of the one who asks, without boundaries."""
        return self.choose_all([message])[0]

    def choose_all(self, messages: Sequence[str]) -> list[Choice]:
        """Who answers each of some messages."""
        if not messages:
            return []
        vectors = self._encoder.vectors(messages).astype(np.float64)
        both = zip(self._decision.shares(vectors).tolist(), self._decision.likeness(vectors).tolist(), strict=True)
        return [self._choice(shares, likeness) for shares, likeness in both]

    def _choice(self, shares: Sequence[float], likeness: float) -> Choice:
        ranked = dict(sorted(zip(self.names, shares, strict=True), key=lambda one: -one[1]))
        return Choice(BASE if likeness < self._floor else next(iter(ranked)), ranked, likeness)


def index_of(
    folder: Path,
    loaded: Loaded,
    name: str,
    encoder: MessageEncoder,
    *,
    samples: Path | None = None,
    progress: OnStage = lambda what, done, total: None,
) -> Index:
    """An adapter's index: that in its folder, or a new one of its samples, which is kept there.

    Args:
        samples: make it anew of these.

    Raises:
        UserError: as `Router.of`.
    """
    made = Made(loaded.base.published, next(iter(loaded.adapters.values())).settings.quantisation, encoder.layer)
    template = loaded.adapters[name].template
    there = None if samples else read_index(folder)
    if there is not None and there.made == made:
        return there
    source = samples or samples_beside(folder, template)
    if source is None:
        other = None if there is None else f"has an index made on {_shown(there.made)}, while {_shown(made)} is loaded"
        reason = other or "has no index to route by"
        raise UserError(f"{folder}: {reason}, and no samples beside it to make one of; name them, as in --samples {name}=FOLDER")
    if folder_template(source) != template:
        raise UserError(f"{source}: its template is not that of the adapter {name}; give the samples that it was trained on")
    messages = training_messages(source)
    parts = []
    for start in range(0, len(messages), _AT_ONCE):
        parts.append(encoder.vectors(messages[start : start + _AT_ONCE]))
        progress(f"index {name}", min(start + _AT_ONCE, len(messages)), len(messages))
    index = Index(narrowed(np.concatenate(parts)), made)
    write_index(folder, index)
    return index


def _shown(made: Made) -> str:
    return f"{made.base} ({made.quantisation}, {made.layer} layers)"
