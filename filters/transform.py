"""What a transform is: one change to the posts before they are judged."""

import re
from dataclasses import dataclass
from typing import ClassVar

import polars as pl


@dataclass(frozen=True)
class Transform:
    """One change to the posts of a bucket. The fields are its settings, the docstring is its documentation."""

    by_default: ClassVar[bool] = True
    """Whether it is made where a recipe does not say."""

    @classmethod
    def name(cls) -> str:
        """The name in a recipe and in the record of what changed: the class name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def apply(self, posts: pl.DataFrame) -> pl.DataFrame:
        """The posts, changed: the same rows in the same order, with the same columns and perhaps more."""
        raise NotImplementedError
