"""What rules on wording rest on: numbers measured from the texts of posts, a column each."""

from collections.abc import Collection, Sequence

import polars as pl

from filters.measuring import links, repetition, scanning
from filters.rule import Rule

MEASURES: dict[str, str] = {
    "characters": "characters of the text, white space at its ends not counted",
    "words": "words of the text, addresses left out; each character of scripts without spaces, as Chinese or Thai, counts as one",
    "shouted_words": "words in capitals: two side by side, and no small letter",
    "shouted": "share of the words that are such, 0 to 1",
    "symbols": "share of the characters that are neither letters, digits, white space, emoji nor common punctuation, 0 to 1",
    "urls": "share of the characters that are web addresses, Markdown links or images, 0 to 1",
    "only_links": "whether nothing but web addresses, links or images stands in the text",
    "quoted": "share of the lines with text that quote another post, 0 to 1; 0 where all do, since most who write so mean their own words",
    "repeated_words": "times that a word stands in a row, at most",
    "repeated_phrases": "share of the three words in a row that stood in the text before, 0 to 1",
}
"""Every measure by its column, and what it says. White space and letters are Unicode's; a missing text measures as an empty one."""


def needed(rules: Sequence[Rule]) -> list[str]:
    """The measures that the rules' expressions read, in the order of `MEASURES`."""
    read = {name for rule in rules for name in rule.reads()}
    return [name for name in MEASURES if name in read]


def measure(posts: pl.DataFrame, wanted: Collection[str]) -> pl.DataFrame:
    """Measures the column `text`: the wanted columns, a row for each post, in the order of `wanted`.

    Counts are UInt32, shares Float32; nothing is null.

    Raises:
        KeyError: a column that is no measure.
    """
    for name in wanted:
        if name not in MEASURES:
            raise KeyError(f"unknown measure {name!r}; known: {', '.join(MEASURES)}")
    texts = posts["text"].fill_null("")
    asked = set(wanted)
    found = pl.DataFrame({"characters": texts.str.strip_chars().str.len_chars()})
    of_words = asked & {*scanning.COLUMNS, *repetition.COLUMNS}
    if of_words or asked & {*links.COLUMNS}:
        linked = links.Links.of(texts)
        found = found.hstack(linked.columns(len(texts)))
        if of_words:
            found = found.hstack(scanning.scan(linked.without(texts), repeats=not of_words.isdisjoint(repetition.COLUMNS)))
    if "quoted" in asked:
        found = found.with_columns(links.quoted(texts))
    return found.select([*wanted])
