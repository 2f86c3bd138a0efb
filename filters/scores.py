"""Scores of models, kept beside the data by the hash of the text: nothing is scored twice, in this run or in another."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
import xxhash

from filters.scorers.fidelity import SAMPLED
from filters.scorers.scorer import Sampling, Scorer, Sieve
from filters.scorers.sidecar import Sidecar, folders_of, rewrite

CHUNK = 20_000
"""Texts that are looked at together: enough to have many of each length."""

LESSON = 4_000
"""The same, while a cascade learns: it looks at what it knows after each."""

SAVED_EACH = 3.0
"""Seconds between two saves, so that a run that is killed loses at most a few."""

FIRST_BYTES = 4096
"""Of text before the first save, from which is seen how much can be scored between two."""

REPORT = "report.json"
"""What a scorer saw in samples (`Sampling.report`), beside its scores."""

Progress = Callable[[int, int], None]


def score_texts(texts: pl.Series, scorer: Scorer, kept_in: Path, on_progress: Progress | None = None) -> pl.DataFrame:
    """Scores of texts, a row each, in order, with the columns of the scorer's schema.

    Each distinct text is scored once and saved in `kept_in / scorer.key` as Parquet (hash of the text, scores; never the text), every few
    seconds, so that a run that was stopped goes on from there. A text that is null is scored as an empty one. A text that a cascade
    lets pass is null in all columns, and nothing is saved of it. `on_progress` is called with the number of texts done and in all, those
    known from before included.
    """
    texts = texts.fill_null("")
    hashes = hash_texts(texts)
    # In the order of their hashes the first texts are a random sample of all, and the same ones in each run.
    wanted = pl.DataFrame({"hash": hashes, "text": texts}).unique("hash", keep="any").sort("hash")
    sidecar = Sidecar(kept_in / scorer.key, scorer.schema)
    known = sidecar.read(wanted.select("hash"))
    sieve = scorer.sieve() if isinstance(scorer, Sampling) and known.height < wanted.height else None
    pace, found, done = _Pace(), [known], 0
    while done < wanted.height:
        chunk = wanted.slice(done, LESSON if sieve and sieve.learning else CHUNK)
        unknown = _unknown(chunk, known, sieve)
        pieces = []
        settled = done + chunk.height - unknown.height
        for piece in _scored(unknown, scorer, pace):
            sidecar.save(piece)
            pieces.append(piece)
            settled += piece.height
            if on_progress:
                on_progress(settled, wanted.height)
        found += pieces
        done += chunk.height
        if sieve and sieve.learning:
            lesson = chunk.join(pl.concat([known, *pieces]), on="hash", how="left", maintain_order="left")
            sieve.learn(lesson["text"].to_list(), lesson.select(*scorer.schema))
    sidecar.close()
    scores = pl.concat(found)
    if isinstance(scorer, Sampling) and scores.height:
        _compare(wanted, scores, scorer, kept_in)
        rewrite(kept_in / scorer.key / REPORT, lambda path: path.write_text(json.dumps(scorer.report(), indent=1) + "\n", "utf-8"))
    return hashes.to_frame().join(scores, on="hash", how="left", maintain_order="left").drop("hash")


def hash_texts(texts: pl.Series) -> pl.Series:
    """The hashes by which the scores of texts are kept."""
    return pl.Series("hash", [xxhash.xxh3_128_digest(text.encode()) for text in texts], pl.Binary)


def count_scores(hashes: pl.Series, kept_in: Path) -> int:
    """How many scores of texts with these hashes are kept in a folder, of all scorers."""
    kept = (pl.scan_parquet(parts).select("hash").filter(pl.col("hash").is_in(hashes.implode())) for parts in folders_of(kept_in))
    # A run that was killed while it put files together left some scores twice.
    return sum(found.select(pl.col("hash").n_unique()).collect().item() for found in kept)


def drop_scores(hashes: pl.Series, kept_in: Path) -> None:
    """Drops what is kept of texts with these hashes, of all scorers; a text that somebody else wrote too is scored again when needed."""
    for part in chain.from_iterable(folders_of(kept_in)):
        kept = pl.read_parquet(part)
        left = kept.filter(~pl.col("hash").is_in(hashes.implode()))
        if left.height < kept.height:
            rewrite(part, left.write_parquet)


@dataclass
class _Pace:
    """How many bytes of text are scored between two saves, by how long the last ones took."""

    size: float = field(default_factory=lambda: FIRST_BYTES)

    def note(self, seconds: float) -> None:
        self.size *= min(4.0, SAVED_EACH / max(seconds, 1e-6))


def _unknown(chunk: pl.DataFrame, known: pl.DataFrame, sieve: Sieve | None) -> pl.DataFrame:
    """The texts of a chunk to score, the longest first, so that texts of a length come together and memory grows no further."""
    unknown = chunk.join(known, on="hash", how="anti", maintain_order="left")
    if sieve:
        unknown = unknown.filter(pl.Series(~sieve.passes(unknown["text"].to_list(), chunk.height - unknown.height), dtype=pl.Boolean))
    return unknown.sort(pl.col("text").str.len_bytes(), descending=True, maintain_order=True)


def _scored(unknown: pl.DataFrame, scorer: Scorer, pace: _Pace) -> Iterator[pl.DataFrame]:
    """The scores of texts in pieces that take about `SAVED_EACH` seconds."""
    ends = unknown["text"].str.len_bytes().cast(pl.Int64).to_numpy().cumsum()
    start = 0
    while start < unknown.height:
        before = ends[start - 1] if start else 0
        piece = unknown[start : max(start + 1, int(np.searchsorted(ends, before + pace.size, "right")))]
        started = time.monotonic()
        scores = scorer.score(piece["text"].to_list())
        pace.note(time.monotonic() - started)
        yield piece.select("hash").hstack(scores)
        start += piece.height


def _compare(wanted: pl.DataFrame, scores: pl.DataFrame, scorer: Sampling, kept_in: Path) -> None:
    """Lets a scorer see a sample of its scores beside the exact ones, which are kept like all others."""
    exact = scorer.exact()
    if exact is None:
        return
    sample = wanted.join(scores, on="hash", maintain_order="left").head(SAMPLED)
    scorer.compare(sample.select(*scorer.schema), score_texts(sample["text"], exact, kept_in).select(*scorer.schema))
