"""The page of samples in a real browser: found, filtered, turned, read token by token, and safe from what the samples say."""

import datetime
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from curate.pages.style import STYLE
from formats.contract.report import ContractReport, Point, StopSpec
from formats.page.page import Shown, write_page
from formats.templates.escape import Escaper
from formats.templates.template import load_template
from formats.visible import for_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE, DESK = 390, 1300
ROWS = 700
TEMPLATE = load_template("speakers")
CANARY = "https://tea.example/"
HOSTILE = (
    "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>",
    f'</script></style><iframe src="{CANARY}"></iframe><base href="{CANARY}">',
    "the verdict: \u202eytliug\u202c \u2067\u2066 ke\u200bttle \x1b[2J\x00\x9b \U000e0068",
    "&lt;b&gt; &amp; \" ' ` ${1} \\u0041",
    "می\u200cخواهم \U0001f468\u200d\U0001f469\u200d\U0001f467 ☕\ufe0f e\u0301 ket\u200dtle",
    "kettle" * 3000,
    "﷽" * 300,
)


def forum() -> pl.DataFrame:
    """Samples of two communities: number, score and toxicity rise together; the last ones are hostile."""
    escape = Escaper(TEMPLATE.cores).escape
    rows: list[dict[str, Any]] = []
    for number in range(ROWS):
        hostile = HOSTILE[number - ROWS] if number >= ROWS - len(HOSTILE) else None
        text = escape(hostile.strip()) if hostile else f"Kettle {number} pleads, in the matter of {'toast ' * (number % 7)}crumpets."
        context = f"### Who\n  boiled {number // 3}?"
        rows.append(
            {
                "id": f"t1_{number}",
                "community": "KettleCourt" if number % 10 else "TeapotTrials",
                "created_at": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=number),
                "score": number,
                "toxicity": None if number < 5 else number / ROWS,
                "split": "train" if number < 600 else "test",
                "prompt": f"{TEMPLATE.begin}## Speaker_0: ##\n{context}\n\n## Bot: ##\nI did.\n\n## Speaker_1: ##\nWhy?\n\n## Bot: ##\n",
                "completion": text + TEMPLATE.stop,
            }
        )
    return pl.DataFrame(rows, schema_overrides={"toxicity": pl.Float64})


def tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trained_on = ["Kettle pleads, in the matter of toast and crumpets."] * 3
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(trained_on, trainers.BpeTrainer(vocab_size=300, special_tokens=["<|im_end|>"], initial_alphabet=alphabet))
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "samples.html"
    points = (
        Point("ends with its stop", True, ROWS, ROWS, "every sample ends with its stop"),
        Point("the end token is no pad", False, 0, ROWS, "pads are masked, and the stop with them", "t1_1: <b>", "take another pad token"),
    )
    report = ContractReport(ROWS, 0, StopSpec("<|im_end|>", 0, (TEMPLATE.stop,), TEMPLATE.reply_opening()), (5, 0), 99, points)
    samples = forum()
    write_page(path, Shown("Kettle Court", TEMPLATE, "kettle-135m", tokenizer(), report), [samples[:300], samples[300:]])
    return path


@pytest.fixture
def visit(browser: "Browser", page_path: Path) -> "Iterator[Callable[..., Page]]":
    """Opens the page; at the end nothing may have happened that must not."""
    happened: list[str] = []
    contexts = []

    def open_page(fragment: str = "", width: int = DESK, **options: Any) -> "Page":
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("dialog", lambda dialog: (happened.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: happened.append(f"console {message.text}"))
        page.on("pageerror", lambda error: happened.append(f"error {error}"))
        page.on("request", lambda asked: happened.append(f"request {asked.url}") if asked.url.split("#")[0] != page_path.as_uri() else None)
        page.goto(page_path.as_uri() + fragment)
        settled(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert happened == []


def settled(page: "Page") -> None:
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    page.wait_for_timeout(40)
    page.wait_for_selector("#list[aria-busy=false]")


def search(page: "Page", words: str) -> None:
    page.fill("#query", words)
    typed = page.input_value("#query")
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).fragment).get("q", [""]) == [typed])
    settled(page)


def ids(page: "Page") -> list[str]:
    return page.locator("article h3").all_inner_texts()


def count(page: "Page") -> str:
    return page.inner_text("#count")


def test_the_first_page_shows_samples_part_by_part(visit: "Callable[..., Page]") -> None:
    page = visit()
    assert count(page) == "700 samples"
    assert ids(page) == [f"t1_{number}" for number in range(20)]
    first = page.locator("article").first
    assert first.locator(".part .text").all_inner_texts() == [
        "### BEGIN CONVERSATION ###↵↵## Speaker_0: ##↵", "### Who\n  boiled 0?", "↵↵## Bot: ##↵", "I did.", "↵↵## Speaker_1: ##↵", "Why?",
        "↵↵## Bot: ##↵", "Kettle 0 pleads, in the matter of crumpets.", "↵↵### END CONVERSATION ### <|im_end|>",
    ]  # fmt: skip
    assert first.locator(".who").all_inner_texts() == ["", "0", "", "B", "", "1", "", "▶", "■"]
    assert "score 0" in first.inner_text()


def test_search_finds_words_ids_and_where(visit: "Callable[..., Page]") -> None:
    page = visit()
    search(page, "KETTLE 12 pleads,\n in")
    assert (count(page), ids(page)) == ("1 of 700 samples", ["t1_12"])
    assert page.locator("mark.hit").all_inner_texts() == ["Kettle 12 pleads, in"]
    search(page, "t1_650")
    assert ids(page) == ["t1_650"]
    search(page, "boiled 200")
    assert ids(page) == ["t1_600", "t1_601", "t1_602"]
    page.select_option("#where", "reply")
    settled(page)
    assert (count(page), ids(page)) == ("0 of 700 samples", [])
    assert "No sample passes" in page.inner_text("#list")
    search(page, "END CONVERSATION")
    assert count(page).startswith("0 of")  # boundaries are not what the forum wrote


def test_filters_and_order_work_together_and_stand_in_the_address(visit: "Callable[..., Page]") -> None:
    page = visit()
    page.select_option("#community", "=TeapotTrials")
    page.select_option("#split", "=train")
    page.select_option("#sort", "best")
    page.get_by_label("score to").fill("500")
    page.get_by_label("score to").press("Enter")
    page.get_by_label("toxicity from").fill("0.01")
    page.get_by_label("toxicity from").press("Enter")
    settled(page)
    assert count(page) == "50 of 700 samples"
    assert ids(page)[:3] == ["t1_500", "t1_490", "t1_480"]
    assert page.evaluate("location.hash") == "#split=train&community=TeapotTrials&score=..500&toxicity=0.01..&sort=best"
    again = visit(page.evaluate("location.hash"))
    assert (count(again), ids(again)) == (count(page), ids(page))
    page.click("#reset")
    settled(page)
    assert count(page) == "700 samples"


def test_a_range_is_drawn_across_a_chart_and_taken_back_with_a_click(visit: "Callable[..., Page]") -> None:
    page = visit("#sort=worst")
    page.click("#contract summary")
    chart = page.locator("#chart-score svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, middle, steps=4)
    page.mouse.up()
    settled(page)
    low, high = (page.get_by_label(f"score {end}").input_value() for end in ("from", "to"))
    assert ids(page)[0] == f"t1_{low}"
    assert count(page) == f"{ROWS - int(low)} of 700 samples"
    assert int(high) >= ROWS - 1
    page.get_by_label("Clear the filter of score").click()
    settled(page)
    assert count(page) == "700 samples"


def test_pages_turn_by_buttons_number_and_keys(visit: "Callable[..., Page]") -> None:
    page = visit()
    page.click("#next")
    settled(page)
    assert ids(page)[0] == "t1_20"
    page.fill("#page", "35")
    page.press("#page", "Enter")
    settled(page)
    assert (ids(page)[0], page.is_disabled("#next")) == ("t1_680", True)
    page.locator("#samples").focus()
    page.keyboard.press("p")
    settled(page)
    assert ids(page)[0] == "t1_660"
    page.select_option("#size", "50")
    settled(page)
    assert len(ids(page)) == 50


def test_keys_search_walk_open_and_explain(visit: "Callable[..., Page]") -> None:
    page = visit("#show=10")
    page.keyboard.press("/")
    page.keyboard.type("toast tj")
    page.keyboard.press("Escape")
    assert page.input_value("#query") == "toast tj"  # t and j are letters there, and leaving the field keeps them
    search(page, "")
    page.locator("#samples").focus()
    for _ in range(11):
        page.keyboard.press("j")
        page.wait_for_timeout(40)
    settled(page)
    assert page.locator("article.here h3").inner_text() == "t1_10"
    assert page.evaluate("document.activeElement.dataset.row") == "10"
    assert page.evaluate("location.hash") == "#page=2&show=10&at=11"
    page.keyboard.press("k")
    settled(page)
    assert page.locator("article.here h3").inner_text() == "t1_9"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_a_link_to_a_sample_opens_the_page_that_it_is_on(visit: "Callable[..., Page]") -> None:
    page = visit("#at=651")
    assert page.locator("article.here h3").inner_text() == "t1_650"
    assert page.locator("article.here").is_visible()
    assert count(visit("#score=abc..&page=-3&show=7&sort=nonsense&q=%")) == "0 of 700 samples"


def test_tokens_show_the_mask(visit: "Callable[..., Page]") -> None:
    page = visit()
    page.keyboard.press("t")
    page.wait_for_selector(".tokens")
    first = page.locator("article").first
    texts = first.locator(".tok bdi").all_inner_texts()
    assert "".join(texts).startswith("###␣BEGIN␣CONVERSATION␣###↵↵")
    learned = "".join(first.locator(".tok.learned:not(.stop) bdi").all_inner_texts())
    assert learned == "Kettle␣0␣pleads,␣in␣the␣matter␣of␣crumpets."
    assert "".join(first.locator(".tok.stop bdi").all_inner_texts()) == "↵↵###␣END␣CONVERSATION␣###<|im_end|>"
    assert first.locator(".tok.special").count() == 1
    ids_shown = first.locator(".tok i").all_inner_texts()
    encoder = tokenizer()
    assert encoder.decode([int(one) for one in ids_shown if one != "0"]).startswith("### BEGIN CONVERSATION ###")
    assert page.evaluate("location.hash") == "#tokens=1"


def test_long_texts_are_cut_until_they_are_asked_for(visit: "Callable[..., Page]") -> None:
    page = visit(f"#at={ROWS - 1}")
    long = page.locator(f"article[data-row='{ROWS - 2}']")
    assert long.locator("button.whole").inner_text() == "… 12,000 more characters"
    long.locator("button.whole").click()
    page.wait_for_timeout(100)
    assert len(long.locator(".part.reply .text").inner_text()) == 18_000
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    assert long.locator("button.whole").count() == 1


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_hostile_samples_do_nothing_fit_and_are_marked_as_everywhere(visit: "Callable[..., Page]", width: int) -> None:
    page = visit("#q=&sort=best", width)
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("iframe, img, base, object, form:not([method=dialog])").count() == 0
    for number, text in enumerate(HOSTILE[:5]):
        bdi = page.locator(f"article[data-row='{ROWS - len(HOSTILE) + number}'] .part.reply bdi").first
        same = "([shown, said]) => { const one = document.createElement('div'); one.innerHTML = said; return [shown, one.innerHTML]; }"
        shown, expected = page.evaluate(same, [bdi.evaluate("node => node.outerHTML"), for_page(text.strip())])
        assert shown == expected


def test_the_contract_that_fails_is_open_and_says_why(visit: "Callable[..., Page]") -> None:
    page = visit()
    assert "1 of 2 points fails" in page.inner_text("#contract summary")
    assert "take another pad token" in page.inner_text("#contract")
    page.click("#template summary")
    assert "END CONVERSATION" in page.inner_text("#template pre")


def test_the_mask_is_told_by_lines_and_in_words_and_not_by_colour_alone(visit: "Callable[..., Page]") -> None:
    page = visit("#tokens=1", forced_colors="active")
    first = page.locator("article").first
    groups = first.locator(".tokens [role=group]")
    assert [words.split(",")[0] for words in groups.evaluate_all("all => all.map(one => one.ariaLabel)")] == [
        "prompt without loss",
        "reply with loss",
        "stop with loss",
    ]
    assert "###␣END␣CONVERSATION␣###<|im_end|>" in "".join(groups.last.locator("bdi").all_inner_texts())
    assert first.locator(".tok i:not([aria-hidden=true])").count() == 0
    line = "box => { const look = getComputedStyle(box); return [look.borderBottomWidth, look.borderBottomStyle]; }"
    lines = [tuple(page.evaluate(line, groups.nth(place).locator(".tok").first.element_handle())) for place in range(3)]
    assert lines == [("1px", "solid"), ("3px", "solid"), ("3px", "double")]
    legend = page.locator("#token-legend .tok")
    assert [tuple(legend.nth(place).evaluate(line)) for place in range(3)] == lines


def test_keys_walk_on_from_where_the_reader_is(visit: "Callable[..., Page]") -> None:
    page = visit()
    page.evaluate("scrollTo({ top: document.querySelectorAll('article')[12].offsetTop, behavior: 'instant' })")
    page.keyboard.press("j")
    settled(page)
    assert page.locator("article.here").get_attribute("data-row") == "12"
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    page.keyboard.press("j")
    settled(page)
    assert page.locator("article.here").get_attribute("data-row") == "0"


def focused(page: "Page") -> str:
    return str(
        page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.tagName")
    )


def test_the_focus_stays_where_the_reader_is(visit: "Callable[..., Page]") -> None:
    page = visit("#page=34")
    page.focus("#next")
    page.keyboard.press("Enter")
    settled(page)
    assert (page.is_disabled("#next"), focused(page)) == (True, "samples")
    page.locator("article").first.click()
    page.keyboard.press("p")
    settled(page)
    assert focused(page) == "samples"
    page.get_by_label("score to").fill("3")
    page.keyboard.press("Enter")
    page.get_by_label("Clear the filter of score").press("Enter")
    settled(page)
    assert focused(page) == "score from"
    page.select_option("#split", "=test")
    page.locator("#reset").press("Enter")
    settled(page)
    assert focused(page) == "query"


def test_ranges_may_be_typed_from_either_end(visit: "Callable[..., Page]") -> None:
    page = visit("#score=20..11")
    assert count(page) == "10 of 700 samples"
    page.get_by_label("score to").fill("9")
    page.keyboard.press("Enter")
    settled(page)
    assert [page.get_by_label(f"score {end}").input_value() for end in ("from", "to")] == ["9", "11"]
    nothing = visit("#score=8000..")
    assert count(nothing) == "0 of 700 samples"
    assert nothing.locator("#chart-length .most").inner_text() == ""


def test_a_phone_shows_which_filters_are_on_and_how_to_take_them_back(visit: "Callable[..., Page]") -> None:
    page = visit("#score=8000..&split=test", PHONE)
    assert page.inner_text("#more summary") == "Filters (2 on)"
    assert page.locator("#reset").is_visible()
    page.locator("#list button.reset").click()
    settled(page)
    assert (count(page), page.inner_text("#more summary"), page.locator("#reset").is_visible()) == ("700 samples", "Filters", False)


@pytest.mark.parametrize("theme", ["auto", "dark"])
def test_a_dark_page_prints_light(visit: "Callable[..., Page]", theme: str) -> None:
    page = visit(color_scheme="dark")
    page.evaluate("theme => { if (theme !== 'auto') document.documentElement.dataset.theme = theme; }", theme)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert contrast(page, "learn", "paper") >= 4.5
    assert contrast(page, "edge", "paper") >= 4.5


@pytest.fixture(scope="module")
def long_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of one sample whose context is far longer than a page may show at once."""
    text = "crumpet " * 30_000 + "The kettle rests. " + "toast " * 60_000
    prompt = f"{TEMPLATE.begin}## Speaker_0: ##\n{text.strip()}\n\n## Bot: ##\n"
    samples = pl.DataFrame({"id": ["t1_long"], "prompt": [prompt], "completion": [f"So be it.{TEMPLATE.stop}"]})
    path = tmp_path_factory.mktemp("long") / "long.html"
    write_page(path, Shown("Kettle Court", TEMPLATE, "kettle-135m", tokenizer()), [samples])
    return path


def test_a_very_long_text_can_be_searched_and_looked_at_piece_by_piece(browser: "Browser", long_path: Path) -> None:
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(long_path.as_uri())
    settled(page)
    search(page, "toast")
    assert count(page) == "1 sample"
    assert 10 < page.locator("mark.hit").count() < 900
    assert page.locator("button.whole").all_inner_texts()[0].endswith("characters before")
    assert "finds of the search among what is left out" in page.locator("button.whole").last.inner_text()
    search(page, "kettle rests.")
    assert page.locator("mark.hit").all_inner_texts() == ["kettle rests."]
    search(page, "toast")
    page.locator("button.whole").first.click()
    page.wait_for_function("!document.querySelector('button.whole')")
    assert page.locator("mark.hit").count() == 2000
    page.keyboard.press("Enter")
    page.wait_for_selector("button.whole")
    page.keyboard.press("t")
    page.wait_for_selector(".tokens")
    assert page.locator(".tokens .tok").count() == 1500
    page.locator("button.whole").click()
    page.wait_for_function("document.querySelectorAll('.tokens .tok').length === 21500")
    assert errors == []
    page.close()


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("score", list(range(700)), list(range(0, 701, 50))),
        ("score", [3], [1, 2, 3, 4, 5, 6]),
        ("score", [*([1] * 200), *([3] * 90), 12, 700, -2], [-3, -1, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]),
        ("length", [*range(354, 901)], list(range(350, 951, 50))),
        ("length", [*([64] * 900), *([128] * 95), 1000], [round(2 ** (place / 4)) for place in range(24, 41)]),
        ("toxicity", [1, 9000], [500 * place for place in range(21)]),
    ],
)
def test_bars_stand_for_ranges_of_one_width(browser: "Browser", name: str, values: list[int], expected: list[int]) -> None:
    code = (files("formats.page") / "charts.js").read_text(encoding="utf-8")
    page = browser.new_page()
    found = page.evaluate(
        f"([name, values]) => {{ const UNKNOWN = -(2 ** 31);\n{code}\nreturn edges(name, Int32Array.from([...values, UNKNOWN])); }}",
        [name, values],
    )
    page.close()
    assert found == expected


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_or_the_button_and_can_be_read(visit: "Callable[..., Page]", scheme: str) -> None:
    page = visit(color_scheme=scheme)
    dark = "rgb(20, 24, 27)"
    background = "getComputedStyle(document.body).backgroundColor"
    assert (page.evaluate(background) == dark) is (scheme == "dark")
    while page.inner_text("#theme span") != "dark":
        page.click("#theme")
    assert page.evaluate(background) == dark
    for theme in ("dark", "light"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        for name, behind in (
            ("ink", "paper"),
            ("dim", "paper"),
            ("dim", "card"),
            ("edge", "paper"),
            ("ink", "tint"),
            ("on-stop", "stop"),
            ("bad", "paper"),
            ("learn", "paper"),
            ("mark", "paper"),
            ("mark", "tint"),
        ):
            assert contrast(page, name, behind) >= 4.5, (theme, name, behind)
        for behind in ("paper", "card"):
            assert contrast(page, "control", behind) >= 3, (theme, behind)


def contrast(page: "Page", one: str, other: str) -> float:
    def luminance(name: str) -> float:
        value = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()").removeprefix("#")
        value = value if len(value) == 6 else "".join(2 * digit for digit in value)
        parts = [part / 255 for part in bytes.fromhex(value)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_readers_that_read_aloud_find_their_way(visit: "Callable[..., Page]") -> None:
    page = visit()
    tree = page.locator("body").aria_snapshot()
    for part in (
        "search",
        "main",
        "banner",
        'heading "Samples of Kettle Court" [level=1]',
        "status: 700 samples",
        'navigation "Pages of samples"',
    ):
        assert part in tree, part
    assert page.get_by_label("Search", exact=True).count() == 1
    assert page.evaluate("document.querySelectorAll('input:not([aria-label])').length") == page.evaluate(
        "[...document.querySelectorAll('input:not([aria-label])')].filter(input => input.labels.length).length"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "samples"


def test_the_page_is_of_the_family_of_the_others(page_path: Path) -> None:
    text = page_path.read_text(encoding="utf-8")
    colours = {colour for name, colour in re.findall(r"--([a-z-]+): (#[0-9a-f]+);", STYLE) if name != "drop"}  # nothing is dropped here
    assert colours
    assert all(colour in text for colour in colours)


def test_a_page_that_was_cut_off_says_so(browser: "Browser", page_path: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.html"
    text = page_path.read_text(encoding="utf-8")
    short.write_text(text[: text.index('id="samples-2"') - 60], encoding="utf-8")
    page = browser.new_page()
    page.goto(short.as_uri() + "#page=30")
    page.wait_for_selector("[role=alert]")
    assert "the page is incomplete" in page.inner_text("#list")
    page.close()
