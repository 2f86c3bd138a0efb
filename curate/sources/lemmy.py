"""Lemmy: posts of communities with all their comments, from any instance's HTTP API, version 3 (Lemmy 0.18, 0.19) or 4 (Lemmy 1.0).

Ids are `lm_` and the address that a post or comment has in the whole federation, without its scheme: the same wherever it is fetched from,
and different for posts and comments. A community or an author is `NAME@INSTANCE`. The text is Markdown, as it was written.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.fetching.rest import RefusedError, Rest, epoch, first_second
from curate.sources.fetching.walk import Row, Thread, walk
from curate.sources.requests.lemmy import SORTS, Request
from curate.sources.source import Failure, Page
from formats.errors import UserError

SOURCE = "lemmy"

_AT_ONCE = 50
"""Posts or comments of one request; instances give no more."""

_PAUSE_S = 1.0


def pages(request: Request, state: dict[str, Any], patience: Patience) -> Iterator[Page]:
    """Posts with their comments, post by post, community by community; see `curate.sources.source.LiveSource`.

    A post is fetched again when it was edited or commented on after it was fetched.

    Raises:
        UserError: there is no such community, the instance is private, or this is no Lemmy.
        SourceDownError: it does not answer.
    """
    instance = Rest(request.instance, patience, _PAUSE_S)
    for number, community in enumerate(request.communities):
        if number < state.get("done", 0):
            continue
        scrape = _Scrape(request, instance, community, state)
        try:
            yield from walk(instance.host, scrape.posts, scrape.fetch, state.setdefault(f"!{community}", {}), request.limit)
        except UserError as error:
            if len(request.communities) == 1:
                raise
            yield Page(failures=[Failure(f"!{community}", str(error))])
        state["done"] = number + 1
    state["done"] = 0
    state.pop("version", None)  # the instance may have a newer one next time; within a run, places depend on it


@dataclass(frozen=True)
class _Scrape:
    request: Request
    instance: Rest
    community: str
    state: dict[str, Any]

    def posts(self, place: Any) -> tuple[list[Thread], Any]:
        if "version" not in self.state:
            self.state["version"] = self._version()
        newest = self.state["version"] == 4
        sort = self.request.sort if newest else SORTS[self.request.sort]
        params: dict[str, str | int] = {
            "community_name": self.community,
            "type_": "all" if newest else "All",
            "sort": sort,
            "limit": _AT_ONCE,
        }
        try:
            views, following = self._list("post", params, place)
        except RefusedError as error:
            raise self._refusal(error, place) from error
        threads = [Thread(str(view["post"]["id"]), _activity(view), view) for view in views if self._is_in_time(view)]
        return threads, None if self._is_past(views) else following

    def fetch(self, thread: Thread) -> Iterator[list[Row]]:
        """The post, which the listing holds, and its comments in the order in which they were written."""
        now = int(time.time())
        post = thread.item
        yield [_post(post, self.instance.base, now)]
        expected = _count(post, "post", "comments") or 0
        newest = self.state["version"] == 4
        # Without `type_`, comments of other instances are left out; with `max_depth`, all behind the 300th.
        params: dict[str, str | int] = {
            "post_id": thread.key,
            "type_": "all" if newest else "All",
            "sort": "old" if newest else "Old",
            "limit": _AT_ONCE,
        }
        place: Any = None
        addresses: dict[str, str] = {}
        while True:
            views, place = self._list("comment", params, place, expected - len(addresses))
            fresh = [view for view in views if str(view["comment"]["id"]) not in addresses]
            addresses.update((str(view["comment"]["id"]), view["comment"]["ap_id"]) for view in fresh)
            yield [_comment(view, post, addresses, self.instance.base, now) for view in fresh]
            if place is None or not fresh:
                return

    def _list(self, kind: str, params: dict[str, str | int], place: Any, missing: int = 0) -> tuple[list[dict[str, Any]], Any]:
        """A listing from a place on, with the next place: a cursor, or in version 3 a page's number. None where no more can be there."""
        version = self.state["version"]
        at: dict[str, str | int] = {} if place is None else {"page_cursor": place} if isinstance(place, str) else {"page": place}
        answer = self.instance.get(f"/api/v{version}/{kind}/list", params | at)
        views: list[dict[str, Any]] = answer["items"] if "items" in answer else answer[f"{kind}s"]
        if not views or (len(views) < _AT_ONCE and len(views) >= missing):
            return views, None
        if version == 4 or answer.get("next_page"):
            return views, answer.get("next_page")
        return views, (place or 1) + 1

    def _version(self) -> int:
        """The newest version of the API that answers."""
        for version in (4, 3):
            try:
                if isinstance(self.instance.get(f"/api/v{version}/site"), dict):
                    return version
            except RefusedError as error:
                if error.code and error.status != 404:  # it speaks the API, and has a reason of its own not to answer this
                    raise self._refusal(error, None) from error
        raise UserError(f"{self.instance.host}: has no Lemmy API, neither version 4 nor 3; give the address of a Lemmy instance")

    def _refusal(self, error: RefusedError, place: Any) -> Exception:
        if place is not None:
            return SourceDownError(f"{error}; what was fetched is kept: run the same command again later")
        if error.code == "instance_is_private":
            return UserError(f"{self.instance.host}: is private, only its members may read it")
        if error.code in ("couldnt_find_community", "not_found"):
            return UserError(f"{self.instance.host}: knows no community {self.community}; name it as NAME, or NAME@INSTANCE for another's")
        return UserError(f"{error}; is {self.instance.base} the address of a Lemmy instance?")

    def _is_in_time(self, view: dict[str, Any]) -> bool:
        written, since, until = _time(view["post"], "published") or 0, self.request.since, self.request.until
        return (since is None or written >= first_second(since)) and (until is None or written < first_second(until))

    def _is_past(self, views: list[dict[str, Any]]) -> bool:
        """Whether all that follows in the order of time was written before the first day asked for."""
        if self.request.sort != "new" or self.request.since is None:
            return False
        moving = [view["post"] for view in views if not _is_pinned(view["post"])]
        return bool(moving) and (_time(moving[-1], "published") or 0) < first_second(self.request.since)


def _post(view: dict[str, Any], base: str, now: int) -> Row:
    post = view["post"]
    ups, downs = _count(view, "post", "upvotes"), _count(view, "post", "downvotes")
    tags = [str(tag.get("display_name") or tag.get("name")) for tag in view.get("tags") or ()]
    return _shared(view, "post", now) | {
        "thread_id": _id(post["ap_id"]),
        "kind": "submission",
        "permalink": f"{base}/post/{post['id']}",
        "title": post["name"],
        "text": post.get("body") or "",
        "url": post.get("url"),
        "flair": ", ".join(tags) or None,
        "upvote_ratio": round(ups / (ups + downs), 4) if ups is not None and downs is not None and ups + downs > 0 else None,
        "num_replies": _count(view, "post", "comments"),
        "nsfw": post.get("nsfw"),
        "stickied": _is_pinned(post),
    }


def _comment(view: dict[str, Any], post: dict[str, Any], addresses: dict[str, str], base: str, now: int) -> Row:
    """A comment; its path names all above it by their numbers at this instance, from `0` on to its own."""
    comment = view["comment"]
    above = comment["path"].split(".")[-2:][0]
    parent = post["post"]["ap_id"] if above == "0" else addresses.get(above, f"{base}/comment/{above}")
    distinguished = ("admin" if view.get("creator_is_admin") else "moderator") if comment.get("distinguished") else None
    return _shared(view, "comment", now) | {
        "thread_id": _id(post["post"]["ap_id"]),
        "parent_id": _id(parent),
        "kind": "comment",
        "permalink": f"{base}/comment/{comment['id']}",
        "is_submitter": comment["creator_id"] == post["post"]["creator_id"],
        "text": comment["content"],
        "num_replies": _count(view, "comment", "child_count"),
        "nsfw": post["post"].get("nsfw"),
        "distinguished": distinguished,
    }


def _shared(view: dict[str, Any], kind: str, now: int) -> Row:
    item, creator = view[kind], view["creator"]
    return {
        "id": _id(item["ap_id"]),
        "source": SOURCE,
        "community": _name(view["community"]),
        "author": None if creator.get("deleted") else _name(creator),
        "author_id": _address(creator),
        "created_at": _time(item, "published"),
        "edited_at": _time(item, "updated"),
        "retrieved_at": now,
        "score": _count(view, kind, "score"),
        "removal": "moderator" if item.get("removed") else "author" if item.get("deleted") else "none",
    }


def _id(address: str) -> str:
    return "lm_" + address.removeprefix("https://").removeprefix("http://")


def _address(actor: dict[str, Any]) -> str:
    """The address of a person or community: `ap_id` in version 4, `actor_id` in version 3."""
    return str(actor.get("ap_id") or actor["actor_id"])


def _name(actor: dict[str, Any]) -> str:
    return f"{actor['name']}@{urlsplit(_address(actor)).netloc}"


def _time(item: dict[str, Any], name: str) -> int | None:
    """A time, whose name ends in `_at` in version 4."""
    return epoch(item.get(f"{name}_at") or item.get(name))


def _count(view: dict[str, Any], kind: str, name: str) -> int | None:
    """A number that stands beside a post or comment in version 3, and in it in version 4."""
    found = view.get("counts", view[kind]).get(name)
    return int(found) if found is not None else None


def _is_pinned(post: dict[str, Any]) -> bool:
    return bool(post.get("featured_community") or post.get("featured_local"))


def _activity(view: dict[str, Any]) -> int:
    """The second in which a post was last commented on or edited."""
    post = view["post"]
    return max(_time(view.get("counts", post), "newest_comment_time") or 0, _time(post, "updated") or 0, _time(post, "published") or 0)
