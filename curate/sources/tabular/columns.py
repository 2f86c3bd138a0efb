"""Which column of a table is which of ours: by its name, by well-known synonyms, or as `--map` says."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from curate.posts import POSTS
from formats.errors import UserError

Shape = Literal["threads", "parents", "order", "pairs", "roots"]
"""How the rows of a table hang together.

threads: posts with their thread and the post they answer; parents: the same without the thread, which is the root that the parents lead to;
order: posts of a thread that answer each the one before; pairs: two posts a row, a prompt and its answer; roots: posts that answer none.
"""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "id": ("post_id", "comment_id", "message_id", "utterance_id"),
    "thread_id": ("link_id", "conversation_id", "thread", "topic_id", "topic", "submission_id", "discussion_id", "story_id"),
    "parent_id": ("parent", "reply_to", "reply_to_id", "in_reply_to", "in_reply_to_id", "in_reply_to_status_id", "comment_parent"),
    "text": ("body", "comment", "content", "selftext", "message", "comment_text", "post_text", "answer", "response", "completion"),
    "prompt": ("question", "instruction", "parent_comment"),
    "title": ("subject", "headline"),
    "author": ("user", "username", "user_name", "speaker", "author_name", "poster", "nickname"),
    "author_id": ("author_fullname", "user_id", "speaker_id"),
    "is_submitter": ("is_op",),
    "created_at": ("created_utc", "timestamp", "created", "date", "datetime", "time", "posted_at", "creation_date", "post_date"),
    "edited_at": ("edited", "edited_utc", "updated_at", "last_edit_date"),
    "retrieved_at": ("retrieved_on", "retrieved_utc", "scraped_at"),
    "community": ("subreddit", "forum", "category", "board", "forum_name", "channel"),
    "permalink": (),
    "url": ("link",),
    "flair": ("link_flair_text", "author_flair_text", "tags"),
    "score": ("ups", "points", "likes", "upvotes", "votes"),
    "upvote_ratio": (),
    "num_replies": ("num_comments", "replies", "comment_count", "answer_count"),
    "nsfw": ("over_18", "is_nsfw"),
    "quarantined": ("quarantine", "is_quarantined"),
    "stickied": ("sticky", "pinned"),
    "promoted": ("is_promoted", "is_created_from_ads_ui"),
    "distinguished": (),
    "removal": ("removed_by_category", "removal_reason", "is_removed", "removed", "is_deleted", "deleted"),
}
"""What others call our columns, the likeliest name first. A `prompt` is the text of a post that the row's text answers."""

assert SYNONYMS.keys() <= POSTS.keys() | {"prompt"}

_OURS = {name: ours for ours, others in SYNONYMS.items() for name in (ours, *others)}

_TOLD_APART = ("id", "thread_id", "parent_id", "text", "prompt", "author")
"""Where two columns could be meant, these are asked for; of the others the likeliest is taken."""

_ALIKE = 0.7
"""The similarity (`difflib`) from which a name is proposed for another."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read.

    Args:
        names: by our column's name the name of the table's.
        reddit: whether the ids are Reddit's, whose prefix tells comments from submissions.
    """

    names: Mapping[str, str]
    shape: Shape
    reddit: bool


def match(table: str, found: Sequence[str], asked: Mapping[str, str]) -> Columns:
    """The columns of a table with these names; `asked` goes before what the names say, and an empty name in it leaves a column out.

    Raises:
        UserError: `asked` names a column that is not there, or not ours; it stays open which column a post's text or place in its thread
            is in.
    """
    _check(table, found, asked)
    names = {ours: theirs for ours, theirs in asked.items() if theirs}
    free = [name for name in found if name not in names.values()]
    unclear: dict[str, list[str]] = {}
    for ours in SYNONYMS:
        if ours in asked:
            continue
        candidates = _candidates(ours, free)
        if len(candidates) > 1 and ours in _TOLD_APART and _plain(candidates[0]) != _plain(ours):
            unclear[ours] = candidates
        elif candidates:
            names[ours] = candidates[0]
    shape = _shape(names, asked)
    if shape != "pairs":
        names.pop("prompt", None)
        unclear.pop("prompt", None)
    if unclear or shape is None:
        raise UserError(_unmatched(table, found, names, unclear))
    reddit = any(_plain(names.get(ours, "")) == _plain(theirs) for ours, theirs in _OF_REDDIT)
    return Columns({ours: names[ours] for ours in SYNONYMS if ours in names}, shape, reddit)


_OF_REDDIT = (("thread_id", "link_id"), ("community", "subreddit"), ("text", "selftext"), ("author_id", "author_fullname"))
"""Names that only Reddit's tables have."""


def _plain(name: str) -> str:
    """`parentId`, `Parent ID` and `parent_id` are one name."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _candidates(ours: str, free: Iterable[str]) -> list[str]:
    """The columns that may be ours, the likeliest first."""
    known = [_plain(name) for name in (ours, *SYNONYMS[ours])]
    return sorted((name for name in free if _plain(name) in known), key=lambda name: known.index(_plain(name)))


def _shape(names: Mapping[str, str], asked: Mapping[str, str]) -> Shape | None:
    if "text" not in names and "title" not in names:
        return None
    if asked.get("prompt"):
        return "pairs" if "text" in names else None
    if "parent_id" in names:
        return None if "id" not in names else "threads" if "thread_id" in names else "parents"
    if "thread_id" in names:
        return "order"
    if "prompt" in names:
        return "pairs" if "text" in names else None
    return "roots" if "id" in names and "title" in names else None


def _check(table: str, found: Sequence[str], asked: Mapping[str, str]) -> None:
    for ours, theirs in asked.items():
        if ours not in SYNONYMS:
            near = [_OURS[name] for name in _near([ours], list(_OURS))]
            hint = f"did you mean {near[0]}={theirs}? " if near else ""
            raise UserError(f"--map {ours}={theirs}: posts have no column {ours}; {hint}they have {', '.join(SYNONYMS)}")
        if theirs and theirs not in found:
            near = _near([theirs, ours], found)
            hint = f"did you mean {ours}={near[0]}? " if near else ""
            raise UserError(f"--map {ours}={theirs}: {table} has no column {theirs}; {hint}it has {', '.join(found)}")


def _near(names: Sequence[str], among: Sequence[str]) -> list[str]:
    """Those of `among` that are like one of the names, the most similar first."""
    ratio = {
        other: max(difflib.SequenceMatcher(None, _plain(name), _plain(other)).ratio() for name in names) for other in among if _plain(other)
    }
    return sorted((other for other in ratio if ratio[other] >= _ALIKE), key=lambda other: -ratio[other])


def _unmatched(table: str, found: Sequence[str], names: Mapping[str, str], unclear: Mapping[str, Sequence[str]]) -> str:
    """The error's line: the columns found, what each was taken for, what is needed, and what to add to the command."""
    taken = {theirs: ours for ours, theirs in names.items()}
    open_ = [name for name in found if name not in taken]
    listed = ", ".join(f"{name} ({taken[name]})" if name in taken else name for name in found)
    needs = [f"{ours} is {' or '.join(candidates)}?" for ours, candidates in unclear.items()]
    missing = [] if {"text", "title"} & (names.keys() | unclear.keys()) else ["text"]
    if not {"thread_id", "prompt"} & (names.keys() | unclear.keys()) or "parent_id" in names:
        missing += [ours for ours in ("id", "parent_id") if ours not in names and ours not in unclear]
    if missing:
        other = " (or thread_id; or prompt, for a table of questions and answers)" if "parent_id" in missing else ""
        needs.append(f"still needed: {', '.join(missing)}{other}")
    adds = [f"--map {ours}={_quoted(candidates[0])}" for ours, candidates in unclear.items()]
    for ours in missing:
        near = _near([ours, *SYNONYMS[ours]], open_)
        adds.append(f"--map {ours}={_quoted(near[0]) if near else 'COLUMN'}")
    return f"{table}: cannot tell its columns: found {listed or 'none'}; {'; '.join(needs)}; say it with {' '.join(adds)}"


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.\-]+", name) else f'"{name}"'
