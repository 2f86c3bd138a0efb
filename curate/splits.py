"""Train, validation and test that share no thread."""

import hashlib
import re

import polars as pl

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


def split_of(threads: pl.Series, shares: tuple[float, float, float], seed: int) -> pl.Series:
    """The split of each thread id: by a hash of the seed and the id, so that a thread is whole in one split, on every machine."""
    distinct = threads.unique()
    names = [_split(thread, shares, seed) for thread in distinct]
    if not names:
        return pl.Series("split", [], pl.String)
    return threads.replace_strict(distinct, pl.Series(names, dtype=pl.String), return_dtype=pl.String).alias("split")


def _split(thread: str, shares: tuple[float, float, float], seed: int) -> str:
    digest = hashlib.blake2b(f"{seed}/{thread}".encode(), digest_size=8).digest()
    position = int.from_bytes(digest, "big") / 2**64
    if position < shares[0]:
        return "train"
    return "validation" if position < shares[0] + shares[1] else "test"
