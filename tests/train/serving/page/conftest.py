"""A server with planned answers, and the page of it in a browser."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.train.serving.page.driving import visit
from tests.train.serving.page.planned import PageServer
from tests.whole.conftest import browser as browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


@pytest.fixture
def server() -> Iterator[PageServer]:
    with PageServer() as started:
        yield started


@pytest.fixture(scope="module")
def context(browser: "Browser") -> "BrowserContext":
    return browser.new_context(viewport={"width": 1300, "height": 800}, permissions=["clipboard-read", "clipboard-write"])


@pytest.fixture
def page(context: "BrowserContext", server: PageServer) -> "Iterator[Page]":
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    yield visit(opened, server)
    opened.close()
