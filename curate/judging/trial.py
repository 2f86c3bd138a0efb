"""What another setting would change: two filters on the same posts, compared verdict by verdict."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from curate.engine import Progress, silent
from curate.files import write_parquet
from curate.judging.judge import try_filter
from filters.catalogue import Filter
from filters.funnel import Funnel
from filters.hashing import stable_hash

EXAMPLES = 5
_SHOWN = ("id", "community", "score", "before", "after", "text")


@dataclass
class Trial:
    """What a filter does before and after a change.

    `newly_kept` and `newly_dropped` count replies to learn; `examples` has some of each, drawn by the hash of their ids, with the reason
    before and after.
    """

    before: Funnel
    after: Funnel
    newly_kept: int = 0
    newly_dropped: int = 0
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"newly_kept": [], "newly_dropped": []})

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return asdict(self)


def try_change(posts: Path, now: Filter, changed: Filter, scores: Path, progress: Progress = silent) -> Trial:
    """Judges the posts of a store by both filters and leaves nothing but the scores of texts that had none yet.

    Raises:
        UserError: `posts` is no store of posts.
        RuleError: a rule's model cannot be loaded.
    """
    with TemporaryDirectory(prefix="lorum-") as folder:

        def keep(work: Path, bucket: int, judged: pl.DataFrame) -> None:
            write_parquet(judged.select("target_reason"), Path(folder) / f"{bucket}.parquet")

        moved: dict[str, list[pl.DataFrame]] = {"newly_kept": [], "newly_dropped": []}
        counts = dict.fromkeys(moved, 0)

        def compare(work: Path, bucket: int, judged: pl.DataFrame) -> None:
            reasons = pl.read_parquet(Path(folder) / f"{bucket}.parquet")["target_reason"]
            both = judged.select("id", "community", "score", "text", before=reasons, after="target_reason")
            changes = {
                "newly_kept": both.filter(pl.col("before").is_not_null() & pl.col("after").is_null()),
                "newly_dropped": both.filter(pl.col("before").is_null() & pl.col("after").is_not_null()),
            }
            for name, rows in changes.items():
                counts[name] += rows.height
                moved[name] = [_drawn(pl.concat([*moved[name], rows]))]

        before = try_filter(posts, now, scores, keep, progress)
        after = try_filter(posts, changed, scores, compare, progress)
    examples = {name: [row for table in tables for row in table.select(_SHOWN).to_dicts()] for name, tables in moved.items()}
    return Trial(before, after, **counts, examples=examples)


def _drawn(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(stable_hash(rows["id"])).head(EXAMPLES)
