"""Judged posts to samples on disk: conversations, rendered by a template and split by thread."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate import store, threads
from curate.ahead import in_order
from curate.engine import Progress, run_stage, silent
from curate.files import ParquetStream, write_text
from curate.manifest import fingerprint, made_by, report_of
from curate.splits import SPLITS, split_of
from formats.errors import UserError
from formats.render import render
from formats.samples import TEMPLATE_FILE
from formats.template import Template

CARD_FILE = "README.md"

RENDERED_AT_ONCE = 10_000
"""Conversations: rendering holds their texts several times over."""


@dataclass(frozen=True)
class Sampled:
    """What became of the posts that the filter kept as targets: `targets == roots + without_context + samples`."""

    targets: int
    roots: int
    without_context: int
    samples: int
    train: int
    validation: int
    test: int

    def __post_init__(self) -> None:
        if self.targets != self.roots + self.without_context + self.samples or self.samples != self.train + self.validation + self.test:
            raise ValueError(f"the samples do not add up: {self}")


def make_samples(
    judged: Path,
    out: Path,
    template: Template,
    *,
    max_turns: int,
    shares: tuple[float, float, float],
    seed: int,
    progress: Progress = silent,
) -> Sampled:
    """Writes `train.parquet`, `validation.parquet`, `test.parquet`, `template.toml` and a bare `README.md` to `out`.

    Args:
        max_turns: turns of a conversation at most, the reply included.
        shares: of train, validation and test; whole threads are split, so small forums come near them only.

    Raises:
        UserError: `judged` is no folder of judged posts, or no reply is left that has a turn before it.
    """
    report_of(judged, "judged")
    buckets = store.bucket_numbers(judged)

    def work(folder: Path, number: int, item: str) -> dict[str, int]:
        posts = store.read_bucket(judged, int(item), threads.COLUMNS)
        found = threads.chains(posts, max_turns)
        talks = threads.conversations(posts, found)
        counts = {"targets": int(posts["target_reason"].is_null().sum()), "roots": found.roots, "without_context": found.without_context}
        counts |= dict.fromkeys(SPLITS, 0)

        def rendered(first: int) -> list[pl.DataFrame]:
            samples = render(talks.part(first, RENDERED_AT_ONCE), template)
            split = split_of(samples["thread_id"], shares, seed)
            return [samples.filter(split == name) for name in SPLITS]

        with ExitStack() as open_files:
            files = [open_files.enter_context(ParquetStream(folder / f".{name}-{number:04d}.parquet")) for name in SPLITS]
            for tables in in_order(rendered, range(0, max(1, len(found.turns)), RENDERED_AT_ONCE)):
                for name, file, table in zip(SPLITS, files, tables, strict=True):
                    file.write(table)
                    counts[name] += table.height
        progress("format", number + 1, len(buckets))
        return counts

    def finish(folder: Path, counts: list[dict[str, int]]) -> dict[str, Any]:
        total = {key: sum(count[key] for count in counts) for key in counts[0]}
        sampled = Sampled(**total, samples=sum(total[name] for name in SPLITS))
        if not sampled.train:
            raise UserError(
                f"{judged}: no reply is left to learn: {sampled.targets} posts pass the filters, {sampled.roots} open a thread, "
                f"{sampled.without_context} have no turn left before them, {sampled.samples} become samples, "
                "0 of them for training; loosen the filters or import more"
            )
        for name in SPLITS:
            _join(folder, name)
        write_text(template.to_toml(), folder / TEMPLATE_FILE)
        write_text(bare_card([name for name in SPLITS if total[name]]), folder / CARD_FILE)
        return asdict(sampled)

    made_from = fingerprint("samples", made_by(judged), asdict(template), max_turns, shares, seed)
    return Sampled(**run_stage("samples", out, made_from, [str(bucket) for bucket in buckets], work, finish))


def bare_card(splits: Sequence[str]) -> str:
    """The least card with which `datasets` reads the folder: it refuses one with an empty split, unless told which to read."""
    files = "".join(f"  - split: {name}\n    path: {name}.parquet\n" for name in splits)
    return f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"


def _join(folder: Path, name: str) -> None:
    """Puts a split's parts into one file, streaming. Where a killed run got so far, the file is there and the parts may not."""
    parts, path = sorted(folder.glob(f".{name}-*.parquet")), folder / f"{name}.parquet"
    if not path.exists() and len(parts) == 1:
        parts[0].rename(path)
    elif not path.exists():
        with ParquetStream(path) as whole:
            for part in parts:
                whole.append(part)
    for part in parts:
        part.unlink(missing_ok=True)
