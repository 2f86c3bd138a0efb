"""What a reader does on the page, for the tests."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.train.serving.page.planned import PageServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

WHOLE = "The court finds the kettle guilty."


def visit(page: "Page", server: PageServer) -> "Page":
    page.goto(server.address)
    page.wait_for_selector("html[data-ready]")
    return page


def until(page: "Page", condition: str | Callable[[], bool]) -> None:
    """Waits until it holds here or on the page; Playwright's own waiting has the page evaluate a text, which its policy forbids."""
    end = time.monotonic() + 15
    while not (page.evaluate(condition) if isinstance(condition, str) else condition()):
        assert time.monotonic() < end, f"never came: {condition}"
        page.wait_for_timeout(10)


def say(page: "Page", text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def talk(page: "Page", text: str, answers: int = 1) -> None:
    """Says something, and waits until it is answered."""
    before = page.locator(".answer").count()
    say(page, text)
    until(page, f"document.querySelectorAll('.answer').length === {before + answers}")
    whole(page)


def texts(page: "Page", where: str = ".answer .text") -> list[str]:
    return page.locator(where).all_text_contents()


def whole(page: "Page") -> None:
    until(page, "!document.body.classList.contains('running')")


def roles(request: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request["messages"]]
