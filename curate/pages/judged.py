"""The page of a folder of judged posts, and its sections as the page of a run holds them."""

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from curate import __version__, store
from curate.manifest import report_of
from curate.pages import drawing, tallies
from curate.pages.charts import stacked
from curate.pages.distributions import SERIES, charts, ranks
from curate.pages.examples import examples_section
from curate.pages.style import page
from filters.funnel import KEPT, OUTCOMES
from formats.visible import for_page

REPORT = "report.html"
"""The page's name in a folder of judged posts, and in the folder of a run."""

_NO_POSTS = pl.DataFrame(schema={"key": pl.Null, **dict.fromkeys(OUTCOMES, pl.Int64)})


def filter_page(judged: Path, name: str, report: Mapping[str, Any] | None = None) -> str:
    """The page of a folder of judged posts.

    Args:
        report: what the stage reports, where it is not finished yet.

    Raises:
        UserError: the folder is none of judged posts.
    """
    head = [f"<h1>{for_page(name)}</h1>", f'<p class="dim">What Lorum {escape(__version__)} made of every post, and why.</p>']
    return page(f"{name} — judged by Lorum", [*head, *judged_sections(judged, report)])


def judged_sections(judged: Path, report: Mapping[str, Any] | None = None) -> list[str]:
    """The sections on judged posts, as HTML: what became of them, the rules, how they are spread, and examples.

    Reads the folder bucket by bucket; what is kept of one are counts by key (authors are the most of them, 16 bytes and three counts
    each) and at most twenty posts a rule.

    Args:
        report: what the stage reports, where it is not finished yet.

    Raises:
        UserError: the folder is none of judged posts.
    """
    report = report or report_of(judged, "judged")
    rules = drawing.Rules.of(report)
    spread: tallies.Tallies = dict.fromkeys(("scores", "lengths", "months", "communities", "authors"), _NO_POSTS)
    examples = pl.DataFrame()
    for bucket in store.bucket_numbers(judged):
        counted, drawn = _look_at(judged, bucket, rules)
        spread = tallies.total([spread, counted])
        examples = drawing.choose([examples, drawn])
    return [
        "<h2>What became of every post</h2>",
        _outcome(report),
        "<h2>Rules</h2>",
        _rules(report),
        *_changed(report),
        *_scorers(report),
        *charts(spread, rules.settings),
        *examples_section(examples, report, ranks(spread["authors"])),
    ]


def _look_at(judged: Path, bucket: int, rules: drawing.Rules) -> tuple[tallies.Tallies, pl.DataFrame]:
    """Counts and examples of one bucket, whose posts are let go."""
    wanted = {*tallies.COLUMNS, *drawing.COLUMNS}
    first = min(store.bucket_folder(judged, bucket).glob("*.parquet"))
    posts = store.read_bucket(judged, bucket, [name for name in pl.read_parquet_schema(first) if name in wanted])
    return tallies.tally(posts), drawing.draw(posts, rules)


def _outcome(report: Mapping[str, Any]) -> str:
    posts, outcome = report["posts"], report["outcome"]
    counts = tuple(outcome[name] for name in OUTCOMES)
    told = "".join(
        f'<li><b>{number:,}</b><i class="{series.look}"></i>{series.name}, {_share(number, posts)}</li>'
        for number, series in zip(counts, SERIES, strict=True)
    )
    return (
        f'<ul class="outcome">{told}</ul>{stacked(counts, SERIES, posts)}'
        f'<p class="dim">Together {posts:,} posts. A post to learn is a reply that the model is to write; one that is only '
        "context may stand before such a reply; a dropped one is neither, and cuts the conversation.</p>"
    )


def _rules(report: Mapping[str, Any]) -> str:
    posts = report["posts"]
    most = max([1, *report["every"].values()])
    rows = []
    for name in (name for name, count in report["every"].items() if count):
        counts = [report[side].get(name) for side in ("target", "context", "every")]
        cells = "".join(f'<td class="n">{"–" if number is None else f"{number:,}"}</td>' for number in counts)
        bar = stacked((counts[2] or 0,), SERIES[2:], most)
        rows.append(f'<tr><td>{escape(name)}</td>{cells}<td class="bar">{bar}</td></tr>')
    kept = [report[side][KEPT] for side in ("target", "context")]
    cells = "".join(f'<td class="n">{number:,}</td>' for number in kept)
    rows.append(f'<tr class="left"><td>kept</td>{cells}<td class="n"></td><td class="bar"></td></tr>')
    cells = f'<td class="n">{posts:,}</td>' * 2
    rows.append(f'<tr><td>posts</td>{cells}<td class="n"></td><td class="bar"></td></tr>')
    head = '<tr><th>rule</th><th class="n">as a reply</th><th class="n">as context</th><th class="n">at all</th><th class="bar"></th></tr>'
    idle = [name for name, count in report["every"].items() if not count]
    nothing = f'<p class="dim">Dropped nothing: {escape(", ".join(idle))}.</p>' if idle else ""
    return (
        '<p class="dim">A post counts once on each side, with the first rule that drops it there, so that both columns add up. '
        "The third counts every post that a rule drops on either side, whatever else drops it too; the bars show these.</p>"
        f'<table class="rows rules">{head}{"".join(rows)}</table>{nothing}'
    )


def _changed(report: Mapping[str, Any]) -> list[str]:
    most = max([1, *report["changed"].values()])
    rows = [
        f'<tr><td>{escape(name)}</td><td class="n">{number:,}</td><td class="bar">{stacked((number,), SERIES[1:2], most)}</td></tr>'
        for name, number in report["changed"].items()
    ]
    head = '<tr><th>transform</th><th class="n">posts changed</th><th class="bar"></th></tr>'
    return ["<h2>Changed before they were judged</h2>", f'<table class="rows">{head}{"".join(rows)}</table>'] if rows else []


def _scorers(report: Mapping[str, Any]) -> list[str]:
    """What the models behind rules report of themselves: figures of any shape, a line each."""
    rows = [
        f"<tr><td>{escape(rule)}</td><td>{for_page(name)}</td><td>{for_page(value)}</td></tr>"
        for rule, figures in report["scorers"].items()
        for name, value in _flat(figures)
    ]
    head = "<tr><th>rule</th><th>figure</th><th></th></tr>"
    return ["<h2>Scorers</h2>", f'<table class="rows">{head}{"".join(rows)}</table>'] if rows else []


def _flat(figures: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(figures, Mapping):
        for key, value in figures.items():
            yield from _flat(value, f"{name}, {key}" if name else str(key).replace("_", " "))
    elif isinstance(figures, list):
        yield name, ", ".join(map(str, figures))
    elif isinstance(figures, bool) or figures is None:
        yield name, {True: "yes", False: "no", None: "–"}[figures]
    elif isinstance(figures, int):
        yield name, f"{figures:,}"
    else:
        yield name, f"{figures:,.4g}" if isinstance(figures, float) else str(figures)


def _share(number: int, posts: int) -> str:
    return f"{number / posts:.1%}" if posts else "0 %"
