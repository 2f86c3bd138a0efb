"""Threads that are about one and the same submission: crossposts, links to one page, and texts that were posted twice, or nearly so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from curate import store
from curate.splitting.addresses import page_at, thread_at
from curate.splitting.alike import BEGINNING, NEAR, Index, WordPairs

MOST_ALIKE = 100
"""Threads with one text or page, up to which they are about one submission. More are a habit: a form that a bot fills in, a page that
everybody links to. Together, they could be most of a forum. What tells a thread by its address holds for any number of crossposts. (Samples
that answer a form in one split are left out where it is known from another: see `near_copies`.)"""

LONG_TEXT, LONG_ENOUGH = 100, 40
"""Letters and digits from which on a self-text, or a title with its self-text, is no coincidence. Of 8,753 submissions to a college forum
58 share their self-text, but for one pair (a questionnaire by two) each with others by its own author, and half of them under another
title; while 293 share their title, most of them in a word or two."""

_LETTERS = 128
_READ_TO = 2 * _LETTERS
"""Letters by which texts are compared, and characters they are looked for in: what is posted again often ends in an edit."""

_NO_LETTERS = r"[^\p{L}\p{N}]+"
_TEXT = pl.col("text").fill_null("").str.head(BEGINNING)
_WITH_TITLE = pl.concat_str(pl.col("title").fill_null(""), pl.lit(" "), _TEXT)
_SAID = pl.when(_TEXT.str.count_matches(r"\S+") < 2 * NEAR.words).then(_WITH_TITLE).otherwise(_TEXT)
"""What near copies are looked for in: the self-text, of a short one the title with it."""

_COLUMNS = ("thread_id", "url", "permalink", "title", "text")
_SIGNS = {"thread_id": pl.String, "sign": pl.UInt64}
_LINKS = {"thread_id": pl.String, "other": pl.String}
_GROUPS = {"thread_id": pl.String, "group": pl.String}


@dataclass(frozen=True)
class Related:
    """Threads that have others like them.

    Args:
        threads: `thread_id` and its `group`, the least of the ids in it; a row also for a thread that others lead to and that is not there.
    """

    threads: pl.DataFrame

    @cached_property
    def sizes(self) -> pl.Series:
        """How many threads each group has, the largest first."""
        return self.threads.group_by("group").len().sort("len", "group", descending=[True, False])["len"]

    def group_of(self, threads: pl.Series) -> pl.Series:
        """The group of each thread id, which is the id itself for a thread without others."""
        if self.threads.is_empty():
            return threads
        return threads.replace(self.threads["thread_id"], self.threads["group"])


@dataclass(frozen=True)
class Signs:
    """What some submissions tell of other threads.

    Args:
        links: `thread_id` and `other`, where a submission leads to another thread of Reddit's.
        shared: `thread_id` and `sign`, UInt64, a row for each page that it is at or leads to and for what its text begins with.
        threads: ids of those whose text has enough words to be nearly another's.
        texts: the pairs of words of those texts, some 4 bytes for a word: no more than 1 kB for a thread.
    """

    links: pl.DataFrame
    shared: pl.DataFrame
    threads: pl.Series
    texts: WordPairs


def read_signs(judged: Path, bucket: int) -> Signs:
    """What the submissions of a bucket tell of other threads: see `signs`. Of its posts, only they are read."""
    parts = sorted(store.bucket_folder(judged, bucket).glob("*.parquet"))
    posts = pl.scan_parquet(parts, hive_partitioning=False, glob=False)
    return signs(posts.filter(pl.col("parent_id").is_null()).select(_COLUMNS).collect())


def signs(submissions: pl.DataFrame) -> Signs:
    """The threads that submissions lead to, and what they have in common with others.

    Links inside a self-text lead nowhere here: of a thread that everybody cites, each citation would make a group of the whole forum.

    Args:
        submissions: with the columns thread_id, url, permalink, title, text; all may be null but the first.
    """
    links = submissions.select("thread_id", thread_at(pl.col("url")).alias("other")).filter(pl.col("other") != pl.col("thread_id"))
    pages = [
        submissions.filter(thread_at(pl.col(name)).is_null()).select("thread_id", page_at(pl.col(name)).alias("told"))
        for name in ("url", "permalink")
    ]
    kinds = [pl.concat(pages), _beginnings(submissions)]
    found = [kind.drop_nulls().select("thread_id", pl.col("told").hash(seed).alias("sign")) for seed, kind in enumerate(kinds)]
    texts = WordPairs.of_texts(submissions.select(_SAID).to_series())
    long = np.flatnonzero(texts.sizes)
    return Signs(links, pl.concat(found).unique(), submissions["thread_id"].gather(long), texts.take(long))


def relate(found: Iterable[Signs]) -> Related:
    """The groups by what was read of all buckets, in whatever order."""
    tables = list(found)
    links = pl.concat([pl.DataFrame(schema=_LINKS), *(table.links for table in tables)])
    shared = pl.concat([pl.DataFrame(schema=_SIGNS), *(table.shared for table in tables)]).unique()
    alike = shared.filter(pl.len().over("sign").is_between(2, MOST_ALIKE))
    same = alike.select("thread_id", pl.col("thread_id").min().over("sign").alias("other"))
    pairs = pl.concat([links, same, _nearly_same(tables)]).filter(pl.col("thread_id") != pl.col("other"))
    return Related(_connected(pairs.iter_rows()))


def _nearly_same(tables: Sequence[Signs]) -> pl.DataFrame:
    """`thread_id` and `other` of threads whose texts are near copies, or near copies of near copies; but not of more than `MOST_ALIKE`."""
    threads = pl.concat([pl.Series(dtype=pl.String), *(table.threads for table in tables)])
    texts = WordPairs.concat([table.texts for table in tables])
    one, other = Index(texts).among(MOST_ALIKE)
    tied = _connected(zip(threads.gather(one), threads.gather(other), strict=True))
    return tied.filter(pl.len().over("group") <= MOST_ALIKE).rename({"group": "other"})


def _beginnings(submissions: pl.DataFrame) -> pl.DataFrame:
    """What submissions begin with, where it is long enough: their self-text or, where that is short, title and self-text."""
    texts = submissions.select("thread_id", "title", _letters("text").alias("told"))
    long = texts["told"].str.len_chars() >= LONG_TEXT
    short = texts.filter(~long).select("thread_id", pl.concat_str(_letters("title"), pl.lit(" "), "told").alias("told"))
    return pl.concat([texts.filter(long).drop("title"), short.filter(pl.col("told").str.len_chars() > LONG_ENOUGH)])


def _letters(name: str) -> pl.Expr:
    """The first letters and digits of a text."""
    beginning = pl.col(name).fill_null("").str.head(_READ_TO)
    return beginning.str.to_lowercase().str.replace_all(_NO_LETTERS, "").str.head(_LETTERS)


def _connected(pairs: Iterable[tuple[str, str]]) -> pl.DataFrame:
    """The connected components of a graph, by their least member (union-find: Tarjan 1975)."""
    above: dict[str, str] = {}

    def top(thread: str) -> str:
        while (higher := above.setdefault(thread, thread)) != thread:
            above[thread] = thread = above[higher]
        return thread

    for pair in pairs:
        least, other = sorted(map(top, pair))
        above[other] = least
    return pl.DataFrame([(thread, top(thread)) for thread in sorted(above)], schema=_GROUPS, orient="row")
