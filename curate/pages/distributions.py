"""How posts are spread over scores, lengths, months, toxicity, communities and authors, drawn from their tallies."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import polars as pl

from curate.pages.charts import Bar, Chart, Series, figure, legend, short, stacked
from curate.pages.tallies import LENGTHS, SCORES, SHARES, Tallies
from filters.funnel import OUTCOMES
from formats.visible import cut, for_page

SERIES = (Series("to learn", "learn"), Series("only context", "context"), Series("dropped", "drop"))
"""The outcomes of posts as they are named and coloured."""

LISTED = 12
"""Communities, and authors, of which each has a row."""

_LONGEST_NAME = 40
_MOST_BARS = 240
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
_POSTS_BY_AUTHOR = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000)


def charts(tallies: Tallies, rules: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The sections with the distributions: HTML. `rules` are the settings by rule, for the limits that the charts show."""
    parts = ["<h2>Scores, lengths and time</h2>", legend(SERIES)]
    parts += ['<div class="charts">', _scores(tallies["scores"]), _lengths(tallies["lengths"]), "</div>"]
    parts.append(figure(time_chart(tallies["months"])))
    thresholds = rules.get("toxicity", {}).get("thresholds", {})
    labels = [name for name in tallies if name.startswith("toxicity.") and tallies[name].height]
    if labels:
        parts += [
            "<h2>Toxicity</h2>",
            '<p class="dim">Of the posts that were scored, in steps of 0.05; heights are logarithmic. '
            "Behind the dashed line a reply is dropped.</p>",
            '<div class="charts small">',
            *(figure(toxicity_chart(name.partition(".")[2], tallies[name], thresholds)) for name in labels),
            "</div>",
        ]
    if "languages" in tallies:
        parts += ["<h2>Languages</h2>", _ranking(tallies["languages"], "language", "languages", "not told", _named)]
    parts += ["<h2>Communities</h2>", _ranking(tallies["communities"], "community", "communities", "no community", _named)]
    authors = tallies["authors"]
    ranking = _ranking(authors, "author", "authors", "no author", lambda _, place: f"author {place:,}")
    parts += ["<h2>Authors</h2>", '<p class="dim">Their names are not on this page: author 1 wrote the most posts.</p>']
    parts += ['<div class="charts">', figure(author_chart(authors)), f"<div>{ranking}</div>", "</div>"]
    return parts


def time_chart(months: pl.DataFrame) -> Chart:
    """Posts by month; by year or by more years where there are too many months for bars."""
    known = months.drop_nulls("key")
    if not known.height:
        return Chart("Time", _unknown("No post has a date", months), SERIES, [], {})
    first, last = int(known["key"].min()), int(known["key"].max())  # type: ignore[arg-type]
    step = 1
    if last - first >= _MOST_BARS:
        step = 12 * math.ceil((last // 12 - first // 12 + 1) / _MOST_BARS)
        first = first // step * step
    places = known.with_columns((pl.col("key") - first) // step)
    count = (last - first) // step + 1
    bars = _bars(places, [_period(first + place * step, step) for place in range(count)])
    what = "month" if step == 1 else "year" if step == 12 else f"{step // 12} years"
    told = f"Posts by {what}, {_period(first, step)} to {_period(first + (count - 1) * step, step)}"
    return Chart("Time", _unknown(told, months), SERIES, bars, _time_ticks(first, step, count))


def toxicity_chart(label: str, scores: pl.DataFrame, thresholds: Mapping[str, float]) -> Chart:
    """Posts by the score of one label. The line stands at the threshold itself; the bar that it divides counts as kept."""
    threshold = thresholds.get(label)
    single = scores.select("key", pl.sum_horizontal(OUTCOMES).alias("count"))
    counts = dict(single.iter_rows())
    bars = [Bar(f"{place / SHARES:.2f} to {(place + 1) / SHARES:.2f}", (counts.get(place, 0),)) for place in range(SHARES)]
    over = "" if threshold is None else f", dropped over {threshold:g}"
    told = f"{sum(counts.values()):,} posts{over}"
    ticks = {share * SHARES - 0.5: f"{share:g}" for share in (0, 0.25, 0.5, 0.75, 1)}
    limit = None if threshold is None else threshold * SHARES
    return Chart(label.replace("_", " "), told, (Series("posts", "context"),), bars, ticks, logarithmic=True, limit=limit)


def author_chart(authors: pl.DataFrame) -> Chart:
    """Authors by how many posts they wrote."""
    posts = authors.drop_nulls("key").select(pl.sum_horizontal(OUTCOMES)).to_series()
    edges = (*_POSTS_BY_AUTHOR, math.inf)
    counts = [int(((posts >= begin) & (posts < end)).sum()) for begin, end in pairwise(edges)]
    bars = [Bar(f"{_span(edges, place)} post{'s' if place else ''}", (number,)) for place, number in enumerate(counts)]
    while bars and not sum(bars[-1].counts):
        bars.pop()
    half = _authors_of_half(posts)
    told = f"{len(posts):,} authors by the number of their posts" + (f"; {half:,} of them wrote half of all posts" if half else "")
    ticks = {place: short(int(begin)) for place, begin in enumerate(_POSTS_BY_AUTHOR[: len(bars)]) if place % 2 == 0}
    return Chart("Posts of an author", told, (Series("authors", "context"),), bars, ticks)


def ranks(authors: pl.DataFrame) -> pl.DataFrame:
    """The numbers of authors, from 1 for the one who wrote the most: columns key and author."""
    posts = authors.drop_nulls("key").sort(-pl.sum_horizontal(OUTCOMES), "key")
    return posts.select("key", pl.int_range(1, pl.len() + 1).alias("author"))


def _scores(scores: pl.DataFrame) -> str:
    first, bars = _trimmed(_bars(scores.drop_nulls("key"), [_span(SCORES, place) for place in range(len(SCORES))]))
    ticks = {
        place: short(begin)
        for place, begin in enumerate(SCORES[first : first + len(bars)])
        if begin == 0 or (abs(begin) > 1 and _is_decade(abs(begin)))
    }
    return figure(Chart("Scores", _unknown(f"Half of the posts have {_median(bars)} or more", scores), SERIES, bars, ticks))


def _lengths(lengths: pl.DataFrame) -> str:
    first, bars = _trimmed(_bars(lengths.drop_nulls("key"), [_span(LENGTHS, place) for place in range(len(LENGTHS))]))
    ticks = {
        place: short(begin)
        for place, begin in enumerate(LENGTHS[first : first + len(bars)])
        if begin != 1 and (begin == 0 or _is_decade(begin))
    }
    told = f"Characters; half of the posts have {_median(bars)} or more"
    return figure(Chart("Lengths", told, SERIES, bars, ticks))


def _ranking(table: pl.DataFrame, one: str, many: str, missing: str, name: Callable[[Any, int], str]) -> str:
    """The greatest of a tally in rows, the others and the unknown in one row each. `name` gives HTML for a key and its place."""
    posts = pl.sum_horizontal(OUTCOMES)
    known = table.drop_nulls("key").sort(-posts, "key")
    listed, others, unknown = known.head(LISTED), known.slice(LISTED), table.filter(pl.col("key").is_null())
    rows = [(name(key, place), counts) for place, (key, *counts) in enumerate(listed.iter_rows(), 1)]
    bars = [stacked(counts, SERIES, max(sum(each) for _, each in rows)) for _, counts in rows]
    for label, rest in ((f"{others.height:,} other {many if others.height > 1 else one}", others), (missing, unknown)):
        if rest.height:
            rows.append((f'<span class="dim">{label}</span>', list(rest.select(pl.col(OUTCOMES).sum()).row(0))))
            bars.append("")  # they are no one, and often more than all that have a row
    lines = [
        f'<tr><td>{label}</td><td class="n">{sum(counts):,}</td><td class="n">{counts[0]:,}</td><td class="bar">{bar}</td></tr>'
        for (label, counts), bar in zip(rows, bars, strict=True)
    ]
    head = f'<tr><th>{one}</th><th class="n">posts</th><th class="n">to learn</th><th class="bar"></th></tr>'
    return f'<table class="rows">{head}{"".join(lines)}</table>' if rows else f'<p class="dim">No {many}.</p>'


def _named(key: str, _: int) -> str:
    return for_page(cut(key, _LONGEST_NAME))


def _bars(table: pl.DataFrame, labels: Sequence[str]) -> list[Bar]:
    counts = dict.fromkeys(range(len(labels)), (0, 0, 0))
    summed = table.group_by("key").agg(pl.col(OUTCOMES).sum())
    counts |= {key: (target, context, dropped) for key, target, context, dropped in summed.iter_rows()}
    return [Bar(label, counts[place]) for place, label in enumerate(labels)]


def _trimmed(bars: Sequence[Bar]) -> tuple[int, list[Bar]]:
    """The place of the first bar that counts anything, and the bars from there to the last that does."""
    used = [place for place, bar in enumerate(bars) if sum(bar.counts)]
    return (used[0], list(bars[used[0] : used[-1] + 1])) if used else (0, [])


def _median(bars: Sequence[Bar]) -> str:
    """The bin that holds the median, by its label; for a bin of several numbers, its beginning."""
    upto = list(accumulate(sum(bar.counts) for bar in bars))
    found = next((bar.label for bar, below in zip(bars, upto, strict=True) if 2 * below >= upto[-1]), "0")
    return found.split(" ")[0]


def _authors_of_half(posts: pl.Series) -> int:
    upto = posts.sort(descending=True).cum_sum()
    return int((upto < upto[-1] / 2).sum()) + 1 if len(posts) else 0


def _span(begins: Sequence[float], place: int) -> str:
    begin = int(begins[place])
    if place + 1 == len(begins) or begins[place + 1] == math.inf:
        return f"{begin:,} and more"
    end = int(begins[place + 1]) - 1
    return f"{begin:,}" if begin == end else f"{begin:,} to {end:,}"


def _is_decade(number: int) -> bool:
    return str(number).strip("0") == "1"


def _unknown(told: str, table: pl.DataFrame) -> str:
    unknown = int(table.filter(pl.col("key").is_null()).select(pl.sum_horizontal(OUTCOMES).sum()).item() or 0)
    return f"{told}; of {unknown:,} it is not known" if unknown else told


def _period(month: int, step: int) -> str:
    year = month // 12
    if step == 1:
        return f"{_MONTHS[month % 12]} {year}"
    return str(year) if step == 12 else f"{year} to {year + step // 12 - 1}"


def _time_ticks(first: int, step: int, count: int) -> dict[int, str]:
    """At most eight: months of a short time, else years."""
    if step > 1:
        every = math.ceil(count / 6)
        return {place: str((first + place * step) // 12) for place in range(0, count, every)}
    if count <= 18:
        every = math.ceil(count / 6)
        return {place: f"{_MONTHS[(first + place) % 12][:3]} {(first + place) // 12}" for place in range(0, count, every)}
    every = 12 * math.ceil(count / 12 / 8)
    return {place: str((first + place) // 12) for place in range(count) if (first + place) % every == 0}
