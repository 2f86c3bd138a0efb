import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.pages.charts import HEIGHT, Bar, Chart, Series, figure, short, stacked
from curate.pages.distributions import SERIES, author_chart, charts, time_chart, toxicity_chart
from filters.funnel import OUTCOMES

TWO = (Series("to learn", "learn"), Series("dropped", "drop"))


def tally(*rows: tuple[object, int, int, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["key", *OUTCOMES], orient="row")


def heights(svg: str) -> list[float]:
    return [float(height) for height in re.findall(r'<rect class="\w+" x="[\d.]+%" width="[\d.]+%" y="[\d.]+" height="([\d.]+)"', svg)]


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=60), st.booleans())
def test_bars_stay_in_the_chart_and_say_their_values(counts: list[tuple[int, int]], logarithmic: bool) -> None:
    series = TWO[:1] if logarithmic else TWO
    bars = [Bar(f"{place}", pair[: len(series)]) for place, pair in enumerate(counts)]
    drawn = figure(Chart("Scores", "of posts", series, bars, {0: "0"}, logarithmic))
    assert all(0 <= height <= HEIGHT + 0.7 for height in heights(drawn))
    for bar in bars:
        if sum(bar.counts):
            said = "; ".join(f"{one.name} {count:,}" for one, count in zip(series, bar.counts, strict=True))
            assert f"<title>{bar.label}: {said}</title>" in drawn
    right = [float(x) + float(width) for x, width in re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', drawn)]
    assert max(right, default=0) <= 100.01


def test_bars_are_as_high_as_their_counts() -> None:
    chart = Chart("Scores", "of posts", TWO, [Bar("0", (30, 10)), Bar("1", (10, 0))], {})
    assert heights(figure(chart)) == [HEIGHT * 3 / 4, HEIGHT / 4, HEIGHT / 4]


def test_a_logarithmic_chart_shows_one_beside_a_million() -> None:
    chart = Chart("Scores", "of posts", TWO[:1], [Bar("0", (999_999,)), Bar("1", (9,)), Bar("2", (0,))], {}, logarithmic=True)
    assert heights(figure(chart)) == [HEIGHT, HEIGHT / 6]


def test_a_chart_has_a_title_a_description_and_a_table_of_its_values() -> None:
    drawn = figure(Chart("Scores & more", "half < 2", TWO, [Bar("0", (1_234, 0)), Bar("1", (0, 0))], {0: "0"}))
    assert '<svg class="chart" role="img"' in drawn
    assert "<title>Scores &amp; more</title><desc>half &lt; 2</desc>" in drawn
    assert '<tr><td>0</td><td class="n">1,234</td><td class="n">0</td></tr></table>' in drawn


def test_a_chart_of_nothing_is_its_title() -> None:
    assert "<svg" not in figure(Chart("Scores", "of posts", TWO, [Bar("0", (0, 0))], {}))


def test_a_lying_bar_has_its_parts_side_by_side() -> None:
    assert re.findall(r'class="(\w+)" x="([\d.]+)%" width="([\d.]+)%"', stacked((1, 0, 3), SERIES, 8)) == [
        ("learn", "0.00", "12.50"),
        ("drop", "12.50", "37.50"),
    ]
    assert "<rect" not in stacked((0, 0, 0), SERIES, 0)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (950, "950"), (1_000, "1k"), (-1_500, "−1.5k"), (20_000, "20k"), (3_000_000, "3M"), (10_000_000_000, "10G")],
)
def test_numbers_on_axes_are_short(number: int, text: str) -> None:
    assert short(number) == text


def month(year: int, number: int = 1) -> int:
    return year * 12 + number - 1


def test_time_goes_by_months_and_months_without_posts_have_their_place() -> None:
    chart = time_chart(tally((month(2024, 11), 1, 0, 0), (month(2025, 2), 0, 2, 0), (None, 0, 0, 4)))
    assert [(bar.label, bar.counts) for bar in chart.bars] == [
        ("November 2024", (1, 0, 0)),
        ("December 2024", (0, 0, 0)),
        ("January 2025", (0, 0, 0)),
        ("February 2025", (0, 2, 0)),
    ]
    assert chart.summary == "Posts by month, November 2024 to February 2025; of 4 it is not known"
    assert chart.ticks == {0: "Nov 2024", 1: "Dec 2024", 2: "Jan 2025", 3: "Feb 2025"}


def test_a_long_time_goes_by_years_and_a_wrong_clock_by_more() -> None:
    chart = time_chart(tally((month(1999, 5), 1, 0, 0), (month(2024, 12), 0, 2, 0)))
    assert (chart.bars[0].label, chart.bars[-1].label, len(chart.bars)) == ("1999", "2024", 26)
    chart = time_chart(tally((month(1), 1, 0, 0), (month(9999), 0, 2, 0)))
    assert len(chart.bars) <= 240
    assert [sum(bar.counts) for bar in chart.bars if sum(bar.counts)] == [1, 2]
    assert len(chart.ticks) <= 8


def test_no_dates_are_no_chart() -> None:
    assert time_chart(tally((None, 1, 1, 1))).summary == "No post has a date; of 3 it is not known"


def test_toxicity_shows_where_its_threshold_lies() -> None:
    chart = toxicity_chart("severe_toxicity", tally((0, 5, 1, 0), (19, 0, 3, 0)), {"severe_toxicity": 0.5})
    assert (chart.title, chart.summary, chart.limit) == ("severe toxicity", "9 posts, dropped over 0.5", 10.0)
    assert [(bar.label, bar.counts) for bar in chart.bars if bar.counts[0]] == [("0.00 to 0.05", (6,)), ("0.95 to 1.00", (3,))]
    assert toxicity_chart("insult", tally((0, 1, 0, 0)), {}).limit is None


def test_authors_are_counted_by_how_much_they_wrote() -> None:
    chart = author_chart(tally((7, 60, 1, 1), (8, 0, 3, 0), (9, 1, 0, 0), (10, 1, 0, 0), (None, 900, 0, 0)))
    assert [(bar.label, bar.counts) for bar in chart.bars if bar.counts[0]] == [
        ("1 post", (2,)),
        ("3 to 4 posts", (1,)),
        ("50 to 99 posts", (1,)),
    ]
    assert chart.summary == "4 authors by the number of their posts; 1 of them wrote half of all posts"


def test_rankings_have_twelve_rows_and_the_others_in_one() -> None:
    none = tally((0, 0, 0, 0))[:0]
    communities = tally(*((f"Court{place:02}", place, 0, 0) for place in range(1, 21)), (None, 5, 0, 0))
    spread = {"scores": none, "lengths": none, "months": none, "authors": none, "communities": communities}
    page = "".join(charts(spread, {}))
    rows = re.findall(r"<tr><td>(.*?)</td><td class=\"n\">([\d,]+)", page.split("<h2>Communities</h2>")[1].split("<h2>")[0])
    assert rows[0] == ('<bdi dir="auto">Court20</bdi>', "20")
    assert rows[12:] == [('<span class="dim">8 other communities</span>', "36"), ('<span class="dim">no community</span>', "5")]
    assert "<h2>Toxicity</h2>" not in page
