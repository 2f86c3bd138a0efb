"""The passes over a store of posts by which a filter judges it, each a list of items that a stage can go on with when it was stopped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate import store
from curate.engine import Progress
from curate.files import write_parquet
from curate.judging.bucket import JudgedBucket, Score, judge_bucket
from curate.posts import POSTS
from filters import facts, funnel, selection
from filters.catalogue import Filter
from filters.rule import Phase
from filters.transform import apply_transforms
from filters.verdicts import Verdicts

Sink = Callable[[Path, int, pl.DataFrame], None]
"""Takes a judged bucket: the folder of the work, the bucket's number, its posts with `REASONS` and all that was found out about them."""

MASKS = ("target_mask", "context_mask")
"""The verdicts of a bucket that waits for the rules on the whole run."""


@dataclass(frozen=True)
class Passes:
    """How a filter judges a store: `items` are done one after the other by `work`, which gives the funnel of a bucket that it finished.

    A run that fits into one bucket is judged in one go. Otherwise the facts of the whole run are gathered first; then each bucket is
    judged by all rules that look at no other, and waits in a hidden file for those on the whole run; then it goes to the sink.
    """

    posts: Path
    chosen: Filter
    score: Score
    progress: Progress
    sink: Sink
    _known: list[facts.Facts] = field(default_factory=list, init=False)
    _columns: dict[str, pl.DataType] = field(default_factory=dict, init=False)

    @cached_property
    def buckets(self) -> list[int]:
        """The buckets of the store, as they were when the work began."""
        return store.bucket_numbers(self.posts)

    @property
    def items(self) -> list[str]:
        """The names of what is to be done, in order."""
        buckets = self.buckets
        if len(buckets) == 1:
            return ["whole"]
        surveys = [f"survey {bucket}" for bucket in buckets] if self._asks_for_facts() else []
        return [*surveys, *(f"judge {bucket}" for bucket in buckets), "select", *(f"finish {bucket}" for bucket in buckets)]

    def work(self, folder: Path, item: str) -> dict[str, Any] | None:
        """Does an item; `folder` holds what the passes leave for each other."""
        step, _, number = item.partition(" ")
        if step == "whole":
            return self._whole(folder)
        if step == "select":
            self._select(folder)
            return None
        steps: dict[str, Callable[[Path, int], dict[str, Any] | None]]
        steps = {"survey": self._survey, "judge": self._judge, "finish": self._finish}
        done = steps[step](folder, int(number))
        self.progress(f"filter: {step}", self.buckets.index(int(number)) + 1, len(self.buckets))
        return done

    def _whole(self, folder: Path) -> dict[str, Any]:
        bucket = self.buckets[0]
        posts = store.read_bucket(self.posts, bucket)
        known = facts.facts([facts.survey(posts)] if self._asks_for_facts() else [])
        judged = judge_bucket(posts, self.chosen, known, self.score)
        rules = self.chosen.asked(Phase.RUN)
        chosen = selection.select([self._standing(judged)], rules) if rules else None
        done = self._hand_on(folder, bucket, judged.posts, judged.verdicts, judged.standing, chosen)
        self.progress("filter", 1, 1)
        return done

    def _survey(self, folder: Path, bucket: int) -> None:
        write_parquet(facts.survey(store.read_bucket(self.posts, bucket, facts.SURVEYED)), _file(folder, "survey", bucket))

    def _judge(self, folder: Path, bucket: int) -> None:
        if not self._known:
            surveyed = self.buckets if self._asks_for_facts() else []
            self._known.append(facts.facts(pl.read_parquet(_file(folder, "survey", other)) for other in surveyed))
        judged = judge_bucket(store.read_bucket(self.posts, bucket), self.chosen, self._known[0], self.score)
        masks = pl.DataFrame(dict(zip(MASKS, (judged.verdicts.target, judged.verdicts.context), strict=True)))
        write_parquet(judged.posts.hstack(masks), _file(folder, "judged", bucket))
        if self.chosen.asked(Phase.RUN):
            standing = self._standing(judged).with_columns(pl.Series("row", judged.standing))
            write_parquet(standing, _file(folder, "standing", bucket))

    def _select(self, folder: Path) -> None:
        if rules := self.chosen.asked(Phase.RUN):
            parts = [pl.read_parquet(_file(folder, "standing", bucket)) for bucket in self.buckets]
            chosen = selection.select([part.drop("row") for part in parts], rules)
            first = 0
            for bucket, part in zip(self.buckets, parts, strict=True):
                rows = chosen.slice(first, part.height).with_columns(part["row"])
                first += part.height
                write_parquet(rows, _file(folder, "selected", bucket))

    def _finish(self, folder: Path, bucket: int) -> dict[str, Any]:
        judged = pl.read_parquet(_file(folder, "judged", bucket))
        if not self._columns:
            # A model that was asked about nothing in this bucket may have spoken in another.
            for other in self.buckets:
                self._columns.update(pl.read_parquet_schema(_file(folder, "judged", other)))
        judged = judged.with_columns(pl.lit(None, kind).alias(name) for name, kind in self._columns.items() if name not in judged)
        target, context = (judged[name].to_numpy().copy() for name in MASKS)
        chosen = pl.read_parquet(_file(folder, "selected", bucket)) if self.chosen.asked(Phase.RUN) else None
        standing = chosen["row"].to_numpy() if chosen is not None else np.empty(0, np.int64)
        return self._hand_on(folder, bucket, judged.drop(MASKS), Verdicts(self.chosen.rules, target, context), standing, chosen)

    def _hand_on(
        self, folder: Path, bucket: int, posts: pl.DataFrame, verdicts: Verdicts, standing: np.ndarray, chosen: pl.DataFrame | None
    ) -> dict[str, Any]:
        """Gives a bucket to the sink with its last verdicts: those of the rules on the whole run on its standing replies."""
        duplicate_of = pl.repeat(None, posts.height, dtype=pl.String, eager=True)
        if chosen is not None:
            for rule in self.chosen.asked(Phase.RUN):
                verdicts.drop(rule, standing[(chosen["dropped_by"] == rule.name()).fill_null(False).to_numpy()])
            duplicate_of = duplicate_of.scatter(standing, chosen["duplicate_of"])
        last = [transform for transform in self.chosen.transforms if transform.last]
        posts = apply_transforms(posts.with_columns(duplicate_of.alias("duplicate_of")), last)
        found = sorted(name for name in posts.columns if name not in POSTS)
        judged = posts.select(*POSTS).hstack(verdicts.reasons()).hstack(posts.select(found))
        self.sink(folder, bucket, judged)
        return funnel.count([judged], funnel.Funnel.of(self.chosen.rules, self.chosen.transforms)).to_dict()

    def _standing(self, judged: JudgedBucket) -> pl.DataFrame:
        return selection.standing(judged.posts[judged.standing], selection.wanted(self.chosen.asked(Phase.RUN)))

    def _asks_for_facts(self) -> bool:
        return bool(facts.needed(self.chosen.asked(Phase.POST)))


def total(counts: Sequence[Mapping[str, Any] | None], chosen: Filter) -> funnel.Funnel:
    """The funnel of all that the items of `Passes` gave."""
    whole = funnel.Funnel.of(chosen.rules, chosen.transforms)
    for count in counts:
        if count is not None:
            whole += funnel.Funnel(**count)
    return whole


def clear(folder: Path) -> None:
    """Removes what the passes left for each other."""
    for kind in ("survey", "judged", "standing", "selected"):
        for left in folder.glob(f".{kind}-*.parquet"):
            left.unlink(missing_ok=True)


def _file(folder: Path, kind: str, bucket: int) -> Path:
    return folder / f".{kind}-{bucket:04d}.parquet"
