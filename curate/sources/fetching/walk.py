"""Goes through a forum's listing thread by thread: what is known and unchanged is not fetched again, what fails is recorded and passed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from curate.sources.fetching.patience import SourceDownError
from curate.sources.fetching.rest import RefusedError
from curate.sources.source import Failure, Page
from formats.errors import UserError

POSTS_A_PAGE = 1000
"""Posts after which a page is saved in the middle of a thread, to bound memory."""

REPEATED_PLACES = 3
"""Places of a listing in a row without a thread that was not seen before, after which it is taken to have no end. New threads push known
ones to the next place, but not so many of them."""

SAVES_A_DOUBLING = 500
"""The state holds every known thread and is saved whole; it is saved ever less often as it grows, so that the sum of what is written stays
within some hundred times its size."""

_MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What reading an answer of another shape than the API's raises."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Thread:
    """A thread as a listing shows it.

    Args:
        key: its id at the source.
        marker: a number that grows when the thread changes: its replies, or the second of its last activity.
        item: what the listing says of it, for `fetch`.
    """

    key: str
    marker: int
    item: dict[str, Any] = field(default_factory=dict)


Listing = Callable[[Any], tuple[list[Thread], Any]]
"""From a place in the listing (as JSON can hold it; None: the beginning) to the threads there and the next place (None: the end)."""

Fetch = Callable[[Thread], Iterator[list[Row]]]
"""From a thread to its posts, some at a time."""


def walk(what: str, listing: Listing, fetch: Fetch, state: dict[str, Any], limit: int | None, latest_first: bool = False) -> Iterator[Page]:
    """The threads of a listing that are new or have changed, as pages.

    Args:
        what: the site, for messages.
        state: as `curate.sources.source.LiveSource.pages` has it. A run that was stopped goes on at its place in the listing.
        limit: threads of the listing that are looked at, at most; None: all.
        latest_first: whether the listing is ordered by what grows the markers, so that no thread after known ones can have changed.

    Raises:
        UserError: the listing is refused, or has not the shape of this API, from its beginning on.
        SourceDownError: so is a later place of it; or as `listing` and `fetch` do. What came before was yielded.
    """
    # What a stopped run fetched is known, so that known threads do not mean any more that nothing behind them has changed.
    enough = latest_first and "run" not in state and _reaches(state.get("done_to", 0), limit)
    known: dict[str, int] = state.setdefault("known", {})
    run: dict[str, Any] = state.setdefault("run", {"place": None, "taken": 0, "failed": 0})
    place, taken = run["place"], run["taken"]
    page, unsaved, seen, repeated = Page(), 0, set[str](), 0
    try:
        while True:
            try:
                threads, following = listing(place)
            except (RefusedError, *_MISSHAPEN) as error:
                raise _unlisted(what, error, place) from error
            changed = False
            repeated = repeated + 1 if threads and all(thread.key in seen for thread in threads) else 0
            if repeated == REPEATED_PLACES:
                page.failures.append(
                    Failure("the listing", f"{what}: gives the same threads again and again; what follows was not fetched")
                )
                run["failed"] += 1
                break
            for thread in threads:
                if thread.key in seen:
                    continue
                if limit is not None and taken >= limit:
                    following = None
                    break
                seen.add(thread.key)
                taken += 1
                if known.get(thread.key, -1) >= thread.marker:
                    continue
                changed = True
                try:
                    for posts in fetch(thread):
                        page.posts.extend(posts)
                        if len(page.posts) >= POSTS_A_PAGE:
                            yield page
                            page, unsaved = Page(), 0
                except (RefusedError, *_MISSHAPEN) as error:
                    reason = (
                        str(error) if isinstance(error, RefusedError) else f"{what}: an answer of another shape than the API's ({error!r})"
                    )
                    page.failures.append(Failure(f"thread {thread.key}", reason))
                    run["failed"] += 1
                else:
                    known[thread.key] = thread.marker
                unsaved += 1
                if unsaved > len(known) // SAVES_A_DOUBLING:
                    yield page
                    page, unsaved = Page(), 0
            if following is None or (enough and threads and not changed):
                break
            place = run["place"] = following
            run["taken"] = taken
    except SourceDownError:
        if page.posts or page.failures:
            yield page
        raise
    if run["failed"]:
        # A thread that failed can lie behind unchanged ones by the next time: that looks at the whole listing again.
        state.pop("done_to", None)
    else:
        state["done_to"] = limit
    state.pop("run")
    if page.posts or page.failures:
        yield page


def _unlisted(what: str, error: Exception, place: Any) -> Exception:
    """What it means that a place of the listing does not come: at its beginning a mistake, after that a hitch."""
    shape = f"{what}: answers in another shape than its API ({error!r})"
    if place is not None:
        reason = str(error) if isinstance(error, RefusedError) else shape
        return SourceDownError(f"{reason}; what was fetched is kept: run the same command again later")
    if isinstance(error, RefusedError):
        return UserError(f"{error}; {what} does not show this: check its name, and whether it is open to the public")
    return UserError(f"{shape}; is this the address of such a forum?")


def _reaches(done_to: int | None, limit: int | None) -> bool:
    """Whether a finished run, whose limit `done_to` was, looked at least as far as this one will."""
    return done_to is None or (limit is not None and done_to >= limit)
