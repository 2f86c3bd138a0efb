"""Train, validation and test that share no thread, and no two threads about the same submission."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from curate import store
from curate.engine import Progress, silent
from curate.splitting.by_time import Cut, cut, read_begun
from curate.splitting.related import Related, read_signs, relate
from formats.errors import UserError

SPLITS = ("train", "validation", "test")


def parse_split(text: str) -> tuple[float, float, float]:
    """The shares of train, validation and test from a text like `90/5/5`.

    Raises:
        UserError: it is not three numbers, they do not add up to 100, or nothing is left to train on.
    """
    if not re.fullmatch(r"\d+(\.\d+)?(/\d+(\.\d+)?){2}", text):
        raise UserError(f"split is {text!r}; expected three percentages of train/validation/test, as in 90/5/5")
    train, validation, test = (float(part) / 100 for part in text.split("/"))
    if abs(train + validation + test - 1) > 1e-9 or not train:
        raise UserError(f"split is {text!r}, which adds up to {100 * (train + validation + test):g}; expected 100, with a share for train")
    return train, validation, test


@dataclass(frozen=True)
class SplitSettings:
    """How samples are split.

    Args:
        shares: of train, validation and test; whole threads are split, so small forums come near them only.
        seed: by thread, another one makes another split.
        by: `thread`, whichever a hash says; or `time`: the newest are the test, those before them the validation.
    """

    shares: tuple[float, float, float] = (0.9, 0.05, 0.05)
    seed: int = 0
    by: Literal["thread", "time"] = "thread"


@dataclass(frozen=True)
class SplitPlan:
    """What a split needs to know of the whole forum; nothing where no thread has others like it and the split is by thread.

    Args:
        cut: where the split is by time.
    """

    settings: SplitSettings
    related: Related
    cut: Cut | None = None

    def split_of(self, samples: pl.DataFrame) -> pl.Series:
        """The split of each sample by its `thread_id`.

        Null, which a split by time alone has: it is in none, since its thread has another like it on the other side of a cut.
        """
        threads = samples["thread_id"]
        if self.cut is None:
            return _distinct(self.related.group_of(threads), self.settings)
        later = self.cut.later
        return threads.replace_strict(later["thread_id"], _names(later["part"]), default=SPLITS[0], return_dtype=pl.String).alias("split")


def plan_split(judged: Path, settings: SplitSettings, progress: Progress = silent) -> SplitPlan:
    """Reads of a folder of judged posts, bucket by bucket, what its split depends on: its submissions and, by time, when threads began.

    The plan is the same whatever buckets the posts are in.
    """
    buckets = store.bucket_numbers(judged)
    signs, begun = [], []
    for number, bucket in enumerate(buckets):
        signs.append(read_signs(judged, bucket))
        if settings.by == "time":
            begun.append(read_begun(judged, bucket))
        progress("split", number + 1, len(buckets))
    related = relate(signs)
    return SplitPlan(settings, related, cut(begun, related, settings.shares) if begun else None)


def _distinct(groups: pl.Series, settings: SplitSettings) -> pl.Series:
    """The split of each group: by a hash of the seed and its name, so that it is whole in one split, on every machine."""
    distinct = groups.unique()
    names = pl.Series([_split(group, settings) for group in distinct], dtype=pl.String)
    return groups.replace_strict(distinct, names, return_dtype=pl.String).alias("split") if len(distinct) else names.alias("split")


def _split(group: str, settings: SplitSettings) -> str:
    digest = hashlib.blake2b(f"{settings.seed}/{group}".encode(), digest_size=8).digest()
    position = int.from_bytes(digest, "big") / 2**64
    train, validation, _ = settings.shares
    if position < train:
        return "train"
    return "validation" if position < train + validation else "test"


def _names(parts: pl.Series) -> pl.Series:
    return parts.replace_strict(dict(enumerate(SPLITS)), default=None, return_dtype=pl.String)
