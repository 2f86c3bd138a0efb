"""Makes conversations fit into a number of tokens: contexts lose their oldest turns, replies are never cut."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from formats.rendering.conversations import NOBODY, THE_BOT, Conversations, Rows
from formats.rendering.render import RENDERED_AT_ONCE, render
from formats.templates.template import Template
from formats.tokens.encoding import SampleEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Fitted:
    """The conversations that fit, and what became of the others.

    Args:
        num_tokens: shape (kept,): tokens of each sample, as `formats.tokens.encoding.encode_samples` makes them.
        kept: shape (kept,): which of the conversations given each is, from 0, ascending.
        long_replies: conversations dropped because the reply, its opening and its stop alone are too long.
        long_contexts: those dropped because they are only too long together with the turn that the reply answers.
    """

    conversations: Conversations
    num_tokens: NDArray[np.int64]
    kept: Rows
    long_replies: int
    long_contexts: int


def fit(conversations: Conversations, template: Template, tokenizer: "PreTrainedTokenizerBase", max_tokens: int) -> Fitted:
    """The conversations whose samples have at most `max_tokens` tokens, after the oldest turns of longer ones are left out.

    As few turns as possible are left out, and never the one that the reply answers; the speakers of what is left are numbered anew.
    Every sample is rendered and encoded, each distinct text once, so that whatever a template does is counted as it is.

    Raises:
        UserError: the tokenizer has no end token.
    """
    encoder = SampleEncoder(template, tokenizer)
    turns, speakers = conversations.turns.copy(), conversations.speakers.copy()
    num_tokens = np.zeros(len(turns), np.int64)
    asked = np.arange(len(turns))
    while len(asked):
        parts = _rendered(_chosen(conversations, turns, speakers, asked), template)
        num_tokens[asked] = np.concatenate([encoder.count(part["prompt"].to_list(), part["completion"].to_list()) for part in parts])
        asked = asked[num_tokens[asked] > max_tokens]
        asked = asked[(turns[asked] != NOBODY).sum(axis=1) > 2]
        turns[asked, (turns[asked] != NOBODY).argmax(axis=1)] = NOBODY
        speakers[asked] = _numbered(speakers[asked], turns[asked] != NOBODY)
    fits = num_tokens <= max_tokens
    kept, dropped = np.flatnonzero(fits), np.flatnonzero(~fits)
    long_replies = 0
    for part in _rendered(_chosen(conversations, turns, speakers, dropped), template):
        alone = encoder.count([template.reply_opening()] * part.height, part["completion"].to_list())
        long_replies += int((alone > max_tokens).sum())
    return Fitted(_chosen(conversations, turns, speakers, kept), num_tokens[kept], kept, long_replies, len(dropped) - long_replies)


def _chosen(conversations: Conversations, turns: Rows, speakers: Rows, rows: Rows) -> Conversations:
    """These conversations, with turns and speakers as they are now."""
    return replace(conversations, replies=conversations.replies[rows], turns=turns[rows], speakers=speakers[rows])


def _rendered(conversations: Conversations, template: Template) -> Iterator[pl.DataFrame]:
    for first in range(0, len(conversations.turns), RENDERED_AT_ONCE):
        yield render(conversations.part(first, RENDERED_AT_ONCE), template)


def _numbered(speakers: Rows, present: NDArray[np.bool_]) -> Rows:
    """The speakers of the turns that are there, numbered in order of appearance."""
    numbered = np.full_like(speakers, THE_BOT)
    seen = np.zeros(len(speakers), np.int64)
    for place in range(speakers.shape[1]):
        speaks = present[:, place] & (speakers[:, place] != THE_BOT)
        number = seen.copy()
        for before in range(place):
            same = present[:, before] & (speakers[:, before] == speakers[:, place])
            number[same] = numbered[same, before]
        seen += speaks & (number == seen)
        numbered[speaks, place] = number[speaks]
    return numbered
