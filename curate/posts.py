"""The one schema of a post, whatever forum it comes from."""

import polars as pl

TIME = pl.Datetime("ms", "UTC")
"""Times have a resolution of one second; Parquet and Polars know no unit coarser than the millisecond."""

REMOVALS = ("none", "author", "moderator", "admin", "legal", "unknown")
"""Who removed a post; `unknown`: removed, but the source does not say by whom."""

POSTS: dict[str, pl.DataType | type[pl.DataType]] = {
    # keys
    "id": pl.String,  # with its prefix: t1_x, t3_x
    "thread_id": pl.String,
    "parent_id": pl.String,  # null: the root of its thread
    "kind": pl.String,  # comment or submission
    # origin
    "source": pl.String,
    "community": pl.String,
    "permalink": pl.String,
    # author
    "author": pl.String,  # null: deleted or unknown
    "author_id": pl.String,
    "is_submitter": pl.Boolean,
    # time
    "created_at": TIME,
    "edited_at": TIME,
    "retrieved_at": TIME,
    # content
    "title": pl.String,
    "text": pl.String,  # HTML-unescaped once
    "url": pl.String,
    "flair": pl.String,  # of a submission its own, of a comment its author's
    # votes
    "score": pl.Int32,  # null: unknown or hidden
    "upvote_ratio": pl.Float32,
    "num_replies": pl.Int32,
    # flags
    "nsfw": pl.Boolean,
    "quarantined": pl.Boolean,  # in a community that shows a warning first
    "stickied": pl.Boolean,
    "promoted": pl.Boolean,
    "distinguished": pl.String,  # as whom its author speaks officially: moderator, admin
    "removal": pl.String,  # one of REMOVALS
    # lineage
    "source_file": pl.String,
    "source_row": pl.Int64,  # counted from 1
}
"""Columns of a posts table, in order. Null means unknown, never false."""
