"""The page in a real browser, on the real server: what it asks for is what the API takes, and what it hears is what it shows."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.train.serving.page.driving import say, talk, texts, until, whole
from tests.whole.conftest import browser as browser
from train.answers.engine import BusyError, Listener, Ticket
from train.answers.loaded import Loaded, Request
from train.serving.page.files import HEADERS
from train.serving.running import Place, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def page(browser: "Browser", server: Server) -> "Iterator[Page]":
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    opened.goto(server.address)
    opened.wait_for_selector("html[data-ready]")
    yield opened
    context.close()


def test_the_page_comes_with_its_policy_and_lists_who_is_there(browser: "Browser", server: Server, page: "Page") -> None:
    with page.expect_response(f"{server.address}/") as told:
        page.reload()
    page.wait_for_selector("html[data-ready]")
    assert {name: told.value.headers.get(name.lower()) for name in HEADERS} == dict(HEADERS)
    options = page.get_by_label("Voice", exact=True).locator("option").all_text_contents()
    assert options == ["court", "tea", "alpaca", "base, without adapter", "a mix of two …"]
    assert page.locator("#server").text_content() is not None
    assert page.get_by_label("Temperature").get_attribute("placeholder") == "0.7"
    assert page.get_by_label("Most tokens").get_attribute("placeholder") == "24"


def test_every_kind_of_voice_answers(page: "Page") -> None:
    page.fill("[name=max_tokens]", "5")
    page.fill("[name=repetition_penalty]", "1.3")
    page.fill("[name=temperature]", "0")
    for who in ("court", "base, without adapter", "a mix of two …"):
        page.get_by_label("Voice", exact=True).select_option(who)
        talk(page, "Is the kettle guilty?")
    states = page.eval_on_selector_all(".answer", "all => all.map(one => one.dataset.state)")
    assert states == ["ended"] * 3
    assert texts(page, ".answer .who") == ["court", "base", "50 % court + 50 % tea"]
    assert all("5 tokens ·" in figures for figures in texts(page, ".figures"))
    assert texts(page, ".why .chip") == ["cut"] * 3


def test_the_same_seed_gives_the_same_answer_on_both_sides(page: "Page") -> None:
    page.click("text=Compare")
    page.get_by_label("Right voice").select_option("court")
    talk(page, "Is the kettle guilty?", 2)
    left, right = texts(page)
    assert left == right != ""


def test_a_system_text_reaches_the_template_that_has_one(page: "Page") -> None:
    page.get_by_label("Voice", exact=True).select_option("alpaca")
    page.get_by_label("System text").fill("You are a magistrate.")
    talk(page, "Is the kettle guilty?")
    assert page.locator(".answer").get_attribute("data-state") == "ended"


def test_stopping_is_heard_by_the_engine(page: "Page", serve: Callable[..., Server], loaded: Loaded) -> None:
    server = serve()
    page.goto(server.address)
    page.wait_for_selector("html[data-ready]")
    page.fill("[name=max_tokens]", "400")
    page.fill("[name=temperature]", "5")
    page.fill("[name=seed]", "4")
    # The tiny model would have said all before a key is pressed.
    slowly = loaded.model.register_forward_pre_hook(lambda *_: time.sleep(0.05))
    try:
        say(page, "Speak at length.")
        until(page, "document.querySelector('.answer .text')?.textContent")
        page.keyboard.press("Escape")
        whole(page)
        until(page, "fetch('/health').then(told => told.json()).then(load => load.running === 0)")
    finally:
        slowly.remove()
    assert server.engine.load().ended == {"cancelled": 1}


def test_a_full_queue_is_shown_with_its_wait(page: "Page", server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(request: Request, tell: Listener) -> Ticket:
        raise BusyError(64, 20)

    monkeypatch.setattr(server.engine, "ask", busy)
    talk(page, "Now?")
    assert "64 requests are waiting already" in page.locator(".answer .error").inner_text()
    assert page.get_by_role("button", name="Try again in 20 s").is_disabled()


def test_a_key_is_asked_for_and_used(page: "Page", serve: Callable[..., Server]) -> None:
    page.goto(serve(Place(port=0, key="teaspoon")).address)
    page.get_by_label("API key").fill("teaspoon")
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-ready]")
    talk(page, "May I?")
    assert page.locator(".answer").get_attribute("data-state") == "ended"
