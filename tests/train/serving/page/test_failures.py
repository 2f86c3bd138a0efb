"""What goes wrong on the page is said plainly, and can be tried again."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.train.serving.page.driving import WHOLE, roles, say, talk, texts, until, visit, whole
from tests.train.serving.page.planned import PageServer, Plan

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_busy_server_says_how_long_to_wait(page: "Page", server: PageServer) -> None:
    page.clock.install()
    server.plans["kettle"] = [Plan(status=429, message="64 requests are waiting already", wait=100)]
    talk(visit(page, server), "Now?")
    assert page.get_by_role("alert").filter(has_text="64 requests are waiting already").is_visible()
    assert page.get_by_role("button", name=re.compile(r"Try again in \d\d+ s")).is_disabled()
    page.clock.fast_forward(100_000)
    page.click("button:text-is('Try again'):enabled")
    page.wait_for_selector(".answer[data-state=ended]")
    assert texts(page) == [WHOLE]
    assert roles(server.asked[0]) == roles(server.asked[1]) == [("user", "Now?")]


def test_what_was_refused_is_said_in_the_servers_words(page: "Page", server: PageServer) -> None:
    server.plans["kettle"] = [Plan(status=400, message="the prompt has 9,000 tokens; the base reads 8,192")]
    talk(page, "Too long?")
    assert texts(page, ".answer .error") == ["the prompt has 9,000 tokens; the base reads 8,192"]
    talk(page, "Shorter?")
    assert roles(server.asked[1]) == [("user", "Shorter?")], "what was not answered is not part of the talk"


def test_a_server_that_is_gone_is_said_and_what_was_written_stays(page: "Page", server: PageServer) -> None:
    server.close()
    talk(page, "Anybody?")
    assert texts(page, ".answer .error") == ["The server cannot be reached. Is it still running?"]
    assert texts(page, ".said .text") == ["Anybody?"]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(("The court ",), held=1, cut=True), "The connection broke off before the answer was whole."),
        (Plan(("The court ",), held=1, failure="out of memory"), "out of memory"),
    ],
)
def test_an_answer_that_breaks_off_keeps_what_came(page: "Page", server: PageServer, plan: Plan, words: str) -> None:
    server.plans["kettle"] = [plan]
    say(page, "Guilty?")
    until(page, "document.querySelector('.answer .text')?.textContent === 'The court '")
    server.go.set()
    whole(page)
    assert texts(page) == ["The court "]
    assert texts(page, ".answer .error") == [words]
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".answer[data-state=ended]")
    assert texts(page) == [WHOLE]


def test_one_of_two_that_fails_leaves_the_other(page: "Page", server: PageServer) -> None:
    page.click("text=Compare")
    server.plans["college"] = [Plan(status=503, message="the server is shutting down")]
    talk(page, "Both?", 2)
    assert page.eval_on_selector_all(".answer", "all => all.map(one => one.dataset.state)") == ["ended", "failed"]
    page.get_by_role("button", name="Try again").click()
    until(page, "document.querySelectorAll('.answer[data-state=ended]').length === 2")
    assert [asked["model"] for asked in server.asked] in (["kettle", "college", "college"], ["college", "kettle", "college"])


def give_key(page: "Page", server: PageServer, key: str) -> None:
    page.wait_for_selector("#key[open]")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    until(page, lambda: f"Bearer {key}" in server.keys)


def test_a_server_with_a_key_asks_for_it(page: "Page", server: PageServer) -> None:
    server.key = "teaspoon"
    page.goto(server.address)
    give_key(page, server, "fork")
    give_key(page, server, "teaspoon")
    page.wait_for_selector("html[data-ready]")
    talk(page, "May I?")
    assert server.keys[-1] == "Bearer teaspoon"
    assert "teaspoon" not in page.evaluate("JSON.stringify({ ...sessionStorage, ...localStorage })")


def test_who_gives_no_key_is_told_and_can_ask_again(page: "Page", server: PageServer) -> None:
    server.key = "teaspoon"
    page.goto(server.address)
    page.get_by_role("button", name="Cancel").click()
    assert texts(page, "#empty .error") == ["The API key is missing or wrong."]
    page.get_by_role("button", name="Try again").click()
    page.get_by_label("API key").fill("teaspoon")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Try again").wait_for()
    assert server.keys == [None] * len(server.keys), "what was typed and not sent is no key"
    server.key = None
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector("html[data-ready]")
