"""The section of a run's report on base, adapter and forum: figures, tables, and answers side by side."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from curate.evaluated import OUTDATED, differences_table, estimate, figures_table, plain, two
from curate.pages.charts import Series, legend, stacked
from curate.pages.intervals import Measure, Point, measures
from curate.pages.steps import Steps, steps
from formats.visible import for_page

_ENDINGS = (
    Series("by the stop", "learn"),
    Series("by another end", "context"),
    Series("by the limit", "drop"),
    Series("by the limit, in a loop", "loop"),
)
_WHO = ("base", "adapter", "forum")


def evaluation_sections(result: Mapping[str, Any]) -> list[str]:
    """The sections of an evaluation, as `train.evaluation.figures.Evaluation.to_dict` gives it: HTML."""
    if "about" not in result:
        return [f'<p class="dim">{OUTDATED}</p>']
    about = result["about"]
    notes = "".join(f"<li>{escape(note)}</li>" for note in result["notes"])
    return [
        f"<p>{escape(_verdict(result))}</p>",
        f'<p class="dim">{about["prompts"]:,} prompts of threads held out of the training, answered with at most '
        f"{about['max_new_tokens']:,} tokens; {result['base']['perplexity']['samples']:,} held-out replies for perplexity. Longer "
        "replies of the forum count up to that limit. Whiskers and brackets: 95 % intervals.</p>",
        *([f"<ul>{notes}</ul>"] if notes else []),
        "<h3>How answers end</h3>",
        _endings(result),
        "<h3>Base, adapter and forum</h3>",
        measures([_measure(result, *chosen) for chosen in _MEASURES]),
        "<h3>How long answers are</h3>",
        _lengths(result),
        "<h3>All figures</h3>",
        _table(("", *_WHO), figures_table(result)),
        "<h3>Adapter less base</h3>",
        _table(("", "difference", ""), differences_table(result), numbers=1),
        "<h2>Answers to held-out comments</h2>",
        '<p class="dim">As shipped. Marked: the longest run of words that a training reply has too, where it has '
        f"{result['notable_words']} words or more.</p>",
        *(_answers(example) for example in result["examples"]),
    ]


def _verdict(result: Mapping[str, Any]) -> str:
    """The two questions of an evaluation, answered in a sentence each."""
    base, adapter = result["base"], result["adapter"]
    stops = [estimate(model["shipped"]["shares"]["stopped"], two) for model in (adapter, base)]
    says = f"Does it stop? By itself in {stops[0]} of its answers; the base in {stops[1]}."
    told = [model["style"]["auc"] for model in (adapter, base)]
    if told[0]["value"] is None or told[1]["value"] is None:
        return f"{says} Is it the personality? Too few prompts to tell."
    return (
        f"{says} Is it the personality? A classifier tells its answers from the forum's with probability {estimate(told[0], two)}, "
        f"and the base's with {estimate(told[1], two)}; 0.5 would be no better than a coin."
    )


def _endings(result: Mapping[str, Any]) -> str:
    rows = []
    for who in _WHO[:2]:
        for decoding in ("shipped", "greedy"):
            found = result[who][decoding]
            counts = found["counts"]
            parts = (counts["by_stop"], counts["by_other_end"], counts["by_limit"] - counts["looped"], counts["looped"])
            says = "; ".join(f"{number:,} {one.name}" for number, one in zip(parts, _ENDINGS, strict=True) if number)
            bar = stacked(parts, _ENDINGS, found["prompts"])
            rows.append(f'<tr><td>{who}, {decoding}</td><td class="bar">{bar}</td><td class="dim">{escape(says)}</td></tr>')
    return f'{legend(_ENDINGS)}<table class="rows">{"".join(rows)}</table>'


_FORUM: Mapping[tuple[str | int, ...], tuple[str | int, ...]] = {("shipped", "shares", "stopped"): ("whole",)}
"""Where figures of models stand elsewhere for the forum."""

_MEASURES = (
    ("Stops by itself", "answers as shipped; of the forum: replies that end within the limit", ("shipped", "shares", "stopped"), 1.0),
    ("Stops by itself, greedy", "always the likeliest token", ("greedy", "shares", "stopped"), 1.0),
    ("Probability of the stop", "where a reply truly ends", ("perplexity", "stop_probability"), 1.0),
    ("Style", "probability that a classifier finds the generated one of two replies; 0.5 is perfect", ("style", "auc"), 1.0),
    ("Style, equal lengths", "both replies cut to as many words: what the wording alone gives away", ("style", "same_length_auc"), 1.0),
    ("Perplexity of replies", "given their prompts; lower is better", ("perplexity", "reply"), None),
    ("Distinct pairs of words", "of equally many words", ("wording", "diversity", "distinct", 1), 1.0),
    ("Repetition", "share of an answer's three-word phrases that it said before", ("wording", "diversity", "repetition"), 1.0),
    ("Copying", "longest run of words that a training reply has too, mean", ("wording", "copying", "mean_words"), None),
    ("Toxicity", "mean score", ("wording", "toxicity", "mean"), None),
)
"""Title, what it is, where it stands, and the end of the scale (None: as far as needed)."""


def _measure(result: Mapping[str, Any], title: str, says: str, path: tuple[str | int, ...], most: float | None) -> Measure:
    points = []
    for who in _WHO:
        found: Any = result[who]
        for name in _FORUM.get(path, path) if who == "forum" else path:
            found = None if found is None or (isinstance(name, str) and name not in found) else found[name]
        if found is not None and found["value"] is not None:
            interval = tuple(found["interval"]) if found["interval"] else None
            points.append(Point(who, found["value"], interval, estimate(found, two if most else plain)))
    return Measure(title, says, points, most, 0.5 if path[0] == "style" else None)


def _lengths(result: Mapping[str, Any]) -> str:
    told = {who: result[who]["wording"]["lengths"] for who in _WHO}
    medians = ", ".join(f"{who} {estimate(found['median_tokens'], plain)}" for who, found in told.items())
    summary = f"Share of answers, and of the forum's replies to the same prompts, with at most so many tokens. Median: {medians}."
    return steps(
        Steps("Lengths in tokens", summary, {who: found["tokens"] for who, found in told.items()}, result["about"]["max_new_tokens"])
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 3) -> str:
    def line(row: Sequence[str], tag: str) -> str:
        kinds = ("", *([' class="e"'] * numbers), *([""] * len(row)))
        cells = (f"<{tag}{kind}>{_cell(cell)}</{tag}>" for cell, kind in zip(row, kinds, strict=False))
        return f"<tr>{''.join(cells)}</tr>"

    return f'<table class="rows">{line(heads, "th")}{"".join(line(row, "td") for row in rows)}</table>'


def _cell(text: str) -> str:
    """A figure, or a name: what belongs to the row above it is set in on the terminal, and here too."""
    return f'<span class="within">{escape(text.strip())}</span>' if text.startswith(" ") else escape(text)


def _answers(example: Mapping[str, Any]) -> str:
    columns = "".join(
        f'<div class="post"><p><b>{who}</b>{_how(example, who)}</p>{_marked(example, who)}</div>' for who in _WHO[2:] + _WHO[:2]
    )
    return f'<pre>{for_page(example["prompt"])}</pre><div class="answers">{columns}</div>'


def _how(example: Mapping[str, Any], who: str) -> str:
    way = example["endings"].get(who)
    says = {"stop": "ended by the stop", "other end": "ended by another end", "length": "cut at the limit"}[way] if way else "as written"
    overlap = example["overlaps"].get(who)
    copied = f", {overlap['words']} words as in a training reply" if overlap else ""
    return f" · {says}{copied}"


def _marked(example: Mapping[str, Any], who: str) -> str:
    text, overlap = example[who], example["overlaps"].get(who)
    if not text:
        return '<div class="text dim">no text</div>'
    if not overlap or not overlap["end"]:
        return f'<div class="text">{for_page(text)}</div>'
    before, copied, after = text[: overlap["begin"]], text[overlap["begin"] : overlap["end"]], text[overlap["end"] :]
    return f'<div class="text">{for_page(before)}<mark>{for_page(copied)}</mark>{for_page(after)}</div>'
