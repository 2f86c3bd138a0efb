"""Facts of a whole run that rules judge single posts by: surveyed bucket by bucket, merged, and given back as columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from filters.rule import Phase, Rule

FACTS = {
    "newest_at": "when the newest post of the run was written; the same in every row",
    "identical_share": "the share of its author's posts in the run that begin with the same characters; null where there are too few, "
    "and at times a little too small in a store of several buckets",
}
"""The columns that a rule of the first phase may read besides a post's own, and what each says."""

SURVEYED = ("author", "created_at", "title", "text", "removal")
"""The columns of posts that a survey reads."""

BEGINNING = 24
"""Characters by which two posts are told apart. Bots fill in forms, so that their whole texts differ by a name or a number: of the 3,096
authors with ten posts of a college forum 5 wrote nothing else by eye, one of them the same text twice; their beginnings tell all 5."""

FEWEST_POSTS = 10
"""Of an author, from which on the share of those that begin alike says something."""

SINGLES = 4
"""Texts that a survey remembers of an author though each stands there once."""

_TIME = pl.Datetime("ms", "UTC")
_SURVEY = pl.Schema({"author": pl.UInt64(), "text": pl.UInt64(), "posts": pl.UInt32(), "newest_at": _TIME})
_MERGE_FROM = 1_000_000


@dataclass(frozen=True)
class Facts:
    """The facts of a run.

    Args:
        newest: when its newest post was written; None where no post has a date.
        shares: by hash of the name (`author`), the `identical_share` of the authors with at least `FEWEST_POSTS` posts.
    """

    newest: datetime | None
    shares: pl.DataFrame

    def columns(self, posts: pl.DataFrame, wanted: Sequence[str]) -> pl.DataFrame:
        """These facts, names of `FACTS`, as columns in the rows and the order of the posts."""
        found = {}
        if "newest_at" in wanted:
            found["newest_at"] = pl.repeat(self.newest, posts.height, dtype=_TIME, eager=True)
        if "identical_share" in wanted:
            authors = posts.select(_hash("author"))
            found["identical_share"] = authors.join(self.shares, on="author", how="left", maintain_order="left")["identical_share"]
        return pl.DataFrame([found[name].alias(name) for name in wanted])


def needed(rules: Iterable[Rule]) -> list[str]:
    """The facts that the rules of the first phase read, in the order of `FACTS`."""
    read = {name for rule in rules if rule.phase is Phase.POST for name in rule.reads()}
    return [name for name in FACTS if name in read]


def survey(posts: pl.DataFrame) -> pl.DataFrame:
    """What the facts need to know of a bucket: a small table, to be kept until all buckets are surveyed.

    The rows with an `author` (the hash of the name) count `posts` that begin with one `text` (the hash of its beginning), or, where that is
    null, with texts that stand there once each; the row without one holds the newest date. Hashes are Polars's: the same in every process
    of one version of it, so a table must not be merged with those of another. Posts that are removed or blank are not counted; where only
    the text is blank, the title is taken for it.

    Args:
        posts: with the columns `SURVEYED`.
    """
    content = pl.when(pl.col("text") != "").then(pl.col("text")).otherwise(pl.col("title"))
    counted = pl.col("author").is_not_null() & (content != "") & (pl.col("removal") == "none").fill_null(True)
    beginnings = posts.lazy().filter(counted).select(_hash("author"), content.str.head(BEGINNING).hash().alias("text"))
    pairs = beginnings.group_by("author", "text").agg(pl.len().cast(pl.UInt32).alias("posts")).collect()
    newest = pl.DataFrame({"newest_at": [posts["created_at"].max()]}, {"newest_at": _TIME})
    return pl.concat([_reduced(pairs), newest], how="diagonal").select(pl.col(name).cast(dtype) for name, dtype in _SURVEY.items())


def facts(surveys: Iterable[pl.DataFrame]) -> Facts:
    """The facts of the buckets surveyed, in memory for each author and for each text that an author repeats, not for each post.

    The shares of a run of one bucket are exact. Else a text counts for too little by one for each bucket in which it stands once, and at
    least `SINGLES` others of its author do; never for too much. A `share` is thus found as no less than share - (1 - share) / `SINGLES`.
    """
    merged = pl.DataFrame(schema=_SURVEY)
    waiting = [merged]
    for found in surveys:
        waiting.append(found)
        if sum(table.height for table in waiting) > max(_MERGE_FROM, 2 * merged.height):
            merged = _merged(waiting)
            waiting = [merged]
    merged = _merged(waiting)
    newest = merged["newest_at"].max()
    most = pl.col("posts").filter(pl.col("text").is_not_null()).max().fill_null(1)
    authors = merged.filter(pl.col("author").is_not_null()).group_by("author").agg(pl.col("posts").sum().alias("all"), most.alias("most"))
    share = (pl.col("most") / pl.col("all")).cast(pl.Float32).alias("identical_share")
    shares = authors.filter(pl.col("all") >= FEWEST_POSTS).select("author", share)
    return Facts(newest if isinstance(newest, datetime) else None, shares)


def _merged(surveys: Sequence[pl.DataFrame]) -> pl.DataFrame:
    together = pl.concat(surveys)
    newest = together.select(pl.col("newest_at").max())
    pairs = together.filter(pl.col("author").is_not_null()).group_by("author", "text").agg(pl.col("posts").sum())
    return pl.concat([_reduced(pairs), newest], how="diagonal").select(_SURVEY.names())


def _reduced(pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs of author and text, those that stand once taken together for an author with more than `SINGLES` of them."""
    many = pairs.lazy().filter(pl.col("posts") == 1).group_by("author").agg(once=pl.len()).filter(pl.col("once") > SINGLES)
    kept = pairs.lazy().join(many, on="author", how="left").filter((pl.col("posts") > 1) | pl.col("once").is_null())
    together = many.select("author", pl.lit(None, pl.UInt64).alias("text"), pl.col("once").alias("posts").cast(pl.UInt32))
    return pl.concat([kept.select(together.collect_schema().names()), together]).collect()


def _hash(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash())
