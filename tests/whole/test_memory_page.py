"""The page on memory shows what the planner says."""

from docs.make_memory import PAGE, page


def test_the_page_shows_what_the_planner_says() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "run: python docs/make_memory.py"
