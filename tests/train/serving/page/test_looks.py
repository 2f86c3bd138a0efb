"""The page as it is seen and heard: it fits a phone, can be read in both themes, and everything on it has a name."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.train.serving.page.driving import talk, visit
from tests.train.serving.page.planned import PageServer, Plan
from train.serving.page.files import POLICY, START, page_files

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESK, PHONE = 1300, 390
NAMED = {"button", "combobox", "textbox", "spinbutton", "slider", "searchbox", "checkbox", "region", "article"}
CONTRASTS = """(seen) => [...document.querySelectorAll(seen)].filter((one) => one.checkVisibility()).map((element) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  const light = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = element;
  while (behind && /, 0\\)$|^transparent$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  const [low, high] = [light(getComputedStyle(element).color), light(getComputedStyle(behind ?? document.body).backgroundColor)].sort();
  return [element.outerHTML.slice(0, 80), (high + 0.05) / (low + 0.05)];
})"""


def opened(browser: "Browser", server: PageServer, width: int, **context: Any) -> "Page":
    page = browser.new_context(viewport={"width": width, "height": 800}, **context).new_page()
    page.set_default_timeout(15_000)
    return visit(page, server)


def busy_page(browser: "Browser", server: PageServer, width: int, **context: Any) -> "Page":
    """A page with all that it can show: two voices, a mix, an answer that was cut, one that failed, an edit."""
    page = opened(browser, server, width, **context)
    page.click("text=Compare")
    page.get_by_label("Right voice").select_option("a mix of two …")
    server.plans["kettle"] = [Plan(("kettle" * 200,), ending="length"), Plan(status=429, message="busy", wait=30)]
    talk(page, "wide" * 100, 2)
    talk(page, "And?", 2)
    page.get_by_role("button", name="Edit: wide").click()
    return page


def test_the_page_fits_and_the_message_field_is_in_sight(browser: "Browser", server: PageServer) -> None:
    page = busy_page(browser, server, DESK)
    for width in (DESK, 800, PHONE, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("scroller.scrollWidth <= scroller.clientWidth")
        field = page.locator("#text").bounding_box()
        assert field is not None
        assert field["width"] > 150
        assert field["y"] + field["height"] <= 800


def test_a_phone_opens_the_settings_over_the_talk(browser: "Browser", server: PageServer) -> None:
    page = opened(browser, server, PHONE)
    assert not page.locator("#panel").is_visible()
    page.click("#panel-open")
    assert page.locator("#panel-open").get_attribute("aria-expanded") == "true"
    page.fill("[name=temperature]", "9")
    page.keyboard.press("Escape")
    assert not page.locator("#panel").is_visible()
    page.fill("#text", "Too hot?")
    page.press("#text", "Enter")
    assert page.locator("#panel").is_visible(), "what is wrong in it is shown"
    assert page.evaluate("document.activeElement.name") == "temperature"


def test_everything_that_can_be_used_has_a_name(browser: "Browser", server: PageServer) -> None:
    page = busy_page(browser, server, DESK)
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    assert [role for role, name in found if role in NAMED and not name.strip()] == []
    names = {name for _, name in found}
    assert {"Message", "Left voice", "Right voice", "Share of kettle", "Temperature", "Conversation", "Settings"} <= names
    answers = [name for role, name in found if role == "article"]
    assert answers == ["Answer of kettle", "Answer of 50 % kettle + 50 % college"] * 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_reading_needs(browser: "Browser", server: PageServer, scheme: Any) -> None:
    """At least 4.5 to 1 for text: WCAG 2.2, 1.4.3."""
    page = busy_page(browser, server, DESK, color_scheme=scheme)
    seen = "h1, h2, .dim, .who, .text, .why span, .chip, .error, .card dt, .card dd, .card h3, button:enabled, select, label, kbd, input"
    papers = set()
    for _ in ("auto", "light", "dark"):
        contrasts = page.evaluate(CONTRASTS, seen)
        assert [(element, contrast) for element, contrast in contrasts if contrast < 4.5] == []
        assert len(contrasts) > 40
        papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.click("#theme")
    assert len(papers) == 2, "the page has its own say, whatever the system's theme is"


def test_the_files_are_whole_and_name_nothing_from_elsewhere() -> None:
    files = {name: file.content.decode() for name, file in page_files().items()}
    modules = {name for name in files if name.endswith(".js")}
    asked = set(re.findall(r'="/page/([\w.]+)"', files[START]))
    assert asked == modules | {"page.css"}, "each module is asked for with the page, not one after the other"
    for name in modules:
        assert set(re.findall(r'from "\./([\w.]+)"', files[name])) <= modules
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setAttribute\(\"on", files[name]
        )
    addresses = [found for text in files.values() for found in re.findall(r"https?://[^'\"\s]+", text)]
    assert addresses == ["http://www.w3.org/2000/svg"], "the name of a format, which no browser asks for"
    assert "unsafe" not in POLICY
    assert "default-src 'none'" in POLICY
