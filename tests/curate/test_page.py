"""The page of a folder of judged posts, and the page of a run."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from curate import store
from curate.files import write_json
from curate.manifest import MANIFEST, report_of
from curate.pages import judged as judged_pages
from curate.pages.judged import filter_page, judged_sections
from curate.pages.run import report_page
from curate.pages.style import POLICY
from formats.errors import UserError
from tests.judged_folder import judged_posts, write_judged

VOID = {"meta", "br", "rect", "line"}
HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(2)">',
    "</style></title></details><iframe srcdoc='<script>alert(3)</script>'>",
    '" onmouseover="alert(4)',
    "\x1b]0;owned\x07\x1b[2J",
    "guilty \u202eton\u202c",
    "<!-- never closed",
]


class Page(HTMLParser):
    """Elements, attributes and text of a page; fails where they do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def posts_of_the_caddy() -> list[dict[str, Any]]:
    return [
        {"author": "mabel_of_the_spout", "text": "First, the kettle was warm.", "score": 4},
        {"author": "mabel_of_the_spout", "text": "Second, it was not mine.", "score": 3, "changed_by": ["quotes"]},
        {"author": "odo_the_bailiff", "text": "Tepid.", "score": 1, "target_reasons": ["min_score", "length"]},
        {"author": None, "text": "[removed]", "score": None, "target_reasons": ["removed"], "context_reasons": ["removed"]},
    ]


def section(page: str, heading: str) -> str:
    return page.split(f"<h2>{heading}</h2>")[1].split("<h2>")[0]


def rule(page: str, name: str) -> str:
    return page.split(f"<summary><b>{name}</b>")[1].split('<details class="rule">')[0]


def cells(html: str) -> list[list[str]]:
    """The rows of its tables, as text."""
    return [[re.sub("<[^>]*>", "", cell) for cell in re.findall("<td.*?</td>", row)] for row in re.findall("<tr.*?</tr>", html)]


def test_the_page_has_the_funnel_with_what_became_of_every_post(tmp_path: Path) -> None:
    page = filter_page(write_judged(tmp_path / "judged", judged_posts(posts_of_the_caddy())), "kettle-court")
    assert re.findall(r"<li><b>([\d,]+)</b><i class=\"\w+\"></i>([a-z ]+), ([\d.]+%)", section(page, "What became of every post")) == [
        ("2", "to learn", "50.0%"),
        ("1", "only context", "25.0%"),
        ("1", "dropped", "25.0%"),
    ]
    assert cells(section(page, "Rules"))[1:] == [
        ["removed", "1", "1", "1", ""],
        ["min_score", "1", "–", "1", ""],
        ["length", "0", "–", "1", ""],
        ["kept", "2", "3", "", ""],
        ["posts", "4", "4", "", ""],
    ]
    assert "Dropped nothing: toxicity." in section(page, "Rules")
    assert cells(section(page, "Changed before they were judged"))[1:] == [["quotes", "1", ""]]


def test_authors_have_numbers_and_no_names(tmp_path: Path) -> None:
    page = filter_page(write_judged(tmp_path / "judged", judged_posts(posts_of_the_caddy())), "kettle-court")
    assert "mabel" not in page
    assert "odo_the" not in page
    assert cells(section(page, "Authors"))[-4:] == [
        [],
        ["author 1", "2", "2", ""],
        ["author 2", "1", "0", ""],
        ["no author", "1", "0", ""],
    ]
    kept = rule(page, "min_score").split("Kept, nearest to the limit first")[1]
    assert re.findall(r"<b>score (\d+)</b> · ([\d-]+) · (author \d+)", kept) == [
        ("3", "2024-05-17", "author 1"),
        ("4", "2024-05-17", "author 1"),
    ]


def test_an_example_tells_what_else_dropped_and_changed_it(tmp_path: Path) -> None:
    page = filter_page(write_judged(tmp_path / "judged", judged_posts(posts_of_the_caddy())), "kettle-court")
    dropped, kept = rule(page, "min_score").split("Kept, nearest")
    assert "also dropped as a reply by length" in dropped
    assert "Tepid." in dropped
    assert "changed by quotes" in kept
    assert "minimum: 3" in dropped
    assert "Another rule dropped each of them before." in rule(page, "length")
    assert "<b>toxicity</b>" not in section(page, "Examples")


def test_names_of_authors_are_not_among_the_settings_either(tmp_path: Path) -> None:
    rules = {"authors": {"allow": [], "block": ["mabel_of_the_spout"]}, "bots": {"names": ["odo_the_bailiff", "ann"], "identical": 0.7}}
    posts = judged_posts([{"target_reasons": ["authors", "bots"]}])
    page = filter_page(write_judged(tmp_path / "judged", posts, rules=rules), "kettle-court")
    assert "mabel" not in page
    assert "odo" not in page
    assert "allow: none; block: 1 name" in rule(page, "authors")
    assert "names: 2 names; identical: 0.7" in rule(page, "bots")


def test_texts_are_cut_and_toxic_ones_are_behind_a_note(tmp_path: Path) -> None:
    posts = judged_posts(
        [
            {"text": "kettle " * 200, "title": "A long case", "toxicity": {"toxicity": 0.2, "insult": 0.1}},
            {"text": "You zorblat.", "target_reasons": ["toxicity"], "toxicity": {"toxicity": 0.97, "insult": 0.91}},
            {"text": "Not for work.", "nsfw": True},
        ]
    )
    page = filter_page(write_judged(tmp_path / "judged", posts), "kettle-court")
    shown = rule(page, "toxicity")
    assert "kettle kettle…" in shown
    assert len(max(re.findall("(?:kettle )+", page), key=len)) <= 400
    assert '<summary>Hidden: toxicity 0.97. Open to read.</summary><div class="text"><bdi dir="auto">You zorblat.' in shown
    assert '<summary>Hidden: marked as not safe for work. Open to read.</summary><div class="text"><bdi dir="auto">Not for' in shown
    assert '<details class="veil">' not in shown.split("A long case")[0].split("Kept")[1]


def test_all_that_strangers_wrote_is_text(tmp_path: Path) -> None:
    fields = ("text", "title", "author", "community", "id", "duplicate_of", "flair", "permalink")
    given = [{**dict.fromkeys(fields, text), "language": {"code": text, "confidence": 0.5}} for text in HOSTILE]
    posts = judged_posts([*given, *(post | {"target_reasons": ["length", "words"]} for post in given)])
    folder = write_judged(
        tmp_path / "judged",
        posts,
        rules={"length": {"minimum": 20}, "words": {"block": HOSTILE, HOSTILE[0]: HOSTILE[1]}},
        scorers={"toxicity": {HOSTILE[0]: HOSTILE[1], "parts": {"a": HOSTILE}}},
    )
    page = filter_page(folder, "".join(HOSTILE))
    parsed = Page(page)
    assert not parsed.tags & {"script", "img", "iframe", "a", "link", "object", "form", "base", "embed", "image", "use"}
    assert not {name for _, name in parsed.attributes if name.startswith("on") or name in ("href", "src", "srcdoc", "action")}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    assert "alert(1)" in parsed.text
    assert f'content="{POLICY}"' in page
    assert "default-src 'none'" in POLICY


@pytest.mark.parametrize("missing", [(), ("language", "toxicity", "quoted"), ("toxicity",)])
@pytest.mark.parametrize(
    "changes",
    [
        [],
        [{}],
        [dict.fromkeys(("author", "text", "title", "score", "created_at", "community", "permalink", "language", "removal"))],
        [{"text": "", "score": -2_000_000_000}, {"text": "🫖" * 3000, "score": 2_000_000_000}],
    ],
)
def test_few_posts_and_unknown_values_make_a_whole_page(tmp_path: Path, changes: list[dict[str, Any]], missing: tuple[str, ...]) -> None:
    buckets = [judged_posts(changes, missing)] if changes else []
    page = Page(filter_page(write_judged(tmp_path / "judged", *buckets), "kettle-court"))
    assert f"Together {len(changes):,} posts" in page.text
    assert "None" not in page.text.replace("None.", "")
    assert "nan" not in page.text
    assert ("Languages" in page.text) == (bool(changes) and "language" not in missing)


def test_the_page_is_the_same_however_the_posts_lie_in_buckets(tmp_path: Path) -> None:
    changes = [
        {
            "author": f"author_{place % 7}",
            "score": place % 40 - 3,
            "text": "kettle " * (place % 90),
            "target_reasons": ["min_score"] if place % 40 < 6 else ["length", "toxicity"] if place % 90 < 3 else [],
            "toxicity": {"toxicity": place / 500, "insult": None} if place % 2 else None,
        }
        for place in range(300)
    ]
    posts = judged_posts(changes)
    one = judged_sections(write_judged(tmp_path / "one", posts))
    many = judged_sections(write_judged(tmp_path / "many", posts[:100], posts[100:110], posts[110:]))
    shuffled = judged_sections(write_judged(tmp_path / "shuffled", posts.sample(fraction=1, shuffle=True, seed=1)))
    assert one == many == shuffled
    assert len(re.findall('class="post dropped"', rule("".join(one), "min_score"))) == 10
    assert len(re.findall('class="post kept"', rule("".join(one), "toxicity"))) == 10


def test_only_one_bucket_at_a_time_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_judged(tmp_path / "judged", *(judged_posts([{"id": f"t1_{place}"}]) for place in range(4)))
    read = []
    real = store.read_bucket
    monkeypatch.setattr(judged_pages.store, "read_bucket", lambda *args: read.append(args[1]) or real(*args))
    judged_sections(folder)
    assert read == [0, 1, 2, 3]


def test_a_page_of_millions_has_readable_numbers(tmp_path: Path) -> None:
    folder = write_judged(tmp_path / "judged", judged_posts([{}]))
    report = {
        "posts": 10_000_000,
        "target": {"min_score": 6_000_000, "kept": 4_000_000},
        "context": {"kept": 10_000_000},
        "outcome": {"target": 4_000_000, "context": 6_000_000, "dropped": 0},
        "every": {"min_score": 6_000_001},
        "changed": {},
        "rules": {"min_score": {"minimum": 3}},
        "scorers": {},
    }
    write_json({"stage": "judged", "fingerprint": "0" * 16, "report": report}, folder / MANIFEST)
    page = filter_page(folder, "kettle-court")
    assert "<b>4,000,000</b>" in page
    assert "drops 6,000,001 posts" in page
    assert "Changed before" not in page


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give a folder of judged posts"):
        filter_page(tmp_path, "kettle-court")


def test_the_page_of_a_run_holds_its_funnel_and_the_sections_of_its_judged_posts(tmp_path: Path) -> None:
    write_judged(tmp_path / "judged", judged_posts(posts_of_the_caddy()))
    filtered = report_of(tmp_path / "judged", "judged")
    gathered = {"lines": 6, "rejects": 1, "not_asked_for": 1, "replaced": 0, "posts": 4}
    stages = {"gather": {"seconds": 0.1, "counts": gathered}, "filter": {"seconds": 0.2, "counts": filtered}}
    page = report_page({"name": "<b>kettle", "lorum": "0.1", "started": "2024-05-17", "stages": stages}, tmp_path)
    Page(page)
    assert "<title>&lt;b&gt;kettle — Lorum</title>" in page
    assert [row[:2] for row in cells(section(page, "Where every line went"))] == [
        ["lines read", "6"],
        ["rejected lines", "−1"],
        ["not asked for", "−1"],
        ["posts", "4"],
        ["removed", "−1"],
        ["min_score", "−1"],
        ["kept to learn", "2"],
    ]
    assert page.index("Where every line went") < page.index("What became of every post") < page.index("<h2>Examples</h2>")


def test_the_page_of_a_run_that_is_not_judged_has_no_such_sections(tmp_path: Path) -> None:
    gathered = {"lines": 6, "rejects": 1, "not_asked_for": 1, "replaced": 0, "posts": 4}
    page = report_page({"name": "k", "lorum": "0.1", "started": "", "stages": {"gather": {"seconds": 1, "counts": gathered}}}, tmp_path)
    assert "What became" not in page
