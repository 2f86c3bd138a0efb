"""Whether messages are routed to the adapter of the forum that they come from, on held-out prompts of each."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train.answers.loaded import BASE
from train.evaluation.intervals import CONFIDENCE, FEWEST, Estimate, share
from train.progress import OnStage
from train.shelf.routing import Choice, Router
from train.shelf.routing_index import held_out_messages

ROUTED = "routed"
"""Under which a routing stands in an adapter's `eval.json`."""

MESSAGES = 128
"""Held-out messages of each forum, at most."""


@dataclass(frozen=True)
class Forum:
    """Messages of one forum: how many there were, how often each adapter (or the base, for what is like none) was chosen for them, and
    the share that went to the forum's own.
    """

    name: str
    messages: int
    chosen: Mapping[str, int]
    right: Estimate


@dataclass(frozen=True)
class RoutingResult:
    """How well messages are routed between adapters, by equally many held-out messages of each.

    Args:
        accuracy: share of the messages that went to their own forum's adapter; a coin would have 1 / adapters.
        sureness: mean share that the router gives to what it chooses: equal to the accuracy where its shares are honest.
        milliseconds: to route one message, the median and the 95th of 100.
    """

    adapters: tuple[str, ...]
    messages: int
    accuracy: Estimate
    sureness: float
    forums: tuple[Forum, ...]
    milliseconds: tuple[float, float]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; no texts."""
        plain: dict[str, Any] = json.loads(json.dumps({**asdict(self), "confidence": CONFIDENCE}))
        return plain


def evaluate_routing(
    router: Router, samples: Mapping[str, Path], *, count: int = MESSAGES, seed: int = 0, progress: OnStage
) -> RoutingResult:
    """Routes messages of the test and validation splits of every adapter's samples.

    Raises:
        UserError: samples are not there, or hold no held-out message.
    """
    held_out = {name: held_out_messages(folder, count, seed) for name, folder in samples.items()}
    fewest = min(map(len, held_out.values()))
    messages = [(name, message) for name, own in held_out.items() for message in own[:fewest]]
    choices: list[Choice] = []
    seconds: list[float] = []
    for place, (_, message) in enumerate(messages):
        began = time.perf_counter()
        choices.append(router.choose(message))
        seconds.append(time.perf_counter() - began)
        progress("route held-out messages", place + 1, len(messages))
    notes = [] if fewest >= FEWEST else [f"Only {fewest} held-out messages of each forum: hold more threads out."]
    return counted(tuple(samples), [name for name, _ in messages], choices, seconds, notes)


def counted(
    adapters: tuple[str, ...], forums: Sequence[str], choices: Sequence[Choice], seconds: Sequence[float], notes: Sequence[str] = ()
) -> RoutingResult:
    """The figures of messages by the forums they came from, what was chosen for them, and how long that took."""
    found = []
    for name in adapters:
        own = Counter(choice.name for forum, choice in zip(forums, choices, strict=True) if forum == name)
        chosen = {other: own[other] for other in (*adapters, BASE) if other in own or other != BASE}
        found.append(Forum(name, own.total(), chosen, share(own[name], own.total())))
    right = sum(forum == choice.name for forum, choice in zip(forums, choices, strict=True))
    return RoutingResult(
        adapters=adapters,
        messages=len(forums),
        accuracy=share(right, len(forums)),
        sureness=float(np.mean([max(choice.shares.values()) for choice in choices])),
        forums=tuple(found),
        milliseconds=(float(np.median(seconds) * 1e3), float(np.quantile(seconds, 0.95) * 1e3)),
        notes=tuple(notes),
    )
