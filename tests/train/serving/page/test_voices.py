"""Who answers on the page: adapters that are switched, compared side by side and mixed, the router, and their sampling."""

from typing import TYPE_CHECKING

from tests.train.serving.page.driving import WHOLE, roles, say, talk, texts, until, visit, whole
from tests.train.serving.page.planned import PageServer, Plan

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLING = {"temperature", "top_p", "top_k", "repetition_penalty", "max_tokens", "seed"}


def test_another_voice_goes_on_with_the_same_talk(page: "Page", server: PageServer) -> None:
    talk(page, "Guilty?")
    page.get_by_label("Voice", exact=True).select_option("college")
    talk(page, "And you?")
    assert [asked["model"] for asked in server.asked] == ["kettle", "college"]
    assert roles(server.asked[1]) == [("user", "Guilty?"), ("assistant", WHOLE), ("user", "And you?")]
    assert texts(page, ".answer .who") == ["kettle", "college"]
    colours = page.eval_on_selector_all(".answer .text", "all => all.map(one => getComputedStyle(one).borderLeftColor)")
    assert len(set(colours)) == 2


def test_the_router_says_whom_it_chose(page: "Page", server: PageServer) -> None:
    server.plans["auto"] = [Plan(model="college", more={"shares": {"kettle": 0.07, "college": 0.93}})]
    page.get_by_label("Voice", exact=True).select_option("auto: whoever it suits")
    talk(page, "Who takes this?")
    assert texts(page, ".answer .who") == ["auto → college (93 %)"]


def test_two_voices_are_compared_at_once_and_each_keeps_its_own_history(page: "Page", server: PageServer) -> None:
    page.click("text=Compare")
    assert page.get_by_label("Right voice").input_value() == "1"
    server.plans = {"kettle": [Plan(("Guilty.",))], "college": [Plan(("Not ", "guilty."), held=1)]}
    say(page, "The verdict?")
    # The left one ends while the right one still grows: neither waits for the other.
    until(page, "document.querySelectorAll('.answer[data-state=ended]').length === 1")
    assert texts(page) == ["Guilty.", "Not "]
    server.go.set()
    whole(page)
    assert texts(page) == ["Guilty.", "Not guilty."]
    assert len({asked["seed"] for asked in server.asked}) == 1
    talk(page, "Why?", 2)
    heard = {asked["model"]: roles(asked)[1][1] for asked in server.asked[2:]}
    assert heard == {"kettle": "Guilty.", "college": "Not guilty."}
    left, right = (box for box in (one.bounding_box() for one in page.locator(".turn:last-child .answer").all()) if box)
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] < right["x"]


def test_one_of_two_answers_is_kept(page: "Page", server: PageServer) -> None:
    page.click("text=Compare")
    server.plans = {"kettle": [Plan(("Guilty.",))], "college": [Plan(("Not guilty.",))]}
    talk(page, "The verdict?", 2)
    page.get_by_role("button", name="Keep this one").nth(1).click()
    assert texts(page) == ["Not guilty."]
    page.click("text=Compare")
    talk(page, "Why?")
    assert roles(server.asked[-1])[1] == ("assistant", "Not guilty.")


def test_two_adapters_are_mixed_by_a_slider(page: "Page", server: PageServer) -> None:
    page.get_by_label("Voice", exact=True).select_option("a mix of two …")
    second = page.get_by_role("combobox", name="Second of the mix")
    assert second.locator("option").all_text_contents() == ["college"], "teapot reads another template"
    slider = page.get_by_role("slider", name="Share of kettle")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "70 % kettle, 30 % college"
    talk(page, "What is tea?")
    assert (server.asked[0]["model"], server.asked[0]["mix"]) == ("kettle", {"kettle": 0.7, "college": 0.3})
    assert texts(page, ".answer .who") == ["70 % kettle + 30 % college"]
    page.get_by_role("combobox", name="First of the mix").select_option("college")
    assert second.locator("option").all_text_contents() == ["kettle"]


def test_a_voice_that_was_chosen_before_is_chosen_again_while_it_is_there(page: "Page", server: PageServer) -> None:
    page.get_by_label("Voice", exact=True).select_option("a mix of two …")
    page.get_by_role("combobox", name="First of the mix").select_option("college")
    page.click("text=Compare")
    visit(page, server)
    talk(page, "Still you?", 2)
    assert texts(page, ".answer .who") == ["50 % college + 50 % kettle", "college"]
    for gone in ({"model": "spoon"}, {"model": "kettle", "mix": {"kettle": 0.5, "teapot": 0.5}}):
        page.evaluate("gone => sessionStorage.setItem('lorum.voices', JSON.stringify([gone]))", gone)
        visit(page, server)
        assert page.get_by_label("Voice", exact=True).input_value() == "0"


def test_a_voice_is_chosen_by_its_card(page: "Page", server: PageServer) -> None:
    card = page.locator(".cards .card").nth(1)
    assert card.locator("dd").all_text_contents() == ["comment-response", "↵↵### END", "16", "98.4 %"]
    card.click(position={"x": 5, "y": 60})
    talk(page, "You?")
    assert server.asked[0]["model"] == "college"


def test_only_the_sampling_that_was_filled_in_is_asked_for(page: "Page", server: PageServer) -> None:
    assert page.get_by_label("Temperature").get_attribute("placeholder") == "0.8"
    assert page.get_by_label("Most tokens").get_attribute("placeholder") == "128"
    page.fill("[name=temperature]", "0.35")
    page.fill("[name=max_tokens]", "7")
    page.fill("[name=seed]", "4")
    talk(page, "Briefly?")
    asked = {name: value for name, value in server.asked[0].items() if name in SAMPLING}
    assert asked == {"temperature": 0.35, "max_tokens": 7, "seed": 4}
    page.click("#own")
    talk(page, "And now?")
    assert SAMPLING & set(server.asked[1]) == {"seed"}
    assert server.asked[1]["seed"] != 4


def test_a_system_text_goes_to_those_who_take_one(page: "Page", server: PageServer) -> None:
    field = page.get_by_label("System text")
    assert not field.is_visible()
    page.click("text=Compare")
    page.get_by_label("Right voice").select_option("teapot")
    field.fill("You are a teapot.")
    talk(page, "Who are you?", 2)
    heard = {asked["model"]: roles(asked) for asked in server.asked}
    assert heard == {"kettle": [("user", "Who are you?")], "teapot": [("system", "You are a teapot."), ("user", "Who are you?")]}


def test_a_wrong_number_is_refused_before_it_is_sent(page: "Page", server: PageServer) -> None:
    wrong = {
        "temperature": ("7", "Temperature takes a number from 0 to 5."),
        "top_k": ("1.5", "Top k takes a whole number of at least 0."),
        "seed": ("-1", "Seed takes a whole number from 0 to 4,294,967,295."),
    }
    for name, (value, words) in wrong.items():
        page.fill(f"[name={name}]", value)
        say(page, "Hot enough?")
        assert page.locator("#wrong").text_content() == words
        assert page.evaluate("document.activeElement.name") == name
        assert page.input_value("#text") == "Hot enough?"
        page.click("#own")
        assert page.locator("#wrong").text_content() == ""
    assert server.asked == []
