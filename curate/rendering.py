"""A bucket of judged posts to the samples of each split: chains, conversations fitted to a number of tokens, texts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate import store, threads
from curate.ahead import in_order
from curate.engine import Progress
from curate.splits import SPLITS, SplitPlan, SplitSettings, plan_split
from formats.rendering.render import RENDERED_AT_ONCE, Rows, render
from formats.templates.template import Template
from formats.tokens.fitting import fit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TOXICITY = "toxicity"
_ANY_LENGTH = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Fit:
    """The base model by whose tokenizer samples are counted, and the most tokens that one may have; None: any number."""

    base: str
    max_tokens: int | None = None


@dataclass(frozen=True)
class Rendered:
    """The samples of a bucket, split by split in parts; of how many conversations; how many replies each persona wrote; and how many kept
    targets are no conversation, by reason.

    A conversation that the plan of the split puts into no split is in none of the tables.
    """

    tables: Iterator[list[pl.DataFrame]]
    conversations: int
    by_personas: dict[str, int]
    counts: dict[str, int]


@dataclass(frozen=True)
class Rendering:
    """What makes samples of judged posts; see `curate.samples.make_samples`. `personas` are names in lower case."""

    judged: Path
    template: Template
    max_turns: int
    split: SplitSettings
    fit_to: Fit | None
    personas: frozenset[str]
    progress: Progress

    @cached_property
    def _plan(self) -> SplitPlan:
        return plan_split(self.judged, self.split, self.progress)

    @cached_property
    def _tokenizer(self) -> "PreTrainedTokenizerBase | None":
        if self.fit_to is None:
            return None
        from train.bases.base_model import tokenizer_of

        return tokenizer_of(self.fit_to.base)

    def bucket(self, bucket: int) -> Rendered:
        """The samples of one bucket; its tables are rendered as they are asked for."""
        scored = [_TOXICITY] if _TOXICITY in store.columns(self.judged, bucket) else []
        posts = store.read_bucket(self.judged, bucket, [*threads.COLUMNS, *scored])
        found = threads.chains(posts, self.max_turns)
        author = posts["author"].gather(found.turns[:, -1]).str.to_lowercase()
        by_personas = {name: int((author == name).sum()) for name in self.personas}
        chosen = found
        if self.personas:
            learned = author.is_in(list(self.personas)).fill_null(False)
            chosen = replace(found, turns=found.turns[learned.to_numpy()])
        counts = {
            "targets": int(posts["target_reason"].is_null().sum()),
            "roots": found.roots,
            "without_context": found.without_context,
            "other_authors": len(found.turns) - len(chosen.turns),
        }
        talks = threads.conversations(posts, chosen)
        replies, num_tokens = chosen.turns[:, -1], pl.repeat(None, len(chosen.turns), dtype=pl.Int32, eager=True)
        if self.fit_to and len(talks.turns) and self._tokenizer:
            self.progress("count tokens", 0, len(talks.turns))
            fitted = fit(talks, self.template, self._tokenizer, self.fit_to.max_tokens or _ANY_LENGTH)
            talks, replies = fitted.conversations, replies[fitted.kept]
            num_tokens = pl.Series(fitted.num_tokens, dtype=pl.Int32)
            counts |= {"long_replies": fitted.long_replies, "long_contexts": fitted.long_contexts}
        more = pl.DataFrame([num_tokens.alias("num_tokens"), _toxicity(posts, replies)])

        def part(first: int) -> list[pl.DataFrame]:
            samples = render(talks.part(first, RENDERED_AT_ONCE), self.template).hstack(more.slice(first, RENDERED_AT_ONCE))
            split = self._plan.split_of(samples)
            return [samples.filter(split == name) for name in SPLITS]

        return Rendered(in_order(part, range(0, max(1, len(talks.turns)), RENDERED_AT_ONCE)), len(talks.turns), by_personas, counts)


def _toxicity(posts: pl.DataFrame, replies: Rows) -> pl.Series:
    """The scorer's `toxicity` of each reply, null where it was not scored."""
    scored = posts.schema.get(_TOXICITY)
    if not isinstance(scored, pl.Struct) or _TOXICITY not in {field.name for field in scored.fields}:
        return pl.repeat(None, len(replies), dtype=pl.Float32, eager=True).alias(_TOXICITY)
    return posts[_TOXICITY].struct.field(_TOXICITY).gather(replies).cast(pl.Float32).alias(_TOXICITY)
