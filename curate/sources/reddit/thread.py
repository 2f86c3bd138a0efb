"""Walks one thread of Reddit to its last comment, step by step: a step is one request, whose comments are not held afterwards.

The tree comes with stubs in the places of what it left out. A stub with ids is asked for by `morechildren`; one without stands for a chain
too deep to be shown, and is asked for by the comment that it hangs from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from praw.endpoints import API_PATH

from curate.sources.reddit.client import Client, RefusedError
from curate.sources.reddit.records import MORE, Thing, fullname, listing, things_of_form, with_replies
from curate.sources.source import Failure

BATCH = 100
"""Ids in one `morechildren` or `info` request: the most that Reddit answers; it refuses much longer lists with 413."""

SORT, LIMIT = "confidence", 2048
"""How a tree is asked for, as PRAW does; Reddit gives what it allows, 500 comments as a rule."""


@dataclass(frozen=True)
class Step:
    """What one request brought.

    Args:
        failures: parts of the thread that could not be fetched: the thread is not complete.
        gone: ids of comments that the tree lists and Reddit does not give any more.
    """

    things: list[Thing] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def walk_thread(client: Client, thread_id: str) -> Iterator[Step]:
    """All of a thread: the submission, then each of its comments once.

    Args:
        thread_id: without its prefix.

    Raises:
        RefusedError: there is no such thread, or it may not be seen.
        SourceDownError: Reddit did not answer for long.
    """
    return _Walk(client, thread_id).steps()


@dataclass
class _Walk:
    """What is known of a thread while it is walked; ids are without their prefixes, but for those in `seen`."""

    client: Client
    thread_id: str
    seen: set[str] = field(default_factory=set)
    """What came."""
    hidden: dict[str, None] = field(default_factory=dict)
    """Comments to ask for, in order."""
    deep: dict[str, None] = field(default_factory=dict)
    """Comments whose replies are to be asked for, in order."""
    went_deep: set[str] = field(default_factory=set)
    omitted: dict[str, None] = field(default_factory=dict)
    """Comments that were asked for and did not come."""
    looked_for: set[str] = field(default_factory=set)

    def steps(self) -> Iterator[Step]:
        yield Step(self._new(self._tree("")))
        while self.hidden or self.deep or self.omitted:
            if self.hidden:
                ask, what, ids = self._ask_hidden, "hidden comments", _taken(self.hidden, BATCH)
            elif self.deep:
                ask, what, ids = self._ask_deep, "chain deep in it", _taken(self.deep, 1)
            else:
                ask, what, ids = self._ask_omitted, "comments left out", _taken(self.omitted, BATCH)
            try:
                yield ask(ids)
            except RefusedError as error:
                yield Step(failures=[Failure(f"t3_{self.thread_id}", f"{what} ({len(ids)}, from t1_{ids[0]} on): {error}")])

    def _ask_hidden(self, ids: list[str]) -> Step:
        """A batch can name comments of several stubs: threads have many stubs of one or two."""
        answer = self.client.post(API_PATH["morechildren"], children=",".join(ids), link_id=f"t3_{self.thread_id}", sort=SORT)
        things = self._new(with_replies(things_of_form(answer)))
        if not things:
            # The answer to the same question would be the same: stubs that name what was asked for are not followed again.
            self.looked_for.update(ids)
        missing = [name for name in ids if f"t1_{name}" not in self.seen and (not things or name not in self.hidden)]
        for name in missing:
            self.hidden.pop(name, None)
            self.omitted[name] = None
        return Step(things)

    def _ask_deep(self, ids: list[str]) -> Step:
        things = list(self._tree(ids[0]))
        found = any(fullname(thing) == f"t1_{ids[0]}" for thing in things)
        return Step(self._new(things), gone=[] if found else ids)

    def _ask_omitted(self, ids: list[str]) -> Step:
        """Reddit omits what was removed without replies, and all hidden comments of some old threads: those still have replies."""
        self.looked_for.update(ids)
        answer = self.client.get(API_PATH["info"], id=",".join(f"t1_{name}" for name in ids))
        things = self._new(listing(answer).things)
        self._go_deep(record["id"] for _, record in things if record.get("author") not in (None, "[deleted]"))
        return Step(things, gone=[name for name in ids if f"t1_{name}" not in self.seen])

    def _tree(self, comment_id: str) -> Iterator[Thing]:
        path = API_PATH["submission"].format(id=self.thread_id) + (f"_/{comment_id}" if comment_id else "")
        answer = self.client.get(path, sort=SORT, limit=LIMIT)
        if not isinstance(answer, list):
            raise RefusedError("the answer is no thread")
        return with_replies(thing for part in answer for thing in listing(part).things)

    def _new(self, things: Iterable[Thing]) -> list[Thing]:
        """Those that did not come before; what their stubs stand for is remembered."""
        new, stubs = [], []
        for thing in things:
            if thing[0] == MORE:
                stubs.append(thing[1])
            elif fullname(thing) not in self.seen:
                self.seen.add(fullname(thing))
                new.append(thing)
        for stub in stubs:
            if stub.get("children"):
                unknown = (name for name in stub["children"] if f"t1_{name}" not in self.seen and name not in self.looked_for)
                self.hidden.update(dict.fromkeys(unknown))
            elif str(stub.get("parent_id")).startswith("t1_"):
                self._go_deep([stub["parent_id"].removeprefix("t1_")])
        return new

    def _go_deep(self, ids: Iterable[str]) -> None:
        for name in ids:
            if name not in self.went_deep:
                self.went_deep.add(name)
                self.deep[name] = None


def _taken(waiting: dict[str, None], count: int) -> list[str]:
    taken = list(islice(waiting, count))
    for name in taken:
        del waiting[name]
    return taken
