"""What is judged of a whole run at once: a small table of the replies that stand, made bucket by bucket.

With all rules a reply of a forum takes some 360 bytes of it, 26 without near-duplicates and caps, and never more than 1,300.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filters.duplicates import Copies, first_of_all
from filters.hashing import stable_hash
from filters.near_duplicates import SKETCH, sketch
from filters.rule import NOBODY, Rule
from filters.tokens import Tokens, tokenise

COLUMNS: dict[str, str] = {
    "id": "the post's id",
    "created_at": "when it was written",
    "place": "its number in the run, from the first written to the last; counted by `select`",
    "thread": "a hash of its thread's id",
    "author": "a hash of its author's name, null where that is unknown",
    "community": "a hash of its community's name",
    "score": "its votes",
    "text_key": "a hash of its words, null where it has none",
    "words": "how many words it has",
    "bands": "hashes of the bands of its MinHash signature, null for a short text",
    "shingles": "hashes of its pairs of neighbouring words, sorted, null for a short text",
}
"""The columns of the table that rules of the phase RUN judge, and what they are."""

VERDICTS = {"dropped_by": pl.String, "duplicate_of": pl.String}
"""What `select` says of each reply."""

_ALWAYS = ("id", "created_at")
_OF_A_NAME = {"thread": "thread_id", "author": "author", "community": "community"}


def wanted(rules: Iterable[Rule]) -> list[str]:
    """The columns of the table that rules of the phase RUN ask for, `place` left out."""
    asked = {name for rule in rules if rule.judging() is not NOBODY for name in rule.reads()}
    return [name for name in COLUMNS if name in _ALWAYS or (name in asked and name != "place")]


def standing(posts: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    """These columns of the table, a row for each post in the same order.

    Args:
        posts: the replies of a bucket that still stand, in the posts schema.
        columns: what `wanted` gives for the rules.
    """
    table = posts.select(name for name in ("id", "created_at", "score") if name in columns).with_columns(
        **{name: stable_hash(posts[source]) for name, source in _OF_A_NAME.items() if name in columns}
    )
    of_words = [name for name in ("text_key", "words", *SKETCH) if name in columns]
    if of_words:
        parts = [_of_words(tokens, of_words) for tokens in tokenise(posts["text"])]
        table = table.hstack(pl.concat(parts))
    return table.select(columns)


def select(parts: Sequence[pl.DataFrame], rules: Sequence[Rule]) -> pl.DataFrame:
    """The verdicts on a whole run: a row for each of the parts' rows, in the same order, whatever that is.

    Args:
        parts: what `standing` gave for each bucket.
        rules: those of the phase RUN, in their order; each judges what the ones before left.

    Returns:
        `dropped_by`: the name of the rule that drops the reply, null where it is kept; `duplicate_of`: for a copy, the id of the reply that
        was kept in its place (which a later rule may have dropped).
    """
    if not parts:
        return pl.DataFrame(schema=VERDICTS)
    table = pl.concat(parts).with_columns(place=pl.arg_sort_by("created_at", "id", nulls_last=True).arg_sort().cast(pl.UInt32))
    by_place = np.argsort(table["place"].to_numpy())
    left = np.arange(table.height)
    dropped_by = np.full(table.height, len(rules), np.uint8)
    original = np.arange(table.height)
    for number, rule in enumerate(rules):
        if rule.judging() is NOBODY or not len(left):
            continue
        if isinstance(rule, Copies):
            original[left] = by_place[_said(rule.original(), table, left)]
            keeps = original[left] == left
        else:
            keeps = _said(rule.keeps().fill_null(True), table, left)
        dropped_by[left[~keeps]] = number
        left = left[keeps]
    original = first_of_all(original)
    names = pl.Series("dropped_by", [*(rule.name() for rule in rules), None], dtype=pl.String)
    verdicts = pl.DataFrame({"dropped_by": names.gather(dropped_by), "row": np.arange(table.height), "original": original})
    copied = pl.when(pl.col("original") != pl.col("row")).then(pl.lit(table["id"]).gather("original"))
    return verdicts.select("dropped_by", copied.alias("duplicate_of"))


def _said(expression: pl.Expr, table: pl.DataFrame, left: NDArray[np.int64]) -> NDArray[Any]:
    """What an expression says of the replies that are left; only the columns that it asks for are copied."""
    seen = table.select(set(expression.meta.root_names()))
    said = (seen if len(left) == table.height else seen[left]).select(expression).to_series()
    return np.broadcast_to(said.to_numpy(), len(left))


def _of_words(tokens: Tokens, columns: Collection[str]) -> pl.DataFrame:
    table = pl.DataFrame({"text_key": tokens.keys(), "words": tokens.counts()})
    if not SKETCH.keys().isdisjoint(columns):
        table = table.hstack(sketch(tokens))
    return table.select(columns)
