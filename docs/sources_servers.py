"""What the commands of docs/sources.md find: servers on loopback that speak the APIs of small invented forums."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docs.commands import Scene
from docs.sources_scenes import NOON, Record, by_month, zst
from tests.servers.discourse import Discourse
from tests.servers.hackernews import HackerNews
from tests.servers.lemmy import Lemmy
from tests.servers.reddit import serve
from tests.servers.reddit_forum import Forum


@contextmanager
def reddit(folder: Path) -> Iterator[Scene]:
    """Two threads on Reddit."""
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
def hacker_news(folder: Path) -> Iterator[Scene]:
    """Two stories on Hacker News."""

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
def discourse(folder: Path) -> Iterator[Scene]:
    """Two topics on a Discourse forum."""

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
def recipe(folder: Path) -> Iterator[Scene]:
    """Archives of a month, a table, and the forum of the section on Discourse."""
    work = folder / "work"
    for prefix, name in (("RC", "comments"), ("RS", "submissions")):
        (work / f"{prefix}_2024-01.zst").write_bytes(zst(by_month(name)["2024-01"]))
    (work / "help.csv").write_text("ticket,customer_wrote,we_wrote\nT-2,Is the lid included?,In spirit.\n", encoding="utf-8")
    with discourse(folder) as scene:
        yield scene


@contextmanager
def lemmy(folder: Path) -> Iterator[Scene]:
    """A post on a Lemmy instance."""
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
