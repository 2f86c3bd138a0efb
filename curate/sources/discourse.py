"""Discourse: topics of any forum that runs it, with all their posts, from its JSON API.

Ids are `dc_HOST_` and the post's number, which is the forum's own and stays when a post moves to another topic; a thread is `dc_HOST_t` and
the topic's number. A community is `HOST/CATEGORY`, or `HOST/CATEGORY/SUBCATEGORY`.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from curate.sources.discourse_post import Topic, row
from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.fetching.rest import RefusedError, Rest, epoch, first_second
from curate.sources.fetching.walk import Row, Thread, walk
from curate.sources.requests.discourse import Request
from curate.sources.source import Page
from formats.errors import UserError

_PAUSE_S = 1.0
"""A forum allows 200 requests a minute from one address unless its owners say otherwise; a minute of ours has 60 at most."""

_CHUNK = 20
"""Posts that a forum sends at once, unless its topics say another number."""

_REGULAR = frozenset((1, 2))
"""Types of posts that somebody wrote for all: posts, and moderators' remarks. The others are notices (closed, moved) and whispers."""


def pages(request: Request, state: dict[str, Any], patience: Patience) -> Iterator[Page]:
    """Topics with their posts, topic by topic; see `curate.sources.source.LiveSource`.

    A topic is fetched again when it was bumped after it was fetched. Notices and whispers are passed over, and counted in
    `state["passed_over"]`. A key is taken from DISCOURSE_API_KEY and DISCOURSE_API_USERNAME.

    Raises:
        UserError: only members may read the forum, there is no such category or tag, or this is no Discourse.
        SourceDownError: it does not answer.
    """
    keys = {"Api-Key": os.environ.get("DISCOURSE_API_KEY"), "Api-Username": os.environ.get("DISCOURSE_API_USERNAME")}
    forum = Rest(request.site, patience, _PAUSE_S, {name: key for name, key in keys.items() if key})
    scrape = _Scrape(request, forum, state)
    if request.topics:
        return walk(forum.host, scrape.single_topics, scrape.fetch, state, request.limit)
    return walk(forum.host, scrape.listed_topics, scrape.fetch, state, request.limit, latest_first=request.top is None)


@dataclass(frozen=True)
class _Scrape:
    request: Request
    forum: Rest
    state: dict[str, Any]

    def listed_topics(self, place: Any) -> tuple[list[Thread], Any]:
        page = place or 0
        request = self.request
        scope = f"/c/{quote(request.category)}/l" if request.category else f"/tag/{quote(request.tag, '')}/l" if request.tag else ""
        view = "top" if request.top else "latest"
        params: list[tuple[str, str | int]] = [("page", page), ("no_definitions", "true")]
        params += [("period", request.top)] if request.top else []
        try:
            answer = self.forum.get(f"{scope}/{view}.json", params)
        except RefusedError as error:
            raise self._refusal(error, page) from error
        listed = answer["topic_list"]["topics"]
        threads = [Thread(str(topic["id"]), _activity(topic)) for topic in listed if self._is_in_time(topic)]
        is_last = not listed or not answer["topic_list"].get("more_topics_url") or (not request.top and self._is_past(listed))
        return threads, None if is_last else page + 1

    def single_topics(self, place: Any) -> tuple[list[Thread], Any]:
        """Topics by their numbers: their first posts tell whether they changed, and are kept for `fetch`."""
        number, *others = place or self.request.topics
        try:
            topic = self.forum.get(f"/t/{number}.json", {"include_raw": "true"})
        except RefusedError as error:
            if error.code == "not_logged_in":
                raise self._refusal(error, 0) from error
            return [Thread(str(number), 0)], others or None
        return [Thread(str(number), _activity(topic), topic)], others or None

    def _is_in_time(self, topic: dict[str, Any]) -> bool:
        opened, since, until = epoch(topic.get("created_at")) or 0, self.request.since, self.request.until
        return (since is None or opened >= first_second(since)) and (until is None or opened < first_second(until))

    def _is_past(self, listed: list[dict[str, Any]]) -> bool:
        """Whether all that follows in a listing by activity was opened before the first day asked for."""
        moving = [topic for topic in listed if not topic.get("pinned")]
        return bool(moving) and self.request.since is not None and _activity(moving[-1]) < first_second(self.request.since)

    def _refusal(self, error: RefusedError, page: int) -> Exception:
        if page:
            return SourceDownError(f"{error}; what was fetched is kept: run the same command again later")
        if error.status in (401, 403):
            advice = "set DISCOURSE_API_KEY and DISCOURSE_API_USERNAME to read it as a member"
            return UserError(f"{error}; only members may read this, {advice}")
        what = f"category {self.request.category}" if self.request.category else f"tag {self.request.tag}" if self.request.tag else ""
        if error.status == 404 and what:
            return UserError(f"{self.forum.host}: has no {what}; give what stands behind /c/ or /tag/ in its address")
        return UserError(f"{error}; is {self.forum.base} the address of a Discourse forum?")

    def fetch(self, thread: Thread) -> Iterator[list[Row]]:
        answer = thread.item or self.forum.get(f"/t/{thread.key}.json", {"include_raw": "true"})
        topic = Topic.read(answer, self.forum.base, self._category(answer.get("category_id")))
        numbers: dict[int, int] = {}
        for posts in self._chunks(answer):
            numbers.update((post["post_number"], post["id"]) for post in posts)
            written = [post for post in posts if post.get("post_type", 1) in _REGULAR]
            self.state["passed_over"] = self.state.get("passed_over", 0) + len(posts) - len(written)
            now = int(time.time())
            yield [row(post, topic, numbers, now) for post in written]

    def _chunks(self, answer: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        """All posts of a topic in their order, of which its own answer holds the first ones and the numbers of the others."""
        stream = answer["post_stream"]
        first: list[dict[str, Any]] = stream["posts"]
        yield first
        path = f"/t/{answer['id']}"
        size = min(max(int(answer.get("chunk_size") or _CHUNK), 1), 100)
        have = {post["id"] for post in first}
        if "stream" not in stream:  # more than 10,000 posts
            page = 2
            while fresh := [post for post in self._page(path, page) if post["id"] not in have]:
                yield fresh
                have.update(post["id"] for post in fresh)
                page += 1
            return
        missing = [number for number in stream["stream"] if number not in have]
        for start in range(0, len(missing), size):
            wanted: list[tuple[str, str | int]] = [("post_ids[]", number) for number in missing[start : start + size]]
            posts = self.forum.get(f"{path}/posts.json", [*wanted, ("include_raw", "true")])["post_stream"]["posts"]
            yield sorted(posts, key=lambda post: post["post_number"])

    def _page(self, path: str, page: int) -> list[dict[str, Any]]:
        try:
            answer = self.forum.get(f"{path}.json", [("page", page), ("include_raw", "true")])
        except RefusedError as error:
            if error.status == 404:
                return []
            raise
        posts: list[dict[str, Any]] = answer["post_stream"]["posts"]
        return posts

    def _category(self, number: int | None) -> str:
        """The path of a category's slugs; its number where the forum does not tell them. Asked for once, and remembered."""
        known: dict[str, str] = self.state.setdefault("categories", {})
        if number is not None and str(number) not in known:
            known[str(number)] = str(number)
            try:
                category = self.forum.get(f"/c/{number}/show.json")["category"]
                above = self._category(category["parent_category_id"]) + "/" if category.get("parent_category_id") else ""
                known[str(number)] = above + (category.get("slug") or str(number))
            except (RefusedError, KeyError, TypeError):
                pass
        return known.get(str(number), "uncategorized")


def _activity(topic: dict[str, Any]) -> int:
    """The second of a topic's last activity."""
    return max(epoch(topic.get(name)) or 0 for name in ("bumped_at", "last_posted_at", "created_at"))
