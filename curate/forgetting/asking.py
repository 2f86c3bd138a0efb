"""Asks a source which posts of a store still stand there, and keeps its answers, so that a stopped asking goes on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import polars as pl

from curate import store
from curate.engine import Progress
from curate.sources.fetching.patience import Patience
from formats.errors import UserError

ASKED = ("reddit",)
"""The sources that can be asked."""

HOLD_S = 48 * 3600
"""How old the last answer of a stopped asking may be for it to go on: what stood then may be gone now."""

MANY = 20
"""From how many posts on more than half of them may not be gone without a second look. Fewer may be a thread that was removed."""

_REDDIT_ID = "^t[13]_[0-9a-z]+$"
_HELD_OF = {"reddit": ("reddit", "convokit")}
"""By a source the sources whose posts are its own: a corpus of ConvoKit holds Reddit's with their ids."""


@dataclass(frozen=True)
class Asked:
    """What a source was asked, and which of that is gone.

    Args:
        asked: posts that it was asked about.
        others: posts that it was not asked about, as it cannot know them.
    """

    gone: tuple[str, ...] = ()
    asked: int = 0
    others: int = 0

    def is_suspicious(self) -> bool:
        """Whether so much is gone that the source may be what is wrong."""
        return bool(self.gone) and (len(self.gone) == self.asked or (self.asked >= MANY and 2 * len(self.gone) > self.asked))


def ask_source(source: str, posts: Path, answers: Path, patience: Patience, site: str | None, progress: Progress) -> Asked:
    """Asks which posts of a store still stand. Where most are gone, it is asked about those once more.

    Args:
        answers: the file in which the answers are kept; it stays.
        site: the section of praw.ini with the credentials.

    Raises:
        UserError: this source cannot be asked, or does not answer this, or the credentials are missing or refused.
        SourceDownError: it did not answer for long.
    """
    if source not in ASKED:
        raise UserError(f"no source {source!r} can be asked which posts still stand; known: {', '.join(ASKED)}")
    from curate.sources.reddit_api import existing

    known = _kept(answers)
    own, others = _posts_of(source, posts)

    def ask(names: Sequence[str], file: TextIO) -> Asked:
        done = len(own) - len(names)
        for asked, there in existing(names, patience, site) if names else ():
            answered = {name: "there" if name in there else "gone" for name in asked}
            file.writelines(f"{name} {state}\n" for name, state in answered.items())
            file.flush()
            known.update(answered)
            done += len(asked)
            progress(f"ask {source}", done, len(own))
        return Asked(tuple(name for name in own if known[name] == "gone"), len(own), others)

    with answers.open("a", encoding="utf-8") as file:
        file.write("\n")  # ends a line that a kill cut off
        found = ask([name for name in own if name not in known], file)
        return ask(found.gone, file) if found.is_suspicious() else found


def _posts_of(source: str, posts: Path) -> tuple[list[str], int]:
    """The ids of a source's posts, and how many other posts there are, of sources or with ids that it cannot know."""
    found = [pl.Series("id", [], pl.String)]
    others = 0
    for bucket in store.bucket_numbers(posts):
        rows = store.read_bucket(posts, bucket, ["id", "source"])
        own = rows.filter(pl.col("source").is_in(_HELD_OF[source]) & pl.col("id").str.contains(_REDDIT_ID))["id"]
        found.append(own)
        others += rows.height - len(own)
    return pl.concat(found).unique(maintain_order=True).to_list(), others


def _kept(answers: Path) -> dict[str, str]:
    """The answers by id; none where the last is too old, and then the file goes."""
    if not answers.exists() or time.time() - answers.stat().st_mtime > HOLD_S:
        answers.unlink(missing_ok=True)
        return {}
    lines = (line.split() for line in answers.read_text(encoding="utf-8").split("\n"))
    return {words[0]: words[1] for words in lines if len(words) == 2 and words[1] in ("there", "gone")}
