"""Scores of models, kept beside the data by the hash of the text: nothing is scored twice, in this run or in another."""

import uuid
from collections.abc import Callable
from pathlib import Path

import polars as pl
import xxhash

from filters.toxicity import Scorer

SAVED_AT_ONCE = 20_000
"""Texts between two saves, so that a run that is killed loses at most these."""


def score_texts(texts: pl.Series, scorer: Scorer, kept_in: Path, on_progress: Callable[[int, int], None] | None = None) -> pl.DataFrame:
    """Scores of texts, a row each, in order: a column for each of the scorer's labels, Float32.

    Each distinct text is scored once and saved in `kept_in / scorer.key` as Parquet (hash of the text, scores; never the text).
    A text that is null is scored as an empty one. `on_progress` is called with the number of texts done and in all, those known from
    before included.
    """
    texts = texts.fill_null("")
    hashes = hash_texts(texts)
    wanted = pl.DataFrame({"hash": hashes, "text": texts}).unique("hash", keep="first", maintain_order=True)
    folder = kept_in / scorer.key
    known = _known(folder, wanted, scorer)
    missing = wanted.join(known, on="hash", how="anti", maintain_order="left")
    found = [known]
    done = known.height
    for part in missing.iter_slices(SAVED_AT_ONCE):
        scores = pl.DataFrame(scorer.score(part["text"].to_list()), schema=dict.fromkeys(scorer.labels, pl.Float32))
        found.append(part.select("hash").hstack(scores))
        _save(found[-1], folder)
        done += part.height
        if on_progress:
            on_progress(done, wanted.height)
    return hashes.to_frame().join(pl.concat(found), on="hash", how="left", maintain_order="left").drop("hash")


def hash_texts(texts: pl.Series) -> pl.Series:
    """The hashes by which the scores of texts are kept."""
    return pl.Series("hash", [xxhash.xxh3_128_digest(text.encode()) for text in texts], pl.Binary)


def count_scores(hashes: pl.Series, kept_in: Path) -> int:
    """How many scores of texts with these hashes are kept in a folder, of all scorers."""
    return sum(pl.scan_parquet(part).select(pl.col("hash").is_in(hashes.implode()).sum()).collect().item() for part in _parts(kept_in))


def drop_scores(hashes: pl.Series, kept_in: Path) -> None:
    """Drops what is kept of texts with these hashes, of all scorers; a text that somebody else wrote too is scored again when needed."""
    for part in _parts(kept_in):
        kept = pl.read_parquet(part)
        left = kept.filter(~pl.col("hash").is_in(hashes.implode()))
        if left.height < kept.height:
            unfinished = part.with_name(f".{part.name}.tmp")
            left.write_parquet(unfinished)
            unfinished.replace(part)


def _parts(kept_in: Path) -> list[Path]:
    return sorted(kept_in.glob("*/*.parquet"))


def _known(folder: Path, wanted: pl.DataFrame, scorer: Scorer) -> pl.DataFrame:
    schema = {"hash": pl.Binary, **dict.fromkeys(scorer.labels, pl.Float32)}
    parts = sorted(folder.glob("*.parquet"))
    if not parts:
        return pl.DataFrame(schema=schema)
    kept = pl.scan_parquet(parts, schema=schema)
    return kept.join(wanted.lazy().select("hash"), on="hash", how="semi").unique("hash", keep="first").collect()


def _save(scores: pl.DataFrame, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{uuid.uuid4().hex}.tmp"
    scores.write_parquet(unfinished)
    unfinished.rename(folder / f"{uuid.uuid4().hex}.parquet")
