import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.ahead import in_order


@given(st.lists(st.integers(), max_size=30), st.integers(1, 4))
def test_results_come_in_the_order_of_the_items(items: list[int], workers: int) -> None:
    assert list(in_order(lambda item: item * 2, items, workers)) == [item * 2 for item in items]


def test_the_order_holds_where_later_items_are_done_first() -> None:
    done = [threading.Event() for _ in range(4)]

    def work(item: int) -> int:
        if item % 2 == 0:
            assert done[item + 1].wait(10), "the item after it is worked on meanwhile"
        done[item].set()
        return item

    assert list(in_order(work, range(4))) == [0, 1, 2, 3]


def test_an_error_of_the_work_comes_in_the_place_of_its_result() -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("no third kettle")
        return item

    results = in_order(work, range(5))
    assert (next(results), next(results)) == (0, 1)
    with pytest.raises(ValueError, match="no third kettle"):
        next(results)
    assert list(results) == []


def test_an_error_of_the_iteration_comes_after_the_results_of_all_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(6)
        raise EOFError("the kettle is empty")

    seen: list[int] = []

    def read() -> None:
        for result in in_order(lambda item: item, items()):
            seen.append(result)  # noqa: PERF402 (the ones before the error)

    with pytest.raises(EOFError, match="the kettle is empty"):
        read()
    assert seen == list(range(6))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_it_looks_ahead_no_further_than_it_has_workers(workers: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(100):
            taken += 1
            yield item

    used = 0
    for result in in_order(lambda item: item, items(), workers):
        assert result == used
        used += 1
        assert taken - used <= workers
    assert (used, taken) == (100, 100)


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("ahead")}


@pytest.mark.parametrize("read", [0, 1, 3])
def test_a_reader_that_stops_early_ends_the_threads_and_closes_what_it_reads(read: int) -> None:
    closed: list[bool] = []

    def items() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    source = items()
    results = in_order(lambda item: item, source)
    for _ in range(read):
        next(results)
    results.close()  # type: ignore[attr-defined]
    assert threads() == set()
    source.close()  # type: ignore[attr-defined]
    assert closed == ([True] if read else [])


def test_nothing_is_started_before_the_first_result_is_asked_for() -> None:
    started: list[int] = []
    work: Callable[[int], None] = started.append
    in_order(work, [1, 2])
    assert started == []
    assert threads() == set()
