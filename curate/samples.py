"""Judged posts to samples on disk: rendered bucket by bucket, put together split by split, and every kept post accounted for."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate import store
from curate.engine import Progress, run_stage, silent
from curate.files import ParquetStream, write_text
from curate.manifest import fingerprint, made_by, report_of
from curate.rendering import Fit, Rendering
from curate.splits import SPLITS, SplitSettings
from curate.splitting.near_copies import near_copies
from curate.templates import told_community
from formats.errors import UserError
from formats.samples import TEMPLATE_FILE
from formats.templates.template import Template

CARD_FILE = "README.md"

_JOIN = "join"
"""What is to do after the last bucket."""

_BY = "by "
"""Before the name of a persona, in the counts of a bucket."""


LEFT_OUT = {
    "roots": "open a thread",
    "without_context": "nothing left before them",
    "other_authors": "by others than the personas",
    "long_replies": "reply too long",
    "long_contexts": "too long with what it answers",
    "across_cut": "like a thread of another split",
    "near_copies": "near copies of another split",
}
"""Why a kept post is no sample: by the count's name in `Sampled`, in the order in which they are left out."""


@dataclass(frozen=True)
class Sampled:
    """What became of the posts that the filter kept as targets; each is counted once.

    `other_authors` are no personas; `long_replies` are too long by themselves, `long_contexts` only together with the turn that they
    answer; `across_cut`, of a split by time, stand in a thread that is like a newer one of another split; `near_copies` say nearly what a
    sample for training says, and would have been held out.
    """

    targets: int
    roots: int
    without_context: int
    samples: int
    train: int
    validation: int
    test: int
    other_authors: int = 0
    long_replies: int = 0
    long_contexts: int = 0
    across_cut: int = 0
    near_copies: int = 0

    def __post_init__(self) -> None:
        left_out = sum(getattr(self, reason) for reason in LEFT_OUT)
        if self.targets != left_out + self.samples or self.samples != self.train + self.validation + self.test:
            raise ValueError(f"the samples do not add up: {self}")


def make_samples(
    judged: Path,
    out: Path,
    template: Template,
    *,
    max_turns: int,
    split: SplitSettings,
    fit_to: Fit | None = None,
    personas: Sequence[str] = (),
    progress: Progress = silent,
) -> Sampled:
    """Writes `train.parquet`, `validation.parquet`, `test.parquet`, `template.toml` and a bare `README.md` to `out`.

    The samples have the columns `formats.rendering.render.SAMPLE_COLUMNS`, then `num_tokens` (null without `fit_to`) and `toxicity` (null
    where the reply was not scored).

    Args:
        max_turns: turns of a conversation at most, the reply included.
        fit_to: where a sample is too long, its oldest turns are left out; where its reply is too long, the sample is.
        personas: authors whose replies alone are learned, in any case; of all, where none is named.

    Raises:
        UserError: `judged` is no folder of judged posts, a persona wrote no reply in it, or no reply is left that has a turn before it.
    """
    report_of(judged, "judged")
    buckets = [str(bucket) for bucket in store.bucket_numbers(judged)]
    wanted = frozenset(name.lower().removeprefix("/").removeprefix("u/") for name in personas)
    made_from = fingerprint(
        "samples", made_by(judged), asdict(template), max_turns, asdict(split), asdict(fit_to) if fit_to else None, sorted(wanted)
    )
    template = _settled(template, judged)
    rendering = Rendering(judged, template, max_turns, split, fit_to, wanted, progress)

    def work(folder: Path, number: int, item: str) -> dict[str, int]:
        if item == _JOIN:
            return _join(folder, template.stop)
        counts = _render(rendering, folder, int(item))
        progress("format", number + 1, len(buckets))
        return counts

    def finish(folder: Path, counts: list[dict[str, int]]) -> dict[str, Any]:
        total = {field: sum(count.get(field, 0) for count in counts) for field in Sampled.__dataclass_fields__}
        sampled = Sampled(**total)
        _refuse_absent(judged, [name for name in sorted(wanted) if not sum(count.get(_BY + name, 0) for count in counts)])
        _refuse_empty(judged, sampled)
        for part in folder.glob(".*.parquet"):
            part.unlink()
        write_text(template.to_toml(), folder / TEMPLATE_FILE)
        write_text(bare_card([name for name in SPLITS if total[name]]), folder / CARD_FILE)
        return asdict(sampled)

    return Sampled(**run_stage("samples", out, made_from, [*buckets, _JOIN], work, finish))


def _settled(template: Template, judged: Path) -> Template:
    """The template with the community's name in it, where there is one community and the template tells it."""
    if not any("{community}" in str(part) for part in asdict(template).values()):
        return template
    names = [store.read_bucket(judged, bucket, ["community"])["community"].unique() for bucket in store.bucket_numbers(judged)]
    found = pl.concat(names).drop_nulls().unique()
    return told_community(template, found.item()) if len(found) == 1 else template


def bare_card(splits: Sequence[str]) -> str:
    """The least card with which `datasets` reads the folder: it refuses one with an empty split, unless told which to read."""
    files = "".join(f"  - split: {name}\n    path: {name}.parquet\n" for name in splits)
    return f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"


def _render(rendering: Rendering, folder: Path, bucket: int) -> dict[str, int]:
    """Writes the samples of a bucket, a part for each split."""
    rendered = rendering.bucket(bucket)
    rows = 0
    with ExitStack() as open_files:
        files = [open_files.enter_context(ParquetStream(folder / f".{name}-{bucket:04d}.parquet")) for name in SPLITS]
        for tables in rendered.tables:
            for file, table in zip(files, tables, strict=True):
                file.write(table)
                rows += table.height
    by_personas = {_BY + name: count for name, count in rendered.by_personas.items()}
    return {**rendered.counts, **by_personas, "across_cut": rendered.conversations - rows}


def _join(folder: Path, stop: str) -> dict[str, int]:
    """Puts each split's parts into one file, without what nearly repeats another split. The parts stay: a killed run does this again."""
    parts = {name: sorted(folder.glob(f".{name}-*.parquet")) for name in SPLITS}
    leaks = near_copies(parts, stop)
    counts = {"near_copies": sum(map(len, leaks.values()))}
    for name in SPLITS:
        path = folder / f"{name}.parquet"
        path.unlink(missing_ok=True)
        if len(parts[name]) == 1 and leaks[name].is_empty():
            os.link(parts[name][0], path)
        else:
            with ParquetStream(path) as whole:
                for part in parts[name]:
                    whole.append(part, without=leaks[name])
        counts[name] = int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    return {**counts, "samples": sum(counts[name] for name in SPLITS)}


def _refuse_absent(judged: Path, personas: Sequence[str]) -> None:
    """Says who wrote nothing that could be learned."""
    if personas:
        raise UserError(
            f"{judged}: no reply that could be learned is by {' or '.join(personas)}; give names as they stand in the column author of its "
            "posts"
        )


def _refuse_empty(judged: Path, sampled: Sampled) -> None:
    """Says where all posts went, if none is left to train on."""
    if sampled.train:
        return
    reasons = [f"{getattr(sampled, field)} {label}" for field, label in LEFT_OUT.items() if getattr(sampled, field)]
    raise UserError(
        f"{judged}: no reply is left to learn: {sampled.targets} posts pass the filters{''.join(f', {reason}' for reason in reasons)}, "
        f"{sampled.samples} become samples, 0 of them for training; loosen the filters, let samples be longer, or import more"
    )
