"""Builds the sample forum's dump files from its threads, in the format and with the window of Reddit's archives.

    python sample_data/build.py

The texts in `threads/` are the source; ids, times and the order of lines are made here, the same on every machine.
"""

import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

HERE = Path(__file__).parent
FORUM = "KettleCourt"
WINDOW_LOG = 31
FIRST_THREAD, LAST_THREAD = 1_700_000_000, 1_730_000_000  # November 2023 to October 2024
OLD_THREAD = 1_300_000_000  # March 2011
RETRIEVED = 1_735_689_600  # January 2025
MALFORMED_EVERY = 211

COMMENT = re.compile(r"^(\+{1,8}) (\S+), (-?\d+|null|hidden)(?: \[([^\]]+)\])?$")
BYLINE = re.compile(r"^by (\S+), (-?\d+), (\S+)(?: \[([^\]]+)\])?$")


@dataclass
class Post:
    """A submission (depth 0) or comment as it stands in `threads/`."""

    depth: int
    author: str
    score: str
    flags: dict[str, str]
    title: str = ""
    flair: str = "-"
    lines: list[str] = field(default_factory=list)
    id: str = ""
    created: int = 0

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


def read_threads(text: str) -> list[list[Post]]:
    """Threads of a file: each a list of posts, the submission first, every comment after its parent."""
    threads: list[list[Post]] = []
    title = ""
    for number, line in enumerate(text.split("\n"), start=1):
        comment, byline = COMMENT.match(line), BYLINE.match(line)
        if line.startswith("== "):
            title = line.removeprefix("== ")
        elif byline and title:
            threads.append([Post(0, byline[1], byline[2], _flags(byline[4]), title, byline[3])])
            title = ""
        elif comment:
            threads[-1].append(Post(len(comment[1]), comment[2], comment[3], _flags(comment[4])))
        elif line.startswith(("+", "==")) or title:
            raise ValueError(f"line {number}: neither a header nor text: {line!r}")
        elif threads:
            threads[-1][-1].lines.append(line)
    return threads


def build() -> tuple[list[str], list[str]]:
    """The lines of the comments dump and of the submissions dump, malformed ones included."""
    dice = random.Random(20_240_229)
    threads = [thread for path in sorted((HERE / "threads").glob("0*.txt")) for thread in read_threads(path.read_text("utf-8"))]
    step = (LAST_THREAD - FIRST_THREAD) // len(threads)
    comments: list[tuple[int, dict[str, Any]]] = []
    submissions: list[tuple[int, dict[str, Any]]] = []
    for number, thread in enumerate(threads):
        root = thread[0]
        root.id = _base36(0x1AB000 + 7_919 * number)
        root.created = (OLD_THREAD if "old" in root.flags else FIRST_THREAD) + step * number + dice.randrange(step // 2)
        chain = [root]
        for post in thread[1:]:
            del chain[post.depth :]
            post.id = _base36(0x2_0000_0000 + dice.randrange(2**31))
            post.created = chain[-1].created + dice.randrange(90, 4 * 3600)
            comments.append((post.created, _comment(post, chain[-1], root)))
            chain.append(post)
        submissions.append((root.created, _submission(root, len(thread) - 1)))
    lines = [json.dumps(record, ensure_ascii=False) for _, record in sorted(comments, key=lambda pair: pair[0])]
    malformed = (HERE / "threads" / "malformed.txt").read_text("utf-8").rstrip("\n").split("\n")
    for number, line in enumerate(malformed, start=1):
        lines.insert(number * MALFORMED_EVERY, line)
    return lines, [json.dumps(record, ensure_ascii=False) for _, record in sorted(submissions, key=lambda pair: pair[0])]


def compress(lines: list[str]) -> bytes:
    """One Zstandard frame with the archives' window of 2 GiB and, as there, without its size in the header."""
    parameters = zstandard.ZstdCompressionParameters(window_log=WINDOW_LOG, compression_level=19, write_content_size=False)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress("".join(line + "\n" for line in lines).encode()) + stream.flush()


def _comment(post: Post, parent: Post, root: Post) -> dict[str, Any]:
    created: int | float | str = post.created
    if post.flags.get("at") == "string":
        created = str(post.created)
    elif post.flags.get("at") == "float":
        created = float(post.created)
    parent_id: str | int = ("t1_" if parent.depth else "t3_") + parent.id
    if post.flags.get("parent") == "int":
        parent_id = int(parent.id, 36)
    if "orphan" in post.flags:
        parent_id = "t1_" + _base36(int(post.id, 36) - 1)
    record: dict[str, Any] = {
        "author": post.author,
        "author_flair_text": None,
        "body": _escape(post.text),
        "created_utc": created,
        "distinguished": post.flags.get("distinguished"),
        "edited": False,
        "id": post.id,
        "is_submitter": post.author == root.author,
        "link_id": "t3_" + root.id,
        "parent_id": parent_id,
        "score": None if post.score == "null" else 1 if post.score == "hidden" else int(post.score),
        "score_hidden": post.score == "hidden",
        "stickied": "stickied" in post.flags,
        "subreddit": FORUM,
    }
    if "old" not in root.flags:  # the archives of early years lack these
        record["name"] = "t1_" + post.id
        record["permalink"] = f"/r/{FORUM}/comments/{root.id}/_/{post.id}/"
        record["retrieved_on"] = RETRIEVED
    if "deleted_later" in post.flags:
        record["_meta"] = {"retrieved_2nd_on": RETRIEVED + 129_600, "was_deleted_later": True}
    return record


def _submission(root: Post, replies: int) -> dict[str, Any]:
    record = {
        "author": root.author,
        "created_utc": root.created,
        "distinguished": root.flags.get("distinguished"),
        "edited": False,
        "id": root.id,
        "is_self": True,
        "link_flair_text": None if root.flair == "-" else root.flair,
        "num_comments": replies,
        "over_18": "nsfw" in root.flags,
        "permalink": f"/r/{FORUM}/comments/{root.id}/_/",
        "promoted": "promoted" in root.flags,
        "removal_reason": "legal" if "legal" in root.flags else None,
        "removed_by_category": root.flags.get("removed_by"),
        "retrieved_utc": RETRIEVED,
        "score": int(root.score),
        "selftext": _escape(root.text),
        "stickied": "stickied" in root.flags,
        "subreddit": FORUM,
        "title": _escape(root.title),
        "upvote_ratio": 0.97,
        "url": f"https://www.example.org/r/{FORUM}/comments/{root.id}/_/",
    }
    if "no_author" in root.flags:
        del record["author"]
    return record


def _flags(text: str | None) -> dict[str, str]:
    pairs = (flag.strip().partition("=") for flag in text.split(";")) if text else ()
    return {name: value for name, _, value in pairs}


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


if __name__ == "__main__":
    for kind, lines in zip(("comments", "submissions"), build(), strict=True):
        path = HERE / f"{FORUM}_{kind}.zst"
        path.write_bytes(compress(lines))
        print(f"{path.name}: {len(lines)} lines, {path.stat().st_size} bytes")
