"""What a rule is: one reason to drop a post."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

if TYPE_CHECKING:
    from filters.scorers.scorer import Scorer


class RuleError(ValueError):
    """A rule that cannot work as it was asked to; the message is one line for the user."""


class Judges(Flag):
    """Whom a rule judges: the reply to learn, the turns before it, or both."""

    NOBODY = 0
    TARGET = 1
    CONTEXT = 2
    BOTH = TARGET | CONTEXT


NOBODY, TARGET, CONTEXT, BOTH = Judges.NOBODY, Judges.TARGET, Judges.CONTEXT, Judges.BOTH


class Phase(IntEnum):
    """When a rule judges, and which posts it sees. The rules of a phase see what those of the phases before it left standing.

    POST: every post of a bucket, by its columns, by measures of its text (`filters.measuring.measures`) and by facts of the run
        (`filters.facts`). All rules of this phase are one pass. A window over `thread_id` is possible: threads are whole in a bucket.
    CONVERSATION: the same, and the column `turns`: how many turns stand in a row up to the post, itself included.
    TEXT: posts that stand in a conversation, by what a scorer says of their text, in a struct column named after the rule.
    RUN: the replies still to learn, of the whole run at once (`filters.selection.COLUMNS`).
    """

    POST = 0
    CONVERSATION = 1
    TEXT = 2
    RUN = 3


@dataclass(frozen=True)
class Rule:
    """One reason to drop a post. The fields are its settings, the docstring is its documentation.

    A rule is a Polars expression over the columns of its phase, so that all rules together are one pass. Null means unknown, and what
    is unknown passes, unless a rule says otherwise.
    """

    judges: ClassVar[Judges] = BOTH
    phase: ClassVar[Phase] = Phase.POST
    by_default: ClassVar[bool] = True
    """Whether it applies where a recipe does not say."""

    @classmethod
    def name(cls) -> str:
        """The name in a recipe and the reason in a report: the class name in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields, from the settings as a recipe writes them: the same, unless a rule knows a shorter way to write some."""
        return written

    def judging(self) -> Judges:
        """Whom the rule judges with these settings: those of `judges` for whom they leave anything to drop."""
        return self.judges

    def keeps(self) -> pl.Expr:
        """A boolean expression, true for the posts that this rule keeps as replies to learn."""
        raise NotImplementedError

    def keeps_context(self) -> pl.Expr:
        """The same for turns before a reply; where the rule makes no difference, the same expression."""
        return self.keeps()

    def reads(self) -> set[str]:
        """The columns that the rule looks at."""
        return {name for keeps in (self.keeps(), self.keeps_context()) for name in keeps.meta.root_names()}


@dataclass(frozen=True)
class TextRule(Rule):
    """A rule on what a scorer says of a text: of the phase TEXT, over a struct column named after the rule."""

    phase: ClassVar[Phase] = Phase.TEXT

    def load(self, cache: Path | None = None) -> "Scorer":
        """Loads the scorer.

        Args:
            cache: the folder in which models that were converted to be faster are kept.

        Raises:
            RuleError: the scorer cannot be loaded, or knows nothing of what the rule asks for.
        """
        raise NotImplementedError
