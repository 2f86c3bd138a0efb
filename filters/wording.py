"""What a post's text looks like."""

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from filters.numbers import Number, Whole
from filters.rule import TARGET, Judges, Rule, RuleError

LONGER_THAN_A_REFRAIN = 12
"""Words from which on repeated phrases are a fault: of 11 shorter posts of a college forum that repeat theirs, 10 are refrains."""


@dataclass(frozen=True)
class Empty(Rule):
    """Drop posts with neither text nor title: there is nothing to answer and nothing to learn."""

    def keeps(self) -> pl.Expr:
        return (pl.col("characters") > 0) | (pl.col("title").fill_null("").str.strip_chars() != "")


@dataclass(frozen=True)
class Length(Rule):
    """Keep replies of `minimum` to `maximum` characters, white space at the ends not counted, and of at least `words` words.

    Addresses of links are no words. In scripts without spaces, as Chinese, Japanese and Thai, every character counts as a word; such
    forums say as much in a third of the characters, so that a `minimum` of 7 is more like it there.
    """

    minimum: Whole = 20
    maximum: Whole = 2000
    words: Whole = 3
    judges: ClassVar[Judges] = TARGET

    def __post_init__(self) -> None:
        if self.minimum > self.maximum:
            raise RuleError(f"length: minimum ({self.minimum}) is more than maximum ({self.maximum}), so no reply would be left")
        if self.words < 0:
            raise RuleError(f"length: words is {self.words}; expected 0 or more")

    def keeps(self) -> pl.Expr:
        return pl.col("characters").is_between(self.minimum, self.maximum) & (pl.col("words") >= self.words)


@dataclass(frozen=True)
class Urls(Rule):
    """Drop replies that are nothing but links or images, and those whose characters are web addresses to more than `maximum`.

    The label of a Markdown link counts as text, unless nothing else stands there. A model that learns such replies makes addresses up.
    Before a reply a link may stand: what was answered to it is still a voice worth learning.
    """

    maximum: Number = 0.6
    judges: ClassVar[Judges] = TARGET

    def __post_init__(self) -> None:
        _check_share(self, "maximum", self.maximum)

    def keeps(self) -> pl.Expr:
        return ~pl.col("only_links") & (pl.col("urls") <= self.maximum)


@dataclass(frozen=True)
class Quoted(Rule):
    """Drop replies that mostly quote: more than `maximum` of the lines with text are quotes, which begin with `>`.

    Quotes are taken out of the text before it is judged, unless a recipe says otherwise; what counts is what stood there. A line of
    quote and a line of answer are half and half, and good forum manners.
    """

    maximum: Number = 0.75
    judges: ClassVar[Judges] = TARGET

    def __post_init__(self) -> None:
        _check_share(self, "maximum", self.maximum)

    def keeps(self) -> pl.Expr:
        return pl.col("quoted") <= self.maximum


@dataclass(frozen=True)
class Shouting(Rule):
    """Drop replies in capitals: at least `words` words of two letters and more are in capitals, and more than `maximum` of all words.

    The number of words keeps replies that name a few institutions or exams by their initials. Scripts without capitals never shout.
    """

    maximum: Number = 0.6
    words: Whole = 4
    judges: ClassVar[Judges] = TARGET

    def __post_init__(self) -> None:
        _check_share(self, "maximum", self.maximum)
        if self.words < 1:
            raise RuleError(f"shouting: words is {self.words}; expected 1 or more")

    def keeps(self) -> pl.Expr:
        return (pl.col("shouted") <= self.maximum) | (pl.col("shouted_words") < self.words)


@dataclass(frozen=True)
class Repetition(Rule):
    """Drop replies that say one word more than `words` times in a row, or whose phrases of three words are repeated to more than `phrases`.

    A phrase counts as repeated each time but the first; phrases are judged in replies of twelve words and more, as a shorter one is a
    refrain ("One of us, one of us, one of us"). The defaults keep emphasis and "blah blah blah" too: they drop what a model would learn
    to loop from.
    """

    words: Whole = 6
    phrases: Number = 0.4
    judges: ClassVar[Judges] = TARGET

    def __post_init__(self) -> None:
        _check_share(self, "phrases", self.phrases)
        if self.words < 1:
            raise RuleError(f"repetition: words is {self.words}; expected 1 or more")

    def keeps(self) -> pl.Expr:
        refrain = pl.col("words") < LONGER_THAN_A_REFRAIN
        return (pl.col("repeated_words") <= self.words) & (refrain | (pl.col("repeated_phrases") <= self.phrases))


@dataclass(frozen=True)
class Symbols(Rule):
    """Drop replies whose characters are signs to more than `maximum`: drawings, tables, code, text in ornaments.

    Letters of any script, digits, white space, common punctuation and emoji are no such signs. Markdown's are, but emphasis and lists
    stay far below the default.
    """

    maximum: Number = 0.2
    judges: ClassVar[Judges] = TARGET

    def __post_init__(self) -> None:
        _check_share(self, "maximum", self.maximum)

    def keeps(self) -> pl.Expr:
        return pl.col("symbols") <= self.maximum


def _check_share(rule: Rule, setting: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise RuleError(f"{rule.name()}: {setting} is {share}; expected a share from 0 to 1")
