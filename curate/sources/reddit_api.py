"""Reddit's API: the threads of communities, of searches and by their ids, and a redditor's comments with what they answer."""

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from praw.endpoints import API_PATH

from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.reddit.client import Client, RefusedError, connect
from curate.sources.reddit.records import COMMENT, SUBMISSION, Thing, fullname, listing, rows
from curate.sources.reddit.thread import BATCH, walk_thread
from curate.sources.requests.reddit import Request as Request
from curate.sources.requests.reddit import Walk, walks_of
from curate.sources.source import Failure, Page
from formats.errors import UserError

PAGE_POSTS = 500
"""Comments of one thread that are gathered before they are yielded: Reddit's first answer holds about as many."""

LARGE_THREAD = 1000
"""Comments from which on a thread tells how far it is: it takes more than ten requests."""

GENERATIONS = 32
"""How far up what a redditor's comments answer is fetched; a request each. Few conversations are deeper, and no sample is."""


def pages(request: Request, state: dict[str, Any], patience: Patience) -> Iterator[Page]:
    """Fetches what is asked for, page by page; raises as `curate.sources.source.LiveSource` says.

    Args:
        state: `threads` and `listed` hold the number of comments of known threads by id, `newest` the newest known comment of users; `done`
            and `at`, while a scrape is unfinished, the walks that are done and the place in the present one. Walks are named by their keys.
    """
    walks = walks_of(request)
    client = connect(request.site, patience)
    done = state.setdefault("done", [])
    for walk in walks:
        if walk.key in done:
            continue
        if state.get("at", {}).get("walk") == walk.key:
            state["at"]["resumed"] = True
        else:
            state["at"] = {"walk": walk.key, "after": None, "walked": 0, "last": False, "pending": []}
        failures = []
        try:
            yield from (_comments_of_user if walk.user else _threads)(client, walk, request, state)
        except RefusedError as error:
            if len(walks) == 1 and state["at"]["walked"]:
                raise SourceDownError(f"{walk.name}: {error}; what was fetched is kept: run the same command again later") from None
            if len(walks) == 1:
                raise UserError(f"{walk.name}: {error}; check the name, and whether it is open to the public") from None
            failures.append(Failure(walk.name, str(error)))
        done.append(walk.key)
        del state["at"]
        yield Page(failures=failures)
    del state["done"]
    yield Page()


def existing(ids: Sequence[str], patience: Patience, site: str | None = None) -> Iterator[tuple[list[str], set[str]]]:
    """Asks which posts still stand, 100 at a time: those asked for, and of them those that are there with author and text.

    Reddit says nothing of what it omits: what lies in a community that went private counts as gone, too.

    Args:
        ids: with their prefixes, t1_ or t3_.

    Raises:
        UserError: an id is not Reddit's, the credentials are missing or refused, or Reddit does not answer this at all.
        SourceDownError: Reddit did not answer for long.
    """
    if odd := next((name for name in ids if not re.fullmatch(r"t[13]_[0-9a-z]+", name)), None):
        raise UserError(f"{odd}: not the id of a comment (t1_…) or submission (t3_…) of Reddit")
    client = connect(site, patience)
    for start in range(0, len(ids), BATCH):
        asked = list(ids[start : start + BATCH])
        try:
            posts, _ = rows(_info(client, asked), 0)
        except RefusedError as error:
            raise UserError(f"Reddit does not say which posts still stand: {error}; check what its application may ask for") from None
        yield asked, {post["id"] for post in posts if post["author"] is not None and post["removal"] == "none"}


def _next(client: Client, walk: Walk, at: dict[str, Any], limit: int | None) -> tuple[list[Thing], list[Failure]]:
    """The next page of a walk, after which `at` is moved on; and those of its ids that Reddit does not know.

    A page is asked for by the last thing of the one before. Where that went since, nothing comes: a walk that is gone on with begins again.
    """
    resumed = at.pop("resumed", False)
    if walk.ids:
        asked = [f"t3_{name}" for name in walk.ids[at["walked"] : at["walked"] + BATCH]]
        things = _info(client, asked)
        at["walked"] += len(asked)
        at["last"] = at["walked"] >= len(walk.ids)
        found = set(map(fullname, things))
        return things, [Failure(name, "Reddit has no such thread, or hides it") for name in asked if name not in found]
    size = BATCH if limit is None else max(1, min(BATCH, limit - at["walked"]))
    after: dict[str, str | int] = {"after": at["after"]} if at["after"] else {}
    page = listing(client.get(walk.path, **walk.params, **after, limit=size))
    if resumed and at["after"] and not page.things:
        at.update(after=None, walked=0)
        at.pop("newest", None)
        return _next(client, walk, at, limit)
    # Reddit adds stickied posts to the number it is asked for.
    things = page.things if limit is None else page.things[:size]
    at["walked"] += len(things)
    at["last"] = not things or page.after in (None, at["after"]) or (limit is not None and at["walked"] >= limit)
    at["after"] = page.after
    return things, []


def _threads(client: Client, walk: Walk, request: Request, state: dict[str, Any]) -> Iterator[Page]:
    """The submissions of a listing that are new or have other comments than before, each with its comments."""
    at, known = state["at"], state.setdefault("threads" if request.comments else "listed", {})
    while True:
        yield from _pending(client, at, known)
        if at["last"]:
            return
        things, failures = _next(client, walk, at, request.limit)
        changed = [thing for thing in things if known.get(thing[1].get("id"), -1) != thing[1].get("num_comments")]
        for thread_id, count in ((record.get("id"), record.get("num_comments")) for _, record in changed):
            if request.comments and count != 0:
                at["pending"].append([thread_id, count])
            else:
                known[thread_id] = count
        posts, faults = rows(changed, int(time.time()))
        yield Page(posts, failures + faults)


def _pending(client: Client, at: dict[str, Any], known: dict[str, Any]) -> Iterator[Page]:
    """The comments of the threads that were listed last. A thread that failed is not known, so that a later scrape asks for it again."""
    was_down = False
    while at["pending"]:
        thread_id, count = at["pending"][0]
        posts: list[dict[str, Any]] = []
        failures: list[Failure] = []
        complete, fetched = True, 0
        try:
            for step in walk_thread(client, thread_id):
                found, faults = rows([thing for thing in step.things if thing[0] != SUBMISSION], int(time.time()))
                posts += found
                fetched += len(found)
                failures += [*step.failures, *faults]
                if step.gone:
                    failures.append(Failure(f"t3_{thread_id}", f"comments that are gone ({len(step.gone)}, from t1_{step.gone[0]} on)"))
                complete &= not step.failures
                if (count or 0) >= LARGE_THREAD:
                    client.patience.tell(f"comments of t3_{thread_id}", fetched, count)
                if len(posts) >= PAGE_POSTS:
                    yield Page(posts, failures)
                    posts, failures = [], []
            was_down = False
        except RefusedError as error:
            complete = False
            failures.append(Failure(f"t3_{thread_id}", str(error)))
        except SourceDownError as error:
            # One thread can be more than Reddit's servers manage; two in a row that do not come mean that nothing comes.
            if was_down:
                raise
            complete, was_down = False, True
            failures.append(Failure(f"t3_{thread_id}", str(error)))
        if complete:
            known[thread_id] = count
        del at["pending"][0]
        yield Page(posts, failures)


def _comments_of_user(client: Client, walk: Walk, request: Request, state: dict[str, Any]) -> Iterator[Page]:
    """A redditor's comments, newest first, down to the newest that is known, unless more are asked for than were.

    Where something of what they answer could not be fetched, they are not known, so that a later scrape asks for them again.
    """
    at, newest = state["at"], state.setdefault("newest", {})
    known = newest.get(walk.key)
    if known and known["limit"] is not None and (request.limit is None or request.limit > known["limit"]):
        known = None
    while not at["last"]:
        things, failures = _next(client, walk, at, request.limit)
        # A known comment can be gone by now: one that is older ends the walk as well.
        old = (n for n, thing in enumerate(things) if known and (fullname(thing) == known["id"] or _created(thing) < known["created"]))
        fresh = things[: next(old, None)]
        if fresh and "newest" not in at:
            at["newest"] = {"id": fullname(fresh[0]), "created": _created(fresh[0]), "limit": request.limit}
        if known and len(fresh) < len(things):
            at["last"] = True
            at["newest"] = {**at.get("newest", known), "limit": known["limit"]}
        answered, lost, complete = _answered(client, fresh) if request.comments else ([], [], True)
        if not complete:
            at["incomplete"] = True
        if at["last"] and "newest" in at and "incomplete" not in at:
            newest[walk.key] = at["newest"]
        posts, faults = rows([*fresh, *answered], int(time.time()))
        yield Page(posts, [*failures, *lost, *faults])


def _created(thing: Thing) -> float:
    return float(thing[1].get("created_utc") or 0)


def _answered(client: Client, comments: Sequence[Thing]) -> tuple[list[Thing], list[Failure], bool]:
    """What comments answer, up to their submissions, and whether Reddit told all of it; up to 100 posts of a generation a request."""
    asked = set(map(fullname, comments))
    last, found, lost = list(comments), list[Thing](), list[Failure]()
    for _ in range(GENERATIONS):
        above = dict.fromkeys(record.get(key) for kind, record in last if kind == COMMENT for key in ("parent_id", "link_id"))
        wanted = [name for name in above if name and name not in asked]
        asked.update(wanted)
        if not wanted:
            break
        try:
            last = [thing for start in range(0, len(wanted), BATCH) for thing in _info(client, wanted[start : start + BATCH])]
        except RefusedError as error:
            return found, [*lost, Failure(wanted[0], f"what comments answer ({len(wanted)}, from here on): {error}")], False
        found += last
        there = set(map(fullname, last))
        lost += [Failure(name, "a redditor's comment answers it, and it is gone") for name in wanted if name not in there]
    return found, lost, True


def _info(client: Client, names: Sequence[str]) -> list[Thing]:
    return listing(client.get(API_PATH["info"], id=",".join(names))).things
