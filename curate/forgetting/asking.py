"""Asks a source which posts of a store still stand there, and keeps its answers, so that a stopped asking goes on."""

import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from curate import store
from curate.engine import Progress
from curate.sources.fetching.patience import Patience
from formats.errors import UserError

ASKED = ("reddit",)
"""The sources that can be asked."""

HOLD_S = 48 * 3600
"""How old the last answer of a stopped asking may be for it to go on: what stood then may be gone now."""

_REDDIT_ID = "^t[13]_[0-9a-z]+$"


def ask_source(source: str, posts: Path, answers: Path, patience: Patience, site: str | None, progress: Progress) -> tuple[list[str], int]:
    """The posts of a store that no longer stand at their source, and how many were asked for.

    Args:
        answers: the file in which the answers are kept; it stays.
        site: the section of praw.ini with the credentials.

    Raises:
        UserError: this source cannot be asked, or the credentials are missing or refused.
        SourceDownError: it did not answer for long.
    """
    if source not in ASKED:
        raise UserError(f"no source {source!r} can be asked which posts still stand; known: {', '.join(ASKED)}")
    from curate.sources.reddit_api import existing

    known = _kept(answers)
    own = _posts_of(source, posts)
    left = [name for name in own if name not in known]
    done = len(own) - len(left)
    with answers.open("a", encoding="utf-8") as file:
        file.write("\n")  # ends a line that a kill cut off
        for asked, there in existing(left, patience, site) if left else ():
            answered = {name: "there" if name in there else "gone" for name in asked}
            file.writelines(f"{name} {state}\n" for name, state in answered.items())
            file.flush()
            known |= answered
            done += len(asked)
            progress(f"ask {source}", done, len(own))
    return [name for name in own if known[name] == "gone"], len(own)


def _posts_of(source: str, posts: Path) -> Sequence[str]:
    """The ids of a source's posts; a table's own ids, which the source cannot know, are not among them."""
    found = [pl.Series("id", [], pl.String)]
    for bucket in store.bucket_numbers(posts):
        rows = store.read_bucket(posts, bucket, ["id", "source"])
        found.append(rows.filter((pl.col("source") == source) & pl.col("id").str.contains(_REDDIT_ID))["id"])
    return pl.concat(found).unique(maintain_order=True).to_list()


def _kept(answers: Path) -> dict[str, str]:
    """The answers by id; none where the last is too old, and then the file goes."""
    if not answers.exists() or time.time() - answers.stat().st_mtime > HOLD_S:
        answers.unlink(missing_ok=True)
        return {}
    lines = (line.split() for line in answers.read_text(encoding="utf-8").split("\n"))
    return {words[0]: words[1] for words in lines if len(words) == 2 and words[1] in ("there", "gone")}
