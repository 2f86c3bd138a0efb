"""Hacker News: stories with all their comments. Searches are made by Algolia's API, lists and single items come from the official one.

Ids are `hn_` and the item's number; stories and comments share one space. Both APIs give HTML. A story's tree comes from Algolia in one
request; where Algolia does not have it yet, it is gathered item by item from the official API.
"""

import html
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from curate.sources.fetching.patience import Patience
from curate.sources.fetching.rest import RefusedError, Rest, epoch, first_second
from curate.sources.fetching.walk import Row, Thread, walk
from curate.sources.reading.html_text import plain_text
from curate.sources.requests.hackernews import Request
from curate.sources.source import Page

SOURCE = "hackernews"
HITS = 100
"""Stories of one search request. Algolia shows the first 1,000 hits of a query only, so that searches by date go on by date."""

_MOST_RELEVANT = 1000
_ITEMS_AT_ONCE = 20
_PAUSE_S = 0.4
"""Algolia allows 10,000 requests an hour, which is one in 0.36 seconds; the official API names no limit."""


def pages(request: Request, state: dict[str, Any], patience: Patience) -> Iterator[Page]:
    """Stories with their comments, story by story; see `curate.sources.source.LiveSource`.

    A story is fetched again when it has more comments than when it was fetched.

    Raises:
        UserError: what answers is not Hacker News.
        SourceDownError: an API does not answer.
    """
    scrape = _Scrape(request, Rest(request.algolia, patience, _PAUSE_S), Rest(request.firebase, patience, _PAUSE_S))
    if request.listed or request.ids:
        return walk("Hacker News", scrape.items, scrape.fetch, state, request.limit)
    listing = scrape.most_relevant if request.by == "relevance" else scrape.newest
    return walk("Hacker News", listing, scrape.fetch, state, request.limit)


@dataclass(frozen=True)
class _Scrape:
    request: Request
    algolia: Rest
    firebase: Rest

    def newest(self, place: Any) -> tuple[list[Thread], Any]:
        """Hits by date: those written until a second, a page of them, without those of that second that were shown before."""
        until, page, shown = place or (None, 0, [])
        hits = self._hits("/search_by_date", [f"created_at_i<={until}"] if until is not None else [], page)
        threads = self._threads([hit for hit in hits if hit["objectID"] not in shown])
        if len(hits) < HITS:
            return threads, None
        oldest = min(int(hit["created_at_i"]) for hit in hits)
        if oldest == until:
            return threads, [until, page + 1, shown]
        return threads, [oldest, 0, [hit["objectID"] for hit in hits if hit["created_at_i"] == oldest]]

    def most_relevant(self, place: Any) -> tuple[list[Thread], Any]:
        page = place or 0
        hits = self._hits("/search", [], page)
        is_last = len(hits) < HITS or (page + 1) * HITS >= _MOST_RELEVANT
        return self._threads(hits), None if is_last else page + 1

    def _hits(self, path: str, filters: list[str], page: int) -> list[dict[str, Any]]:
        request = self.request
        filters = [*filters, *(f"created_at_i>={first_second(day)}" for day in [request.since] if day)]
        filters += [f"created_at_i<{first_second(day)}" for day in [request.until] if day]
        filters += [f"num_comments>={request.min_comments}"] if request.min_comments else []
        tags = f"author_{request.user},(story,comment,poll,job)" if request.user else request.tag
        params: dict[str, str | int] = {"query": request.search or "", "tags": tags, "hitsPerPage": HITS, "page": page}
        answer = self.algolia.get(path, params | ({"numericFilters": ",".join(filters)} if filters else {}))
        hits: list[dict[str, Any]] = answer["hits"]
        return hits

    def _threads(self, hits: list[dict[str, Any]]) -> list[Thread]:
        """What a user wrote is told by its id, which grows; a story by its comments."""
        if self.request.user:
            return [Thread(str(hit.get("story_id") or hit["objectID"]), int(hit["objectID"])) for hit in hits]
        return [Thread(str(hit["objectID"]), int(hit.get("num_comments") or 0)) for hit in hits]

    def items(self, place: Any) -> tuple[list[Thread], Any]:
        """Items by their ids, a few at a time; the ids that are left are the place in the listing."""
        ids = place or list(self.request.ids) or self.firebase.get(f"/{self.request.listed}stories.json")
        found = [(number, self._item(number)) for number in ids[:_ITEMS_AT_ONCE]]
        threads = [Thread(str(number), _comments(item), item) for number, item in found if self._is_in_time(item)]
        return threads, ids[_ITEMS_AT_ONCE:] or None

    def _item(self, number: int) -> dict[str, Any]:
        """An item of the official API; nothing where it is refused, which `fetch` asks Algolia for."""
        try:
            return self.firebase.get(f"/item/{number}.json") or {}
        except RefusedError:
            return {}

    def _is_in_time(self, item: dict[str, Any]) -> bool:
        """Whether an item is of the days asked for; one without a time is."""
        written, since, until = item.get("time"), self.request.since, self.request.until
        if written is None:
            return True
        return (since is None or written >= first_second(since)) and (until is None or written < first_second(until))

    def fetch(self, thread: Thread) -> Iterator[list[Row]]:
        try:
            yield _tree(self.algolia.get(f"/items/{thread.key}"))
        except RefusedError as error:
            item = thread.item or (self.firebase.get(f"/item/{thread.key}.json") if error.is_gone else None)
            if not item:
                raise
            yield from self._one_by_one(item)

    def _one_by_one(self, root: dict[str, Any]) -> Iterator[list[Row]]:
        """A thread from the official API, which gives an item a request; parents come before what answers them."""
        now = int(time.time())
        top = root
        while (top.get("parent") or top["id"]) < top["id"]:  # what is answered is older
            top = self.firebase.get(f"/item/{top['parent']}.json")
        row = _row(_from_firebase(root), top["id"], top.get("by"), now)
        options = [self.firebase.get(f"/item/{number}.json") or {} for number in root.get("parts") or ()]
        row["text"] = _with_options(row["text"], options)
        yield [row]
        waiting = list(root.get("kids") or ())
        while waiting:
            item = self.firebase.get(f"/item/{waiting.pop()}.json")
            if item:
                yield [_row(_from_firebase(item), top["id"], top.get("by"), now)]
                waiting += item.get("kids") or ()


def _tree(root: dict[str, Any]) -> list[Row]:
    """A story or a comment as Algolia gives it, with all that answers it."""
    now = int(time.time())
    top = root.get("story_id") or root["id"]
    submitter = root.get("author") if top == root["id"] else None
    rows, waiting = [], [root]
    while waiting:
        item = waiting.pop()
        rows.append(_row(item, top, submitter, now))
        waiting += item.get("children") or ()
    rows[0]["text"] = _with_options(rows[0]["text"], root.get("options") or [])
    if rows[0]["kind"] == "submission":
        rows[0]["num_replies"] = len(rows) - 1
    return rows


def _comments(item: dict[str, Any]) -> int:
    """How many comments an item has; of a comment the official API tells the direct answers only."""
    return int(item.get("descendants") or len(item.get("kids") or ()))


def _from_firebase(item: dict[str, Any]) -> dict[str, Any]:
    """An item of the official API by the names of Algolia's."""
    return {
        "id": item["id"],
        "type": item.get("type"),
        "parent_id": item.get("parent"),
        "author": item.get("by"),
        "created_at_i": item.get("time"),
        "title": html.unescape(item["title"]) if item.get("title") else None,
        "text": item.get("text"),
        "url": item.get("url"),
        "points": item.get("score"),
        "num_replies": item.get("descendants"),
        "removal": "author" if item.get("deleted") else "moderator" if item.get("dead") else "none",
    }


def _row(item: dict[str, Any], top: int, submitter: str | None, now: int) -> Row:
    """A post. Algolia keeps of a deleted or dead item its id only: such a one is removed, by whom is unknown."""
    kind = "comment" if item.get("parent_id") else "submission"
    author = item.get("author") or None
    gone = "unknown" if author is None and not item.get("text") else "none"
    return {
        "id": f"hn_{item['id']}",
        "thread_id": f"hn_{top}",
        "parent_id": f"hn_{item['parent_id']}" if item.get("parent_id") else None,
        "kind": kind,
        "source": SOURCE,
        "community": SOURCE,
        "permalink": f"https://news.ycombinator.com/item?id={item['id']}",
        "author": author,
        "is_submitter": author == submitter if author and submitter and kind == "comment" else None,
        "created_at": item.get("created_at_i") or epoch(item.get("created_at")),
        "retrieved_at": now,
        "title": item.get("title") or None,
        "text": plain_text(item.get("text") or ""),
        "url": item.get("url") or None,
        "score": item.get("points"),
        "num_replies": item.get("num_replies"),
        "promoted": True if item.get("type") == "job" else None,
        "removal": item.get("removal") or gone,
    }


def _with_options(text: str, options: list[dict[str, Any]]) -> str:
    """A poll's text with what could be voted for."""
    lines = [f"- {plain_text(option.get('text') or '')}" for option in options]
    return "\n\n".join(part for part in (text, "\n".join(lines)) if part)
