"""What a page filters and sorts by: one number for each sample, column by column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

UNKNOWN = -(2**31)
"""Of a number that is not known."""

SHARE = 10_000
"""A toxicity of 1 as an integer: four digits are enough to filter by, and small to hold."""


@dataclass
class Columns:
    """The columns of the samples so far: about 24 bytes for each sample."""

    parts: dict[str, list[NDArray[np.int32]]] = field(default_factory=dict)
    names: dict[str, dict[str, int]] = field(default_factory=lambda: {"community": {}, "split": {}})

    def add(self, samples: pl.DataFrame, num_tokens: NDArray[np.int64] | None) -> None:
        """Takes the columns of the next samples: id, prompt and completion there must be, all others there may be."""
        length = pl.col("prompt").str.len_chars() + pl.col("completion").str.len_chars()
        found = {
            "characters": samples.select(length).to_series(),
            "score": _column(samples, "score", pl.Int64),
            "toxicity": (toxicity(samples) * SHARE).round(),
            "created": _seconds(samples),
            "tokens": pl.Series(num_tokens) if num_tokens is not None else _column(samples, "num_tokens", pl.Int64),
        }
        for name, values in found.items():
            within = values.cast(pl.Float64).fill_nan(None).clip(UNKNOWN + 1, 2**31 - 1).fill_null(UNKNOWN)
            self.parts.setdefault(name, []).append(within.to_numpy().astype(np.int32))
        for name, numbers in self.names.items():
            labels = _column(samples, name, pl.String).fill_null("")
            for label in labels.unique(maintain_order=True):
                numbers.setdefault(label, len(numbers))
            coded = labels.replace_strict(numbers, return_dtype=pl.Int32) if samples.height else pl.Series([], dtype=pl.Int32)
            self.parts.setdefault(name, []).append(coded.to_numpy().astype(np.int32))

    def known(self) -> Iterator[tuple[str, NDArray[np.int32]]]:
        """The columns that hold any known value, by name."""
        for name, parts in self.parts.items():
            values = np.concatenate(parts)
            if name in self.names or (values != UNKNOWN).any():
                yield name, values

    def labels(self) -> Mapping[str, list[str]]:
        """What the numbers of communities and splits stand for; an empty one is unknown."""
        return {name: list(numbers) for name, numbers in self.names.items()}


def toxicity(samples: pl.DataFrame) -> pl.Series:
    """How toxic each sample is, from 0 to 1: the column itself, or the highest of its labels; null where nobody measured it."""
    dtype = samples.schema.get("toxicity")
    if isinstance(dtype, pl.Struct):
        highest = pl.max_horizontal(pl.col("toxicity").struct.unnest().cast(pl.Float64, strict=False))
        return samples.select(highest.alias("toxicity")).to_series()
    return _column(samples, "toxicity", pl.Float64)


def _column(samples: pl.DataFrame, name: str, dtype: type[pl.DataType]) -> pl.Series:
    if name not in samples.columns:
        return pl.Series(name, [None] * samples.height, dtype)
    return samples[name].cast(dtype, strict=False)


def _seconds(samples: pl.DataFrame) -> pl.Series:
    if not isinstance(samples.schema.get("created_at"), pl.Datetime):
        return pl.Series("created_at", [None] * samples.height, pl.Int64)
    return samples["created_at"].dt.epoch("s")
