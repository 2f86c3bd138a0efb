"""Judges one bucket of posts: cheap rules on all of them, costly ones on what still stands in a conversation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate import threads
from filters import facts
from filters.catalogue import Filter
from filters.conversation import Turns
from filters.measuring import measures
from filters.rule import CONTEXT, TARGET, Judges, Phase, Rule
from filters.transform import apply_transforms
from filters.verdicts import Verdicts
from formats.rendering.render import NOBODY, Rows

Score = Callable[[Rule, pl.Series], pl.DataFrame]
"""What the scorer of a rule says of texts: a row each, in order."""

LONGEST = 64
"""Turns of a conversation that are looked at where no rule sets a maximum: as many as a sample can show."""


@dataclass
class JudgedBucket:
    """A bucket's posts with all that was found out about them, and the verdicts so far.

    `standing` are the row numbers of the replies to learn that have a turn before them: those of which a sample would be made.
    """

    posts: pl.DataFrame
    verdicts: Verdicts
    standing: Rows


def judge_bucket(posts: pl.DataFrame, chosen: Filter, known: facts.Facts, score: Score) -> JudgedBucket:
    """Lets all but the rules on the whole run judge a bucket.

    The posts come back transformed, with `turns` (Int16) and, for each rule on texts that judged anything, a struct of what its scorer
    said, null where a post was not scored.

    Args:
        posts: all posts of their threads, in the posts schema.
        known: facts of the whole run.
    """
    posts = apply_transforms(posts, [transform for transform in chosen.transforms if not transform.last])
    verdicts = Verdicts.none(chosen.rules, posts.height)
    on_posts = chosen.asked(Phase.POST)
    verdicts.judge(with_measures(posts, on_posts, known), on_posts)
    whole = threads.parents(posts)
    parent = threads.cut(whole, verdicts.context == 0)
    posts = posts.with_columns(pl.Series("turns", threads.turns_up_to(parent).clip(max=np.iinfo(np.int16).max), pl.Int16))
    verdicts.judge(posts, chosen.asked(Phase.CONVERSATION))
    for rule in chosen.asked(Phase.TEXT):
        rows = rows_for(rule.judging(), verdicts, whole, longest(chosen))
        either = np.flatnonzero(np.any(list(rows.values()), axis=0)) if rows else np.empty(0, np.int64)
        if len(either):
            said = score(rule, posts.select("title", "text")[either].select(threads.TURN_TEXT).to_series())
            posts = posts.with_columns(_spread(said, either, posts.height).alias(rule.name()))
            for side, judged in rows.items():
                verdicts.judge(posts, [rule], judged, side)
    return JudgedBucket(posts, verdicts, standing_replies(verdicts, whole))


def with_measures(posts: pl.DataFrame, rules: Sequence[Rule], known: facts.Facts) -> pl.DataFrame:
    """The posts with the measures and facts that the rules ask for."""
    measured = measures.measure(posts, [name for name in measures.needed(rules) if name not in posts.columns])
    return posts.hstack(measured).hstack(known.columns(posts, facts.needed(rules)))


def standing_replies(verdicts: Verdicts, parent: Rows) -> Rows:
    """The rows of the replies to learn that have a turn before them, neither being dropped; `parent` as `threads.parents` gives it."""
    return np.flatnonzero((verdicts.target == 0) & (threads.cut(parent, verdicts.context == 0) != NOBODY))


def rows_for(judging: Judges, verdicts: Verdicts, parent: Rows, longest: int) -> dict[Judges, NDArray[np.bool_]]:
    """By side, the posts that a costly rule is asked about: replies that stand, and the turns before them.

    Args:
        verdicts: of the rules before it.
        parent: as `threads.parents` gives it.
        longest: the turns of a conversation at most.
    """
    replies = standing_replies(verdicts, parent)
    rows = {}
    if TARGET in judging:
        rows[TARGET] = _mask(replies, len(parent))
    if CONTEXT in judging:
        rows[CONTEXT] = turns_before(replies, threads.cut(parent, verdicts.context == 0), longest)
    return rows


def turns_before(replies: Rows, parent: Rows, longest: int) -> NDArray[np.bool_]:
    """The posts that stand before one of the replies, in a conversation of so many turns at most.

    Step by step up from all replies at once: a post that was reached before was reached by fewer steps, so nothing is new above it.
    """
    reached = np.zeros(len(parent), np.bool_)
    last = replies
    for _ in range(longest - 1):
        last = np.unique(parent[last])
        last = last[last != NOBODY]
        last = last[~reached[last]]
        if not len(last):
            break
        reached[last] = True
    return reached


def longest(chosen: Filter) -> int:
    """The turns of a conversation that are looked at."""
    return max([rule.maximum for rule in chosen.rules if isinstance(rule, Turns)], default=LONGEST)


def _mask(rows: Rows, height: int) -> NDArray[np.bool_]:
    mask = np.zeros(height, np.bool_)
    mask[rows] = True
    return mask


def _spread(said: pl.DataFrame, rows: Rows, height: int) -> pl.Series:
    """What was said of some rows as a struct column of the whole table."""
    place = pl.repeat(None, height, dtype=pl.UInt32, eager=True).scatter(rows, pl.int_range(len(rows), dtype=pl.UInt32, eager=True))
    return said.to_struct().gather(place)
