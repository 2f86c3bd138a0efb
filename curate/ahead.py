"""Works on the next items while the results of the ones before are used, and hands the results on in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 2
"""Threads: while one is in a part that has no use for more than one core, the other fills the second."""


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int = WORKERS) -> Iterator[R]:
    """The result for each item, in the order of the items; at most `workers` + 1 results and items are held at once.

    Raises:
        Exception: what the work on an item or the iteration raised, in the place of its result.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="ahead") as pool:
        under_way: deque[Future[R]] = deque()
        iterator = iter(items)
        failure: Exception | None = None
        try:
            while True:
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                except Exception as error:
                    failure = error  # the results of the items before it come first
                    break
                under_way.append(pool.submit(work, item))
                if len(under_way) > workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
            if failure:
                raise failure
        finally:
            for future in under_way:
                future.cancel()
