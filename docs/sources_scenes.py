"""What the commands of docs/sources.md find: small invented files, and servers on loopback that speak the APIs."""

import bz2
import gzip
import json
import lzma
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import zstandard

from tests.servers.discourse import Discourse
from tests.servers.hackernews import HackerNews
from tests.servers.lemmy import Lemmy
from tests.servers.reddit import serve
from tests.servers.reddit_forum import Forum

SAMPLE_DATA = Path(__file__).parents[1] / "sample_data"
NOON = 1_717_243_200
"""Noon of 2024-06-01, UTC."""

LATER = 30 * 86_400
"""Seconds after which the newer archive of a month was retrieved."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """Where a section's commands run.

    Args:
        addresses: by what the page shows, what stands for it when the command runs.
        meanwhile: what happens between two commands, by the page's words for it.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    meanwhile: Mapping[str, Callable[[], None]] = field(default_factory=dict)


# Reddit's archives: the sample forum, month by month


def _zst(lines: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31)
    return zstandard.ZstdCompressor(compression_params=parameters).compress(lines)


def _zst_blocks(lines: bytes) -> bytes:
    rows = lines.splitlines()
    places = b"".join(struct.pack("<II", sum(map(len, rows[:number])), len(row)) for number, row in enumerate(rows))
    block = zstandard.ZstdCompressor().compress(struct.pack("<I", len(rows)) + places + b"".join(rows))
    return struct.pack("<I", len(block)) + block


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "2012-01": (".bz2", bz2.compress),
    "2023-11": (".xz", lzma.compress),
    "2023-12": (".zst", _zst),
    "2024-01": (".zst", _zst),
    "2024-02": (".zst_blocks", _zst_blocks),
    "2024-03": (".json.gz", gzip.compress),
}
"""How the archives of a month are compressed here: each way that the real ones are."""

TEAPOTS = [
    {
        "id": f"pot{number}", "subreddit": "Teapots", "author": "spout_fan", "link_id": "t3_pots", "parent_id": "t3_pots",
        "created_utc": 1_705_000_000 + number, "score": number, "body": f"Teapot number {number} pours best.",
    }
    for number in range(1, 31)
]  # fmt: skip


def _months(name: str) -> dict[str, bytes]:
    """The lines of a dump of the sample forum by their month; a broken line is of that of the line before."""
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    with (SAMPLE_DATA / f"KettleCourt_{name}.zst").open("rb") as packed, reader.stream_reader(packed) as lines:
        months: dict[str, bytes] = {}
        month = ""
        for line in lines.read().splitlines(keepends=True):
            if found := _written(line):
                month = datetime.fromtimestamp(found, UTC).strftime("%Y-%m")
            months[month] = months.get(month, b"") + line
    return months


def _written(line: bytes) -> float:
    try:
        record = json.loads(line)
    except ValueError:
        return 0.0
    return float(record.get("created_utc") or 0) if isinstance(record, dict) else 0.0


def _lines(records: list[Record]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@contextmanager
def _archives(folder: Path) -> Iterator[Scene]:
    for prefix, name in (("RC", "comments"), ("RS", "submissions")):
        months = _months(name)
        for month, (ending, pack) in PACKED.items():
            more = _lines(TEAPOTS) if (prefix, month) == ("RC", "2024-01") else b""
            (folder / "work" / f"{prefix}_{month}{ending}").write_bytes(pack(months[month] + more))
    yield Scene()


@contextmanager
def _month_twice(folder: Path) -> Iterator[Scene]:
    """A month's archive, and a newer one: scores changed, and one more comment is in it."""
    lines = [line for line in _months("comments")["2024-01"].splitlines() if _written(line)]
    records = [{**json.loads(line), "retrieved_on": NOON} for line in lines]
    late = {**records[-1], "id": "late1", "body": "The court reconvenes for one more biscuit."}
    newer = [{**record, "retrieved_on": NOON + LATER, "score": 50} for record in [*records, late]]
    work = folder / "work"
    (work / "RC_2024-01.zst").write_bytes(_zst(_lines(records)))
    (work / "newer").mkdir()
    (work / "newer" / "RC_2024-01.zst").write_bytes(_zst(_lines(newer)))
    (work / "RC_2023-12.zst").write_bytes(_zst(_months("comments")["2023-12"]))
    yield Scene()


@contextmanager
def _sample_forum(folder: Path) -> Iterator[Scene]:
    for path in SAMPLE_DATA.glob("*.zst"):
        (folder / "work" / path.name).write_bytes(path.read_bytes())
    yield Scene()


@contextmanager
def _nothing(folder: Path) -> Iterator[Scene]:
    yield Scene()


# ConvoKit and Stack Exchange


@contextmanager
def _corpus(folder: Path) -> Iterator[Scene]:
    said = [("abc12", None, "mabel", "Which of you boiled the milk?"), ("def34", "abc12", "odo", "The kettle did.")]
    said.append(("def35", "def34", "mabel", "The kettle was told to."))
    utterances = [
        {
            "id": name, "speaker": speaker, "conversation_id": "abc12", "reply-to": parent, "timestamp": NOON, "text": text,
            "meta": {"score": 3, "subreddit": "KettleCourt", "top_level_comment": None},
        }
        for name, parent, speaker, text in said
    ]  # fmt: skip
    with zipfile.ZipFile(folder / "work" / "subreddit-KettleCourt.zip", "w", zipfile.ZIP_DEFLATED) as corpus:
        corpus.writestr("subreddit-KettleCourt/utterances.jsonl", _lines(utterances))
        title = {"abc12": {"meta": {"title": "The matter of the milk", "num_comments": 2}}}
        corpus.writestr("subreddit-KettleCourt/conversations.json", json.dumps(title))
    yield Scene()


def _rows(root: str, *rows: Mapping[str, object]) -> str:
    told = (" ".join(f"{name}={quoteattr(str(value))}" for name, value in row.items()) for row in rows)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{root}>\n' + "".join(f"  <row {row} />\n" for row in told) + f"</{root}>\n"


@contextmanager
def _site(folder: Path) -> Iterator[Scene]:
    import py7zr

    common: Record = {"Score": 4, "CreationDate": "2024-06-01T12:00:00.000", "ContentLicense": "CC BY-SA 4.0"}
    posts = [
        {"Id": 1, "PostTypeId": 1, "Title": "Why does my kettle sing?", "Body": "<p>Only in <em>winter</em>.</p>", "OwnerUserId": 11},
        {"Id": 2, "PostTypeId": 2, "ParentId": 1, "Body": "<p>Limescale: small bubbles collapse on it.</p>", "OwnerUserId": 12},
        {"Id": 3, "PostTypeId": 5, "Body": "<p>About the tag kettles.</p>", "OwnerUserId": 12},
    ]
    comments = [{"Id": 1, "PostId": 2, "Text": "Vinegar ended the concert.", "UserId": 11}]
    site = folder / "work" / "tea.stackexchange.com"
    site.mkdir()
    (site / "Posts.xml").write_text(_rows("posts", *(row | common for row in posts)), encoding="utf-8")
    (site / "Comments.xml").write_text(_rows("comments", *(row | common for row in comments)), encoding="utf-8")
    with py7zr.SevenZipFile(folder / "work" / "coffee.stackexchange.com.7z", "w") as archive:
        for path in site.iterdir():
            archive.write(path, path.name)
    yield Scene()


# Servers


@contextmanager
def _reddit(folder: Path) -> Iterator[Scene]:
    forum = Forum()
    forum.submit("court1", author="mabel", title="The matter of the cold tea", selftext="It stood for an hour. I drank it.", score=41)
    forum.reply("ruling1", "court1", author="odo", body="Guilty of waste, had you not.", score=30)
    forum.reply("appeal1", "court1", parent="ruling1", author="mabel", body="Then I appeal for a biscuit.", score=22)
    forum.submit("court2", author="odo", title="Whose spoon is this?", selftext="It was in the sink since Monday.", score=12)
    forum.reply("ruling2", "court2", author="wim", body="The court finds it is a fork.", score=9)
    with serve(forum) as server:
        (folder / "settings" / "praw.ini").write_text(f"[DEFAULT]\noauth_url={server.url}\nreddit_url={server.url}\n", encoding="utf-8")
        late = {"parent": "ruling2", "author": "odo", "body": "Then whose fork?"}
        deleted = {"author": "[deleted]", "body": "[deleted]"}
        yield Scene(
            meanwhile={
                "a reply is written": lambda: forum.reply("ruling3", "court2", **late),
                "a comment is deleted": lambda: forum.comments["ruling2"].update(deleted),
            }
        )


@contextmanager
def _hacker_news(folder: Path) -> Iterator[Scene]:
    def item(number: int, kind: str, by: str, **fields: Any) -> Record:
        return {"id": number, "type": kind, "by": by, "time": NOON + number, **fields}

    with HackerNews() as server:
        server.add(
            item(1, "story", "ann", title="Ask HN: Which kettle?", text="Iron &amp; steel, or <i>copper</i>?", score=9, descendants=2),
            item(2, "comment", "ben", parent=1, text="Copper. It sounds better."),
            item(3, "comment", "ann", parent=2, text="To whom?<p>I live alone."),
            item(4, "story", "cat", title="A kettle in 200 lines of code", url="https://kettles.example/code", score=4, descendants=0),
        )
        yield Scene({"lorum scrape hackernews": f"lorum scrape hackernews --algolia-url {server.algolia} --firebase-url {server.firebase}"})


@contextmanager
def _discourse(folder: Path) -> Iterator[Scene]:
    def post(number: int, identity: int, name: str, raw: str, answers: int | None = None) -> Record:
        return {
            "id": identity, "post_number": number, "post_type": 1, "username": name, "user_id": len(name), "raw": raw,
            "cooked": f"<p>{raw}</p>", "created_at": _moment(identity), "updated_at": _moment(identity), "version": 1, "reply_count": 0,
            "reply_to_post_number": answers, "actions_summary": [], "moderator": False, "hidden": False, "user_deleted": False,
            "deleted_at": None,
        }  # fmt: skip

    def topic(number: int, title: str, *posts: Record) -> Record:
        return {
            "id": number, "title": title, "slug": title.lower().replace(" ", "-"), "posts_count": len(posts), "category_id": 7,
            "created_at": _moment(number), "bumped_at": posts[-1]["created_at"], "user_id": posts[0]["user_id"], "tags": ["kettles"],
            "posts": list(posts),
        }  # fmt: skip

    first = topic(
        1, "How long to steep", post(1, 100, "ann", "Four minutes?"), post(2, 101, "odo", "Three."), post(3, 102, "ann", "Bold.", answers=2)
    )
    second = topic(2, "Descaling day", post(1, 200, "odo", "Mine looked like a cave."))

    def reply() -> None:
        second["posts"].append(post(2, 201, "mabel", "Any bats?"))
        second.update(posts_count=2, bumped_at=_moment(5000))

    with Discourse(first, second) as server:
        server.categories = {7: {"id": 7, "slug": "brewing"}}
        yield Scene({"https://forum.example": server.address}, {"a reply is written": reply})


@contextmanager
def _recipe(folder: Path) -> Iterator[Scene]:
    """Archives of a month, a table, and the forum of the section on Discourse."""
    work = folder / "work"
    for prefix, name in (("RC", "comments"), ("RS", "submissions")):
        (work / f"{prefix}_2024-01.zst").write_bytes(_zst(_months(name)["2024-01"]))
    (work / "help.csv").write_text("ticket,customer_wrote,we_wrote\nT-2,Is the lid included?,In spirit.\n", encoding="utf-8")
    with _discourse(folder) as scene:
        yield scene


@contextmanager
def _lemmy(folder: Path) -> Iterator[Scene]:
    home = "https://lemmy.example"
    community = {"id": 1, "name": "tea", "ap_id": f"{home}/c/tea"}

    def person(number: int, name: str) -> Record:
        return {"id": number, "name": name, "ap_id": f"{home}/u/{name}", "local": True, "deleted": False}

    ann, ben = person(1, "ann"), person(2, "ben")
    post = {
        "id": 1, "name": "Loose leaves", "body": "They got **everywhere**.", "creator_id": 1, "removed": False, "deleted": False,
        "nsfw": False, "ap_id": f"{home}/post/1", "published_at": _moment(1), "featured_community": False, "featured_local": False,
        "comments": 2, "score": 3, "upvotes": 4, "downvotes": 1, "newest_comment_time_at": _moment(20),
    }  # fmt: skip

    def comment(number: int, path: str, creator: Record, text: str) -> Record:
        written = {
            "id": number, "creator_id": creator["id"], "post_id": 1, "content": text, "removed": False, "deleted": False, "local": True,
            "ap_id": f"{home}/comment/{number}", "path": path, "distinguished": False, "published_at": _moment(number), "score": 2,
            "child_count": 0,
        }  # fmt: skip
        return {"comment": written, "creator": creator, "post": post, "community": community}

    with Lemmy() as server:
        server.posts = {1: {"post": post, "creator": ann, "community": community, "tags": []}}
        server.comments = [comment(10, "0.10", ben, "Try a strainer."), comment(20, "0.10.20", ann, "That is how it began.")]
        yield Scene({home: server.address})


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(NOON + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


SCENES: dict[str, Callable[[Path], AbstractContextManager[Scene]]] = {
    "Reddit's archives": _archives,
    "Adding to a folder": _month_twice,
    "Tables": _nothing,
    "ConvoKit": _corpus,
    "Stack Exchange": _site,
    "Reddit's API": _reddit,
    "Hacker News": _hacker_news,
    "Discourse": _discourse,
    "Lemmy": _lemmy,
    "In a recipe": _recipe,
    "Forgetting": _sample_forum,
}
"""By the heading of a section what its commands find."""
