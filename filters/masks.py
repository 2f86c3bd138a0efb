"""Which of some names hold for each row of a table, a bit for each name."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

Mask = NDArray[np.uint64]

MOST_NAMES = 64


def bit(place: int) -> np.uint64:
    """The bit of the name at a place, counted from 0."""
    return np.uint64(1) << np.uint64(place)


def names_of(mask: Mask, names: Sequence[str]) -> pl.Series:
    """The names of each row, List(String), in their order; the lists are made once for each set of names that occurs."""
    distinct, place = np.unique(mask, return_inverse=True)
    lists = [[name for number, name in enumerate(names) if int(held) >> number & 1] for held in distinct]
    return pl.Series(lists, dtype=pl.List(pl.String))[place]
