"""A post of Discourse as a post of ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from curate.sources.fetching.rest import epoch
from curate.sources.reading.html_text import plain_text

SOURCE = "discourse"

_LIKE = 2
"""The number of the action `like` in `actions_summary`, which leaves out actions that nobody took."""

_QUOTE = re.compile(r"\[quote(?:=[^\]\n]*)?\]|\[/quote\]", re.IGNORECASE)
_IMAGE = re.compile(r"!\[([^\]|\n]*)(?:\|[^\]\n]*)?\]\(upload://[^)\n]*\)")
"""An uploaded image, whose alternative text may be followed by its size."""


@dataclass(frozen=True)
class Topic:
    """What the posts of a topic share."""

    id: int
    base: str
    site: str
    community: str
    slug: str
    title: str
    flair: str | None
    url: str | None
    opener: int | None
    replies: int | None
    pinned: bool

    @classmethod
    def read(cls, answer: dict[str, Any], base: str, category: str) -> "Topic":
        """A topic as `/t/ID.json` has it."""
        # A forum can lie in a folder of its host, beside others.
        site = urlsplit(base).netloc + urlsplit(base).path
        tags = [tag["name"] if isinstance(tag, dict) else str(tag) for tag in answer.get("tags") or ()]
        posts = answer.get("posts_count")
        return cls(
            id=answer["id"],
            base=base,
            site=site,
            community=f"{site}/{category}",
            slug=answer.get("slug") or "-",
            title=answer["title"],
            flair=", ".join(tags) or None,
            url=answer.get("featured_link"),
            opener=answer.get("user_id"),
            replies=posts - 1 if posts else None,
            pinned=bool(answer.get("pinned") or answer.get("pinned_globally")),
        )

    @property
    def thread(self) -> str:
        """The id of the thread."""
        return f"dc_{self.site}_t{self.id}"


def row(post: dict[str, Any], topic: Topic, numbers: Mapping[int, int], now: int) -> dict[str, Any]:
    """A post by the names of the posts schema.

    Args:
        numbers: the ids of the topic's posts so far, by their numbers in the topic.
        now: the second in which it was fetched.
    """
    number = post["post_number"]
    root = number == 1
    created, updated = epoch(post.get("created_at")), epoch(post.get("updated_at"))
    author = post.get("username") or None
    return {
        "id": f"dc_{topic.site}_{post['id']}",
        "thread_id": topic.thread,
        "parent_id": None if root else _parent(post.get("reply_to_post_number") or 1, topic, numbers),
        "kind": "submission" if root else "comment",
        "source": SOURCE,
        "community": topic.community,
        "permalink": f"{topic.base}/t/{topic.slug}/{topic.id}/{number}",
        "author": author,
        "author_id": str(post["user_id"]) if post.get("user_id") else None,
        "is_submitter": post.get("user_id") == topic.opener if not root and topic.opener is not None else None,
        "created_at": created,
        "edited_at": updated if (post.get("version") or 1) > 1 else None,
        "retrieved_at": now,
        "title": topic.title if root else None,
        "text": _text(post),
        "url": topic.url if root else None,
        "flair": topic.flair if root else None,
        "score": _score(post),
        "num_replies": topic.replies if root else post.get("reply_count"),
        "stickied": topic.pinned if root else None,
        "distinguished": "admin" if post.get("admin") else "moderator" if post.get("moderator") or post.get("staff") else None,
        "removal": _removal(post),
    }


def _parent(number: int, topic: Topic, numbers: Mapping[int, int]) -> str:
    """The post that is answered. One that is not shown (deleted, or a whisper) keeps a name of its own: its answers are nobody else's."""
    return f"dc_{topic.site}_{numbers[number]}" if number in numbers else f"{topic.thread}.{number}"


def _text(post: dict[str, Any]) -> str:
    """The Markdown that was written where the forum gives it, else the text of the HTML."""
    raw = post.get("raw")
    return _plain_markdown(raw) if raw else plain_text(post.get("cooked") or "")


def _plain_markdown(raw: str) -> str:
    """Markdown without what is Discourse's own: quotes begin with `> ` on each line, uploaded images are their alternative text."""
    lines: list[str] = []
    depth = 0
    for line in _IMAGE.sub(r"\1", raw.replace("\r\n", "\n")).split("\n"):
        end = 0
        for tag in _QUOTE.finditer(line):
            lines += _quoted(line[end : tag.start()].strip(), depth) if line[end : tag.start()].strip() else []
            depth = max(0, depth - 1) if tag[0][1] == "/" else min(depth + 1, 8)
            end = tag.end()
        if not end or line[end:].strip():
            lines += _quoted(line[end:] if not end else line[end:].strip(), depth)
    return "\n".join(lines).strip("\n")


def _quoted(line: str, depth: int) -> list[str]:
    return [("> " * depth + line).rstrip()]


def _score(post: dict[str, Any]) -> int | None:
    """How many liked it: with the plugin for reactions, how many reacted."""
    if isinstance(post.get("reaction_users_count"), int):
        return int(post["reaction_users_count"])
    if "actions_summary" not in post:
        return None
    return next((int(action.get("count") or 0) for action in post["actions_summary"] if action.get("id") == _LIKE), 0)


def _removal(post: dict[str, Any]) -> str:
    if post.get("user_deleted"):
        return "author"
    return "moderator" if post.get("deleted_at") or post.get("hidden") else "none"
