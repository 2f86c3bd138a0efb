"""The page of judged posts in a real browser: hostile posts run nothing, load nothing and break no layout."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from curate.pages.judged import filter_page
from tests.judged_folder import judged_posts, write_judged

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE, DESK = 360, 1400
CANARY = "https://tea.example/"
HOSTILE = {
    "script": "<script>window.ran = 1; alert(1)</script>",
    "image": f'<img src="{CANARY}pixel.gif" onerror="window.ran = 2; alert(2)">',
    "vector": '<svg onload="window.ran = 3"><use href="data:image/svg+xml,x"/></svg>',
    "link": '<a href="javascript:window.ran = 4">plead</a> [plead](javascript:alert(4))',
    "frame": f'</div></article></details></style></title><iframe src="{CANARY}"></iframe>',
    "style": f'<style>@import "{CANARY}x.css"; body {{ display: none }}</style><link rel="stylesheet" href="{CANARY}y.css">',
    "policy": f'<meta http-equiv="refresh" content="0; url={CANARY}"><base href="{CANARY}">',
    "attribute": '" onmouseover="window.ran = 5" autofocus onfocus="window.ran = 6" x="',
    "comment": "<!-- <![CDATA[ never closed",
    "terminal": "\x1b]0;owned\x07\x1b[2J\x9b1m\x00\x08",
    "override": "the verdict: \u202eytliug\u202c \u2067\u2066",
    "word": "kettle" * 170_000,
    "wide": "﷽" * 400,
    "stacked": "k" + "\u0300\u0348" * 300,
    "empty": "",
}


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every hostile text in every field, dropped by one rule and kept by the other."""
    folder = tmp_path_factory.mktemp("page")
    fields = ("text", "title", "community", "flair", "permalink", "duplicate_of")
    rows: list[dict[str, Any]] = []
    for name, text in HOSTILE.items():
        author = None if name == "empty" else text
        every = {**dict.fromkeys(fields, text), "author": author, "language": {"code": text[:20], "confidence": 1.0}}
        rows += [every, every | {"target_reasons": ["min_score"], "context_reasons": ["removed"]}, every | {"target_reasons": ["toxicity"]}]
    rules = {"removed": {}, "min_score": {"minimum": 3}, "toxicity": {"thresholds": {}, **HOSTILE}}
    scorers = {"toxicity": {"key": HOSTILE["script"], HOSTILE["image"]: HOSTILE["word"][:1000]}}
    judged = write_judged(folder / "judged", judged_posts(rows), rules=rules, scorers=scorers)
    (folder / "report.html").write_text(filter_page(judged, HOSTILE["script"]), encoding="utf-8")
    return folder / "report.html"


def visit(browser: "Browser", path: Path, width: int) -> "tuple[Page, list[str]]":
    """The page with all its parts opened and whatever it did that it must not."""
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    happened: list[str] = []
    page.on("dialog", lambda dialog: (happened.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: happened.append(f"console {message.text}"))
    page.on("pageerror", lambda error: happened.append(f"error {error}"))
    page.on("request", lambda request: happened.append(f"request {request.url}") if request.url != path.as_uri() else None)
    page.on("requestfinished", lambda request: happened.append(f"answer to {request.url}") if request.url != path.as_uri() else None)
    page.goto(path.as_uri())
    for closed in page.locator("details.rule > summary").all():
        closed.click()
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.mouse.move(width / 2, 400)
    page.wait_for_timeout(100)
    return page, happened


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_hostile_posts_do_nothing_and_fit(browser: "Browser", hostile_page: Path, width: int) -> None:
    page, happened = visit(browser, hostile_page, width)
    assert happened == []
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.querySelectorAll('a, img, iframe, link, base, object, form, [href], [src]').length") == 0
    assert page.evaluate("document.querySelectorAll('style').length") == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.url == hostile_page.as_uri()
    assert page.title().startswith("<script>")
    assert page.locator(".text", has_text="window.ran = 1").first.is_visible()
    assert page.locator(".hidden", has_text="U+202E").first.is_visible()


def test_the_policy_stops_what_would_run_even_if_it_were_in_the_page(browser: "Browser", hostile_page: Path, tmp_path: Path) -> None:
    careless = tmp_path / "careless.html"
    forgotten = "".join(HOSTILE[name] for name in ("script", "image", "vector"))
    text = hostile_page.read_text(encoding="utf-8").replace("<h2>Rules</h2>", forgotten)
    careless.write_text(text, encoding="utf-8")
    page, happened = visit(browser, careless, DESK)
    assert page.evaluate("window.ran") is None
    assert not [entry for entry in happened if entry.startswith(("dialog", "error", "answer"))]
    assert any("Content Security Policy" in entry for entry in happened)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_small_text_has_the_contrast_that_reading_needs(browser: "Browser", tmp_path: Path, scheme: Any) -> None:
    """At least 4.5 to 1 for text, and 3 to 1 for the colours of charts: WCAG 2.2, 1.4.3 and 1.4.11."""
    path = tmp_path / "report.html"
    path.write_text(filter_page(write_judged(tmp_path / "judged", judged_posts([{}])), "kettle-court"), encoding="utf-8")
    page = browser.new_context(color_scheme=scheme).new_page()
    page.goto(path.as_uri())

    def luminance(name: str) -> float:
        value = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()").removeprefix("#")
        value = value if len(value) == 6 else "".join(2 * digit for digit in value)
        parts = [part / 255 for part in bytes.fromhex(value)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    assert all(contrast(name, behind) >= 4.5 for name in ("ink", "dim", "edge") for behind in ("paper", "card"))
    assert contrast("on-stop", "stop") >= 4.5
    assert all(contrast(name, "paper") >= 3 for name in ("learn", "context", "drop"))
