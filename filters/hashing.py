"""Hashes that are the same on every machine and in every version, by which a run is ordered and grouped."""

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
"""By a number of bytes, at most eight, the mask that leaves so many of `eights`."""


def stable_hash(strings: pl.Series, seed: int = 0) -> pl.Series:
    """The 64-bit XXH3 hash of each string, UInt64; null where it is null."""
    hashes = (None if string is None else xxhash.xxh3_64_intdigest(string.encode(), seed) for string in strings.to_list())
    return pl.Series(strings.name, list(hashes), dtype=pl.UInt64)


def draw(seed: int = 0) -> pl.Expr:
    """A number for each reply, by its `id` and the seed alone: sorted by it, replies are in a random order that is always the same."""
    return pl.col("id").map_batches(lambda ids: stable_hash(ids, seed), return_dtype=pl.UInt64)


def eights(text: NDArray[np.uint8]) -> Hashes:
    """The eight bytes from each place of a text on as one number, the first in its lowest bits; behind the end stand zeros."""
    return np.ndarray((text.size + 1,), "<u8", np.concatenate((text, np.zeros(8, np.uint8))), strides=(1,))


def mix(hashes: Hashes) -> Hashes:
    """Spreads what differs in any bit over all 64 (the finaliser of SplitMix64: Steele, Lea and Flood 2014)."""
    mixed = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
