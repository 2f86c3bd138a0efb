"""Rows of Stack Exchange's `Posts.xml` and `Comments.xml` as posts, and the thread of each."""

import json
import re
from array import array
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import polars as pl

from curate.posts import POSTS, TIME
from curate.sources.reading.xml_rows import Rows
from curate.sources.source import Batch, Reject, Wanted

SOURCE = "stackexchange"

NUMBERS = ("Id", "ParentId", "PostId")
FIELDS = (
    *NUMBERS, "CreationDate", "Score",
    # posts
    "PostTypeId", "Title", "Body", "Tags", "AnswerCount", "CommentCount", "OwnerUserId", "OwnerDisplayName", "LastEditDate", "DeletionDate",
    # comments
    "Text", "UserId", "UserDisplayName",
)  # fmt: skip
"""The attributes that are read."""

QUESTION, ANSWER = "1", "2"
"""Values of `PostTypeId`. The others (wikis and excerpts of tags, nominations, texts of the site) are no part of a conversation."""

LARGEST_ID = 2**32 - 1
"""Ids are held in 4 bytes; the highest, of comments on Stack Overflow, are near 140 million."""

COMMUNITY_USER = "-1"
"""The id of the account `Community`, which the sites themselves post under."""

_NO_THREAD = 0
_EXCERPT = 500

Ids = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Site:
    """A site by its domain, or by what its folder or file is called."""

    domain: str

    @property
    def community(self) -> str:
        """The domain without what sites share: cooking.stackexchange.com is `cooking`."""
        return re.sub(r"(\.stackexchange)?\.(com|net|org)$", "", self.domain)

    @property
    def prefix(self) -> str:
        """How the ids of its posts begin."""
        return f"se_{self.community}_"

    @property
    def address(self) -> str | None:
        """Where its posts can be looked at; unknown for what is no domain."""
        return f"https://{self.domain}" if self.domain.endswith((".com", ".net", ".org")) else None


def table(rows: Rows) -> pl.DataFrame:
    """The well-formed rows as columns: `FIELDS`, all String but `NUMBERS`, which are null where they are no id, and `source_row`."""
    columns = {name: [attributes.get(name) for attributes in rows.attributes] for name in FIELDS}
    records = pl.DataFrame(columns, schema=dict.fromkeys(FIELDS, pl.String))
    numbers = [pl.col(name).cast(pl.Int64, strict=False).alias(name) for name in NUMBERS]
    ids = [pl.when(pl.col(name).is_between(1, LARGEST_ID)).then(name).alias(name) for name in NUMBERS]
    return records.with_columns(*numbers, pl.Series("source_row", rows.numbers, pl.Int64)).with_columns(ids)


def post_batch(rows: Rows, records: pl.DataFrame, site: Site, file: str, wanted: Wanted, told_apart: bool) -> Batch:
    """Rows of Posts.xml: questions and answers with plain text for HTML; the other types are passed over.

    Args:
        told_apart: whether rejects say which file they are of, as the source reads two.
    """
    from curate.sources.reading.html_text import plain_text

    fault = pl.coalesce(
        pl.when(pl.col("PostTypeId").is_null()).then(pl.lit("no PostTypeId")),
        pl.when(~pl.col("PostTypeId").is_in([QUESTION, ANSWER])).then(pl.lit("")),
        pl.when(pl.col("Id").is_null()).then(pl.lit(f"no Id between 1 and {LARGEST_ID}")),
        pl.when((pl.col("PostTypeId") == ANSWER) & pl.col("ParentId").is_null()).then(pl.lit("an answer without its question (ParentId)")),
    )
    question = pl.col("PostTypeId") == QUESTION
    thread = pl.when(question).then("Id").otherwise("ParentId")
    replies = pl.sum_horizontal(_whole("AnswerCount"), _whole("CommentCount"))
    columns = {
        "id": _id(site, "Id"),
        "thread_id": pl.lit(site.prefix) + thread.cast(pl.String),
        "parent_id": pl.when(~question).then(_id(site, "ParentId")),
        "kind": pl.when(question).then(pl.lit("submission")).otherwise(pl.lit("comment")),
        "permalink": _address(site, pl.when(question).then(pl.lit("/q/")).otherwise(pl.lit("/a/")) + pl.col("Id").cast(pl.String)),
        "author": _author("OwnerUserId", "OwnerDisplayName"),
        "author_id": pl.col("OwnerUserId"),
        "edited_at": _time("LastEditDate"),
        "title": pl.when(question).then(pl.col("Title").str.strip_chars()),
        "text": pl.col("Body"),
        "flair": pl.when(pl.col("Tags").str.contains(r"[^<>|]")).then(pl.col("Tags").str.extract_all(r"[^<>|]+").list.join(", ")),
        "num_replies": pl.when(pl.any_horizontal(pl.col("AnswerCount", "CommentCount").is_not_null())).then(replies),
        "removal": pl.when(pl.col("DeletionDate").is_null()).then(pl.lit("none")).otherwise(pl.lit("unknown")),
    }
    faults = records.select(fault.alias("fault")).to_series()
    posts = _posts(records.filter(faults.is_null()), columns, site, file).filter(wanted.keeps())
    texts = [None if html is None else plain_text(html) for html in posts["text"]]
    return _batch(rows, faults, posts.with_columns(pl.Series("text", texts, pl.String)), file if told_apart else None)


def comment_batch(rows: Rows, records: pl.DataFrame, site: Site, file: str, wanted: Wanted, told_apart: bool) -> Batch:
    """Rows of Comments.xml with their `Thread`; those on neither question nor answer are passed over.

    Their text is Markdown, as it was typed.
    """
    fault = pl.coalesce(
        pl.when(pl.col("Id").is_null()).then(pl.lit(f"no Id between 1 and {LARGEST_ID}")),
        pl.when(pl.col("PostId").is_null()).then(pl.lit("a comment without its post (PostId)")),
        pl.when(pl.col("Thread").is_null()).then(pl.lit("Posts.xml holds no post ") + pl.col("PostId").cast(pl.String)),
        pl.when(pl.col("Thread") == _NO_THREAD).then(pl.lit("")),
    )
    place = pl.lit("/questions/") + pl.col("Thread").cast(pl.String) + pl.format("#comment{}_{}", "Id", "PostId")
    columns = {
        "id": pl.lit(f"{site.prefix}c") + pl.col("Id").cast(pl.String),
        "thread_id": _id(site, "Thread"),
        "parent_id": _id(site, "PostId"),
        "kind": pl.lit("comment"),
        "permalink": _address(site, place),
        "author": _author("UserId", "UserDisplayName"),
        "author_id": pl.col("UserId"),
        # long words hold a zero-width non-joiner and a zero-width space, where a browser may break them
        "text": pl.col("Text").str.replace_all("[\u200b\u200c]", "").str.strip_chars(),
        "removal": pl.lit("none"),
    }
    faults = records.select(fault.alias("fault")).to_series()
    posts = _posts(records.filter(faults.is_null()), columns, site, file).filter(wanted.keeps())
    return _batch(rows, faults, posts, file if told_apart else None)


def _posts(records: pl.DataFrame, columns: dict[str, pl.Expr], site: Site, file: str) -> pl.DataFrame:
    shared = {
        "source": pl.lit(SOURCE),
        "community": pl.lit(site.community),
        "created_at": _time("CreationDate"),
        "score": _whole("Score"),
        "source_file": pl.lit(file),
        "source_row": pl.col("source_row"),
    }
    found = shared | columns
    return records.select(found.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in POSTS.items())


def _batch(rows: Rows, faults: pl.Series, posts: pl.DataFrame, file: str | None) -> Batch:
    """A batch whose rows are posts, rejects by their fault, or passed over."""
    refused = [
        Reject(number, fault, json.dumps(attributes, ensure_ascii=False)[:_EXCERPT])
        for number, fault, attributes in zip(rows.numbers, faults, rows.attributes, strict=True)
        if fault
    ]
    rejects = sorted([*rows.rejects, *refused], key=lambda reject: reject.row)
    if file is not None:
        rejects = [Reject(reject.row, f"{PurePosixPath(file).name}: {reject.reason}", reject.line) for reject in rejects]
    return Batch(rows.count, posts, rejects, rows.count - posts.height - len(rejects))


def _id(site: Site, number: str) -> pl.Expr:
    return pl.lit(site.prefix) + pl.col(number).cast(pl.String)


def _address(site: Site, path: pl.Expr) -> pl.Expr:
    return pl.lit(None) if site.address is None else pl.lit(site.address) + path


def _author(user: str, name: str) -> pl.Expr:
    known = pl.when(pl.col(user) == COMMUNITY_USER).then(pl.lit("Community")).when(pl.col(user) != "").then(pl.lit("user") + pl.col(user))
    return pl.coalesce(known, pl.when(pl.col(name) != "").then(name))


def _time(name: str) -> pl.Expr:
    """A time of the form 2009-03-05T22:28:34.823, which is UTC, without its fraction; anything else is null."""
    whole = pl.col(name).str.slice(0, 19).str.strptime(pl.Datetime("ms"), "%Y-%m-%dT%H:%M:%S", strict=False)
    return whole.dt.replace_time_zone("UTC").cast(TIME)


def _whole(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int32, strict=False)


@dataclass(frozen=True)
class ThreadOfPost:
    """The thread of each post, by the post's id in ascending order; 0 for what is neither question nor answer."""

    posts: Ids
    threads: Ids

    def join(self, comments: pl.DataFrame) -> pl.DataFrame:
        """The comments with the column `Thread`; null where their post is unknown."""
        wanted = comments["PostId"].fill_null(0).cast(pl.UInt32).to_numpy()  # of the type of `posts`, which would be converted else
        if not self.posts.size:
            return comments.with_columns(pl.lit(None, pl.Int64).alias("Thread"))
        at = np.minimum(np.searchsorted(self.posts, wanted), self.posts.size - 1)
        threads = pl.Series(self.threads[at].astype(np.int64))
        return comments.with_columns(pl.when(pl.Series(self.posts[at] == wanted)).then(threads).alias("Thread"))


@dataclass(frozen=True)
class Threads:
    """Gathers the thread of each post while the posts stream by, in 8 bytes a post."""

    posts: "array[int]" = field(default_factory=lambda: array("I"))
    threads: "array[int]" = field(default_factory=lambda: array("I"))

    def add(self, records: pl.DataFrame) -> None:
        """Takes the posts of a table; those without an id are rejects, which no comment can be on."""
        kind = pl.col("PostTypeId")
        thread = pl.when(kind == QUESTION).then("Id").when(kind == ANSWER).then("ParentId").otherwise(None)
        known = records.filter(pl.col("Id").is_not_null()).select("Id", thread.fill_null(_NO_THREAD).alias("Thread")).cast(pl.UInt32)
        self.posts.frombytes(known["Id"].to_numpy().tobytes())
        self.threads.frombytes(known["Thread"].to_numpy().tobytes())

    def sorted(self) -> ThreadOfPost:
        """All that were gathered; no more can be added then."""
        posts, threads = np.frombuffer(self.posts, np.uint32), np.frombuffer(self.threads, np.uint32)
        if (posts[1:] < posts[:-1]).any():  # dumps are in the order of ids, so that this is rare
            order = np.argsort(posts, kind="stable")
            posts, threads = posts[order], threads[order]
        return ThreadOfPost(posts, threads)
