"""The texts that hold more than ASCII in one form, since Unicode has many for one letter; the others, which are most, cost nothing."""

from collections.abc import Callable

import polars as pl

Texts = Callable[[pl.Series], pl.Series]


def folded(texts: pl.Series) -> pl.Series:
    """Texts without null, those beyond ASCII in Unicode's form NFKC and in lower case."""
    return change(texts, beyond_ascii, lambda some: some.str.normalize("NFKC").str.to_lowercase())


def beyond_ascii(texts: pl.Series) -> pl.Series:
    """Whether each text has a character beyond ASCII."""
    return texts.str.len_bytes() != texts.str.len_chars()


def change(texts: pl.Series, chosen: Texts, changed: Texts) -> pl.Series:
    """The texts, those that are chosen changed."""
    rows = chosen(texts).arg_true()
    return texts.clone().scatter(rows, changed(texts.gather(rows))) if len(rows) else texts
