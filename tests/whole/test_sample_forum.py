"""The sample forum holds the dirt that its README counts, and the whole funnel comes to the README's figures."""

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import zstandard

from curate.pipeline import run
from curate.recipe import Recipe
from curate.report import adds_up, run_table
from sample_data.build import build, compress

FOLDER = Path(__file__).parents[2] / "sample_data"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
Record = dict[str, Any]


class Silent:
    def __call__(self, what: str, done: int, total: int) -> None: ...
    def say(self, line: str) -> None: ...


def table(heading: str) -> dict[str, int]:
    """The rows of the README's table under a heading: label to count."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    return {
        label.strip().replace("`", ""): int(count.replace(",", ""))
        for label, count in re.findall(r"^\| (.+?) \| ([0-9,]+) \|", section, re.M)
    }


def lines(kind: str) -> list[bytes]:
    data = (FOLDER / f"KettleCourt_{kind}.zst").read_bytes()
    return zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(data).read().splitlines()


def load(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "id" in record else None


COMMENTS = [record for record in map(load, lines("comments")) if record]
SUBMISSIONS = [record for record in map(load, lines("submissions")) if record]
IDS = {"t1_" + record["id"] for record in COMMENTS} | {"t3_" + record["id"] for record in SUBMISSIONS}
TEXTS = Counter(record["body"] for record in COMMENTS if len(record["body"]) > 20)


def near_duplicates() -> Counter[str]:
    """Ids of comments of 20 words and more that share three quarters of their words with another that is not the same."""
    words = [(record["id"], frozenset(re.findall(r"\w+", record["body"].lower()))) for record in COMMENTS]
    long = [(post, found) for post, found in words if len(found) >= 18]
    pairs = ((a, b) for (a, x), (b, y) in combinations(long, 2) if x != y and 4 * len(x & y) >= 3 * len(x | y))
    return Counter({post for pair in pairs for post in pair})


def body(pattern: str) -> Callable[[Record], bool]:
    return lambda record: bool(re.search(pattern, record["body"], re.M))


NEAR = near_duplicates()
COMMENT_KINDS: dict[str, Callable[[Record], bool]] = {
    "deleted with its author": lambda c: c["author"] == "[deleted]" and c["body"] == "[deleted]",
    "author deleted, text kept": lambda c: c["author"] == "[deleted]" and c["body"] != "[deleted]",
    "removed by a moderator": lambda c: c["body"] == "[removed]",
    "removed by the administrators": lambda c: bool(re.match(r"\[ Removed by Reddit( \]| on account)", c["body"])),
    "removed for copyright": lambda c: "copyright notice" in c["body"],
    "deleted by its user": lambda c: c["body"] == "[ Deleted By User ]",
    "deleted after it was archived": lambda c: "_meta" in c,
    "bots by name": lambda c: bool(re.search("^AutoModerator$|[-_]bot$|Bot$", c["author"])),
    "bots by what they say": lambda c: "I am a bot" in c["body"] and not re.search("^AutoModerator$|[-_]bot$|Bot$", c["author"]),
    "stickied": lambda c: c["stickied"],
    "distinguished, by a person": lambda c: bool(c["distinguished"]) and c["author"] != "AutoModerator",
    "score null": lambda c: c["score"] is None,
    "score hidden": lambda c: c["score_hidden"],
    "HTML entities": body(r"&(amp|lt|gt);"),
    "zero-width space as an entity": body("&amp;#x200B;"),
    "quoted parent": body(r"^&gt; "),
    "URL": body("https?://"),
    "e-mail address": body(r"\w@example\.(com|org)"),
    "phone number": body(r"555-01\d\d|020 7946 0\d\d\d"),
    "mention of a user": body(r"\bu/\w"),
    "German": body(r"(?i)\b(und|nicht|aber|wer|ich|bevor)\b"),
    "Spanish": body(r"(?i)\b(señorías?|sobremesas|hervidor|suegros|cajón|adulto)\b"),
    "mild swear words": body(r"(?i)\b(damn|bloody hell|crap|bollocks|piss off)"),
    "exact duplicates": lambda c: TEXTS[c["body"]] > 1,
    "near duplicates": lambda c: NEAR[c["id"]],
    "created_utc a string": lambda c: isinstance(c["created_utc"], str),
    "created_utc a float": lambda c: isinstance(c["created_utc"], float),
    "parent_id an integer": lambda c: isinstance(c["parent_id"], int),
    "parent missing": lambda c: isinstance(c["parent_id"], str) and c["parent_id"] not in IDS,
    "contains ### Response:": body("### Response:"),
    "contains ### END": body(r"### END(?! CONV)"),
    "contains ### Comment:": body("### Comment:"),
    "contains ### END CONVERSATION ###": body("### END CONVERSATION ###"),
    "contains ## Speaker_0: ##": body("## Speaker_0: ##"),
    "contains <\\|im_end\\|>": body(r"&lt;\|im_end\|&gt;"),
    "contains <\\|im_start\\|>": body(r"&lt;\|im_start\|&gt;"),
    "contains </s>": body("&lt;/s&gt;"),
    "under 20 characters, not removed": lambda c: len(c["body"]) < 20 and not c["body"].startswith("["),
    "over 2,000 characters": lambda c: len(c["body"]) > 2000,
}
SUBMISSION_KINDS: dict[str, Callable[[Record], bool]] = {
    "removed, by category": lambda s: bool(s["removed_by_category"]),
    "removed, legal": lambda s: s["removal_reason"] == "legal",
    "promoted": lambda s: s["promoted"],
    "without an author": lambda s: "author" not in s,
    "NSFW": lambda s: s["over_18"],
    "stickied": lambda s: s["stickied"],
    "from 2011": lambda s: s["created_utc"] < 1_400_000_000,
}


def test_the_dumps_are_what_the_threads_make() -> None:
    for kind, built in zip(("comments", "submissions"), build(), strict=True):
        assert [line.encode() for line in built] == lines(kind)


def test_the_dumps_need_the_window_that_breaks_ordinary_readers() -> None:
    for kind in ("comments", "submissions"):
        data = (FOLDER / f"KettleCourt_{kind}.zst").read_bytes()
        assert zstandard.get_frame_parameters(data).window_size == 2**31
    with pytest.raises(zstandard.ZstdError, match="too much memory"):
        zstandard.ZstdDecompressor().stream_reader(compress(["{}"])).read()


def test_every_kind_of_dirt_is_there_as_often_as_the_readme_says() -> None:
    assert table("Dirt among the comments") == {name: sum(map(holds, COMMENTS)) for name, holds in COMMENT_KINDS.items()} | {
        "malformed lines": len(lines("comments")) - len(COMMENTS)
    }
    assert table("Dirt among the submissions") == {name: sum(map(holds, SUBMISSIONS)) for name, holds in SUBMISSION_KINDS.items()}


def test_the_forum_is_as_large_as_promised() -> None:
    assert len(SUBMISSIONS) >= 100
    assert len(COMMENTS) >= 800
    parents = {"t1_" + record["id"]: record["parent_id"] for record in COMMENTS}

    def depth(post: str) -> int:
        return 1 + depth(parents[post]) if post in parents else 0

    assert max(map(depth, parents)) == 8


def test_the_whole_funnel_comes_to_the_readmes_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORUM_CACHE", str(tmp_path / "cache"))
    record = run(Recipe.read(FOLDER / "recipe.toml"), tmp_path / "run", Silent(), until="format")
    rows = run_table(record["stages"])
    assert adds_up(rows)
    assert table("The funnel") == {row.label: row.count for row in rows}
    counts = record["stages"]["filter"]["counts"]
    assert table("Changed before they are judged") == counts["changed"]
    assert f"may still be context: {counts['outcome']['context']} posts\nare, and {counts['outcome']['dropped']} are neither." in README
