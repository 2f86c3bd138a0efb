"""The page in a real browser runs nothing but its own code, whatever it is told, and asks nobody but its own server."""

import re
from typing import TYPE_CHECKING

from tests.train.serving.page.driving import talk, texts
from tests.train.serving.page.planned import PageServer, Plan

if TYPE_CHECKING:
    from playwright.sync_api import Page

CANARY = "https://tea.example/"


def test_a_reply_with_markup_stays_text(page: "Page", server: PageServer) -> None:
    hostile = (
        "<script>window.ran = 1</script>",
        f'<img src="{CANARY}x.gif" onerror="window.ran = 2">\n',
        f'</div><iframe src="{CANARY}"></iframe><a href="javascript:window.ran = 3">tea</a>',
        "\u202eytliug &lt;b&gt; ${1}",
    )
    happened: list[str] = []
    page.on("dialog", lambda dialog: (happened.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: happened.append(message.text))
    page.on("pageerror", lambda error: happened.append(str(error)))
    page.on("request", lambda request: happened.append(request.url) if not request.url.startswith(server.address) else None)
    server.plans["kettle"] = [Plan(hostile)]
    talk(page, "<b>Speak</b> <script>window.ran = 4</script>")
    assert texts(page) == ["".join(hostile)]
    assert texts(page, ".said .text") == ["<b>Speak</b> <script>window.ran = 4</script>"]
    assert page.locator("#turns :is(script, img, iframe, a, b:not(.chip))").count() == 0
    page.reload()
    page.wait_for_selector(".answer")
    assert texts(page) == ["".join(hostile)]
    assert page.evaluate("window.ran") is None
    assert happened == []


def test_the_policy_stops_code_that_is_not_the_servers(page: "Page") -> None:
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' }))")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"position: fixed\" onclick=\"window.ran = 2\" id=late>x</p>')")
    page.click("#late")
    assert page.evaluate("fetch('https://tea.example/').catch(() => 'refused')") == "refused"
    assert page.evaluate("window.ran") is None
    assert sum("Content Security Policy" in words for words in told) >= 4


def test_everything_that_is_asked_for_is_the_servers_own(page: "Page", server: PageServer) -> None:
    files = {path for path in server.paths if re.fullmatch(r"/page/\w+\.(js|css)", path)}
    assert set(server.paths) == files | {"/", "/v1/models"}
