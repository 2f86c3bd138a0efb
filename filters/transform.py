"""What a transform is: one change to the posts before they are judged; and how all of them are made."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from filters.masks import MOST_NAMES, bit, names_of

TEXTS = ("title", "text")
"""The columns that a person wrote."""

RECORDED = (*TEXTS, "author")
"""The columns whose changes are recorded."""


@dataclass(frozen=True)
class Transform:
    """One change to the posts of a bucket. The fields are its settings, the docstring is its documentation."""

    by_default: ClassVar[bool] = True
    """Whether it is made where a recipe does not say."""

    last: ClassVar[bool] = False
    """Whether it is made only when the posts are written, after all rules judged: some need what it takes away."""

    @classmethod
    def name(cls) -> str:
        """The name in a recipe and in the record of what changed: the class name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def prepare(self) -> str:
        """Makes what must be there before a run, and tells what its result depends on beyond the settings.

        Called once, by the process that starts the run, before any bucket is changed.
        """
        return ""

    def apply(self, posts: pl.DataFrame) -> pl.DataFrame:
        """The posts, changed: the same rows in the same order, with the same columns and perhaps more."""
        raise NotImplementedError


def apply_transforms(posts: pl.DataFrame, transforms: Sequence[Transform]) -> pl.DataFrame:
    """The posts as the transforms leave them, made in the given order, and what each changed.

    The column `changed_by`, a list of strings, names the transforms that changed the title, the text or the author of a post, in their
    order; it is empty where none did. Names that already stand there stay, in front.
    """
    if len(transforms) > MOST_NAMES:
        raise ValueError(f"{len(transforms)} transforms; the record has room for {MOST_NAMES}")
    changed = np.zeros(posts.height, np.uint64)
    for place, transform in enumerate(transforms):
        after = transform.apply(posts)
        if after is not posts:
            differs = (pl.col(name).ne_missing(posts[name]) for name in RECORDED if name in posts.columns)
            changed[after.select(pl.any_horizontal(*differs)).to_series().to_numpy()] |= bit(place)
        posts = after
    record = names_of(changed, [transform.name() for transform in transforms]).alias("changed_by")
    if "changed_by" not in posts.columns:
        return posts.with_columns(record)
    if not changed.any():
        return posts
    return posts.with_columns(pl.col("changed_by").list.concat(record).list.unique(maintain_order=True))


Look = Callable[[pl.Expr], pl.Expr]
"""From a column of strings, a boolean expression: true wherever something may have to be changed."""


def rewrite(posts: pl.DataFrame, looks: Sequence[Look], change: Callable[[str], str]) -> pl.DataFrame:
    """The posts with their titles and texts changed one by one, which is slow, where all looks say that it may be needed.

    Args:
        posts: with the columns `TEXTS`; a null stays null.
        looks: the cheapest first; each sees only what the one before it left.
        change: the new text of an old one.
    """
    found = {name: _rewritten(posts[name], looks, change) for name in TEXTS}
    changed = [posts[name].clone().scatter(new["row"], new["new"]) for name, new in found.items() if new.height]
    return posts.with_columns(changed) if changed else posts


def suspects(column: pl.Series, looks: Sequence[Look]) -> pl.DataFrame:
    """The strings at which all looks stop, as `text`, and their row numbers, as `row`."""
    left = column.alias("text").to_frame().with_row_index("row")
    for look in looks:
        stops = left.lazy().select(look(pl.col("text"))).collect(engine="streaming").to_series()
        left = left.filter(stops)
    return left


def _rewritten(column: pl.Series, looks: Sequence[Look], change: Callable[[str], str]) -> pl.DataFrame:
    found = suspects(column, looks)
    return found.with_columns(new=pl.col("text").map_elements(change, pl.String)).filter(pl.col("new") != pl.col("text"))
