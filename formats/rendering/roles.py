"""Roles: who is the user and who the bot in each turn, and neighbouring turns of one role made one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from formats.rendering.conversations import NOBODY, THE_BOT, Rows

Flags = NDArray[np.bool_]

PARAGRAPH = "\n\n"
"""What joins the texts of turns that are merged."""


@dataclass(frozen=True)
class Roles:
    """Who speaks where, and which turns are one: arrays of the shape (conversations, places).

    `bot`: the turn is the bot's. `continues`: it goes on with the turn right before it. `kept`: a turn ends here, with what it goes on
    with. `heads`: the place where that turn begins.
    """

    bot: Flags
    continues: Flags
    kept: Flags
    heads: Rows


def merged_roles(turns: Rows, speakers: Rows) -> Roles:
    """Roles as chat models want them: user and bot alternate strictly, beginning with the user, and the reply is the bot's.

    The first turn and the one that is answered are always the user's, whoever wrote them. In between, what the author of the reply wrote
    is the bot's. Neighbours of one role are one turn.
    """
    present = turns != NOBODY
    bot = present & (speakers == THE_BOT)
    bot[:, -2:-1] = False
    bot[np.arange(len(turns)), present.argmax(axis=1)] = False
    bot[:, -1] = True
    continues, heads = np.zeros_like(present), _places(turns)
    continues[:, 1:] = present[:, 1:] & present[:, :-1] & (bot[:, 1:] == bot[:, :-1])
    kept = present.copy()
    kept[:, :-1] &= ~continues[:, 1:]
    for place in np.flatnonzero(continues.any(axis=0)):
        heads[:, place] = np.where(continues[:, place], heads[:, place - 1], place)
    return Roles(bot, continues, kept, heads)


def plain_roles(turns: Rows, speakers: Rows) -> Roles:
    """Roles as they are: the bot's turns are those that it wrote, and every turn stands by itself."""
    present = turns != NOBODY
    return Roles(present & (speakers == THE_BOT), np.zeros_like(present), present, _places(turns))


def merge(texts: Sequence[pl.Series], says: Flags, continues: Flags) -> list[pl.Series]:
    """The texts of turns, place by place, with those that are one in the place of the last and null in the places before.

    Texts are joined by an empty line; one that says nothing is none.

    Args:
        texts: a column for each place.
        says: shape (conversations, places): whether a text says something.
        continues: the same shape: whether a turn goes on with the one before it.
    """
    merged, filled = list(texts), says[:, 0]
    for place in range(1, len(merged)):
        goes_on = continues[:, place]
        if goes_on.any():
            pair = pl.DataFrame({"before": merged[place - 1], "after": merged[place], "goes_on": goes_on, "apart": filled & says[:, place]})
            joint = pl.when("apart").then(pl.lit(PARAGRAPH)).otherwise(pl.lit(""))
            pair = pair.select(
                pl.when("goes_on").then(pl.concat_str("before", joint, "after")).otherwise("after").alias("after"),
                pl.when(~pl.col("goes_on")).then("before").alias("before"),
            )
            merged[place - 1], merged[place] = pair["before"], pair["after"]
        filled = says[:, place] | (goes_on & filled)
    return merged


def _places(turns: Rows) -> Rows:
    return np.broadcast_to(np.arange(turns.shape[1]), turns.shape).copy()
