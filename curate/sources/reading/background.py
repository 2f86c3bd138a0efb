"""Makes things in a thread of its own while those made before are used, a few ahead; where nobody goes on using them, it ends."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Stopped(BaseException):
    """Nobody takes what is made any more; no `except Exception` of a library may go on."""


class Handover(Generic[T]):
    """Where the thread that makes things hands them over; at most so many wait there."""

    def __init__(self, most: int) -> None:
        self._waiting: queue.Queue[T | BaseException | None] = queue.Queue(most)
        self._stopped = threading.Event()

    def put(self, item: T) -> None:
        """Hands on the next thing.

        Raises:
            Stopped: nobody wants it.
        """
        self.watch()
        self._waiting.put(item)

    def watch(self) -> None:
        """Goes on only where somebody wants what is made.

        Raises:
            Stopped: nobody does.
        """
        if self._stopped.is_set():
            raise Stopped

    def run(self, make: "Callable[[Handover[T]], None]") -> None:
        """Makes everything, and tells its end or the error that it ended with."""
        end: BaseException | None = None
        try:
            make(self)
        except Stopped:
            return
        except BaseException as error:
            end = error
        if not self._stopped.is_set():
            self._waiting.put(end)

    def taken(self) -> Iterator[T]:
        """All that is handed over, in order."""
        while (item := self._waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self, thread: threading.Thread) -> None:
        """Waits for the end of the thread; what it still hands over is dropped, so that it is not kept waiting."""
        self._stopped.set()
        while thread.is_alive():
            with suppress(queue.Empty):
                self._waiting.get(timeout=0.01)


def made_ahead(make: Callable[[Handover[T]], None], most: int, name: str) -> Iterator[T]:
    """What `make` puts into its handover, in order; it runs in a thread that ends when the iterator is closed.

    Args:
        most: how many things wait to be taken at most.
        name: of the thread.

    Raises:
        BaseException: what `make` raised, after all that it made.
    """
    handover: Handover[T] = Handover(most)
    thread = threading.Thread(target=handover.run, args=(make,), name=name, daemon=True)
    thread.start()
    try:
        yield from handover.taken()
    finally:
        handover.stop(thread)
