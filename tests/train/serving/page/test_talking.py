"""The talk on the page: answers that grow, are stopped, edited, given again, kept and taken along."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.train.serving.page.driving import WHOLE, roles, say, talk, texts, until, whole
from tests.train.serving.page.planned import PageServer, Plan

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_an_answer_appears_as_it_grows_and_says_why_it_ended(page: "Page", server: PageServer) -> None:
    server.plans["kettle"] = [Plan(held=1)]
    say(page, "Is the kettle guilty?")
    page.wait_for_selector(".answer[aria-busy=true]")
    until(page, "document.querySelector('.answer .text').textContent === 'The court '")
    assert page.locator("#stop").is_visible()
    assert not page.locator("#send").is_visible()
    server.go.set()
    whole(page)
    assert texts(page) == [WHOLE]
    assert page.locator(".answer .why").inner_text().split("\n") == [
        "stop",
        "stopped by itself",
        "11 tokens · 20 tokens/s · first after 0.2 s",
    ]
    assert page.locator(".answer").get_attribute("aria-busy") == "false"
    assert page.locator("#told").text_content() == "Answer of kettle: 11 tokens, stopped by itself."
    (asked,) = server.asked
    assert asked.pop("seed") in range(2**32)
    said = [{"role": "user", "content": "Is the kettle guilty?"}]
    assert asked == {"model": "kettle", "messages": said, "stream": True, "stream_options": {"include_usage": True}}


def test_each_ending_has_its_words(page: "Page", server: PageServer) -> None:
    said = {
        "length": ["cut", "at its limit of tokens"],
        "other end": ["end token", "ended without the whole stop"],
        "asked end": ["asked end", "ended at a text that was asked for"],
        "overruled": ["overruled", "ended: overruled"],
    }
    server.plans["kettle"] = [Plan(ending=ending) for ending in said]
    for ending in said:
        talk(page, f"{ending}?")
    assert [why.inner_text().split("\n")[:2] for why in page.locator(".answer .why").all()] == list(said.values())


@pytest.mark.parametrize("by", ["button", "Escape"])
def test_stopping_ends_the_request_and_keeps_what_was_said(page: "Page", server: PageServer, by: str) -> None:
    server.plans["kettle"] = [Plan(held=2)]
    say(page, "Is the kettle guilty?")
    until(page, "document.querySelector('.answer .text')?.textContent === 'The court finds the '")
    if by == "button":
        page.click("#stop")
    else:
        page.keyboard.press("Escape")
    assert server.left.wait(15), "the server never learned that nobody listens any more"
    whole(page)
    assert texts(page) == ["The court finds the "]
    assert page.locator(".answer .why").inner_text().split() == ["stopped", "by", "you"]
    talk(page, "Go on.")
    assert roles(server.asked[-1])[1] == ("assistant", "The court finds the ")


def test_what_did_not_fit_is_said(page: "Page", server: PageServer) -> None:
    server.plans["kettle"] = [Plan(more={"left_out": 2})]
    talk(page, "Remember?")
    assert "without the first 2 messages, for which there was no room" in page.locator(".answer .why").inner_text()


def test_line_breaks_are_kept(page: "Page", server: PageServer) -> None:
    server.plans["kettle"] = [Plan(("Milk.\n\n", "  Then tea."))]
    talk(page, "In which order?")
    assert page.locator(".answer .text").inner_text() == "Milk.\n\n  Then tea."


def test_an_edited_message_is_answered_anew_without_what_followed(page: "Page", server: PageServer) -> None:
    for text in ("First?", "Second?", "Third?"):
        talk(page, text)
    page.get_by_role("button", name="Edit: Second?").click()
    page.get_by_label("Your message, edited").fill("Another?")
    server.plans["kettle"] = [Plan(("Anew.",))]
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.turn:last-child .answer .text').textContent === 'Anew.'")
    whole(page)
    assert texts(page, ".said .text") == ["First?", "Another?"]
    assert roles(server.asked[-1]) == [("user", "First?"), ("assistant", WHOLE), ("user", "Another?")]


def test_the_arrow_up_edits_the_last_message_and_escape_leaves_it(page: "Page", server: PageServer) -> None:
    talk(page, "First?")
    page.press("#text", "ArrowUp")
    page.get_by_label("Your message, edited").fill("Never sent")
    page.keyboard.press("Escape")
    assert texts(page, ".said .text") == ["First?"]
    assert len(server.asked) == 1


def test_the_last_answer_is_given_again_with_another_seed(page: "Page", server: PageServer) -> None:
    talk(page, "First?")
    talk(page, "Second?")
    again = page.get_by_role("button", name="Again")
    assert again.count() == 1, "only the last one can be given again"
    again.click()
    until(page, "document.querySelectorAll('.answer[data-state=ended]').length === 2")
    whole(page)
    assert [roles(asked) for asked in server.asked[1:]] == [roles(server.asked[1])] * 2
    assert server.asked[1]["seed"] != server.asked[2]["seed"]


def test_enter_sends_and_shift_enter_begins_a_line(page: "Page", server: PageServer) -> None:
    page.focus("#text")
    page.keyboard.type("Milk")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("or tea?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer[data-state=ended]")
    page.keyboard.press("Enter")
    assert roles(server.asked[0]) == [("user", "Milk\nor tea?")]
    assert len(server.asked) == 1, "an empty message is not sent"


def test_a_new_conversation_can_be_taken_back_and_reloading_keeps_it(page: "Page") -> None:
    talk(page, "First?")
    page.click("#new")
    assert texts(page) == []
    assert page.get_by_role("heading", name="Who shall answer?").is_visible()
    page.get_by_role("button", name="Bring back the last conversation").click()
    assert texts(page) == [WHOLE]
    page.reload()
    page.wait_for_selector(".answer")
    assert texts(page) == [WHOLE]
    assert "11 tokens" in page.locator(".answer .why").inner_text()


def test_the_transcript_is_saved_and_copied_as_json(page: "Page", server: PageServer, tmp_path: Path) -> None:
    server.plans["kettle"] = [Plan(ending="length")]
    page.fill("[name=temperature]", "0.5")
    talk(page, "Guilty?")
    with page.expect_download() as saving:
        page.click("#save")
    saving.value.save_as(tmp_path / "talk.json")
    page.click("#copy")
    until(page, "document.getElementById('copy').textContent === 'Copied'")
    for text in ((tmp_path / "talk.json").read_text(encoding="utf-8"), page.evaluate("navigator.clipboard.readText()")):
        (turn,) = json.loads(text)["turns"]
        seed = turn["answers"][0]["sampling"].pop("seed")
        assert seed == server.asked[0]["seed"]
        answer = {"model": "kettle", "answered_by": "kettle", "text": WHOLE, "ending": "length", "tokens": 11, "seconds": 0.7}
        assert turn == {"text": "Guilty?", "answers": [{**answer, "seconds_to_first": 0.2, "sampling": {"temperature": 0.5}}]}


def test_who_reads_above_is_not_taken_along(page: "Page", server: PageServer) -> None:
    server.plans["kettle"] = [Plan(("line\n" * 200,)), Plan(("line\n" * 200, "end"), held=1)]
    talk(page, "Long?")
    at_end = "Math.abs(scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight) < 2"
    until(page, at_end)
    say(page, "Again?")
    until(page, "document.querySelectorAll('.answer').length === 2 && document.querySelectorAll('.answer .text')[1].textContent")
    until(page, at_end)
    page.evaluate("scroller.scrollTop = 100")
    page.wait_for_timeout(50)
    server.go.set()
    whole(page)
    page.wait_for_timeout(50)
    assert page.evaluate("scroller.scrollTop") == 100
