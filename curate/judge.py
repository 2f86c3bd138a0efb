"""Judges a store of posts, bucket by bucket: every post gets its verdict, and the counts add up."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from curate import store, threads
from curate.engine import Progress, run_stage, silent
from curate.files import write_json, write_parquet
from curate.manifest import fingerprint, made_by, report_of
from filters import funnel
from filters.rule import Rule
from filters.scores import score_texts
from filters.toxicity import LABELS, Scorer, Toxicity, open_scorer
from filters.verdicts import judge

FUNNEL = "funnel.json"


def scorer_in_background(rules: Sequence[Rule]) -> "Future[Scorer] | None":
    """Begins to load the model that the rules need, if they need one: it takes seconds in which other work can be done."""
    wanted = [rule for rule in rules if isinstance(rule, Toxicity)]
    if not wanted:
        return None
    pool = ThreadPoolExecutor(1, thread_name_prefix="load scorer")
    future = pool.submit(open_scorer, wanted[0])
    pool.shutdown(wait=False)
    return future


def judge_posts(
    posts: Path,
    out: Path,
    rules: Sequence[Rule],
    scores: Path,
    progress: Progress = silent,
    scorer: "Future[Scorer] | None" = None,
) -> funnel.Funnel:
    """Writes the posts of a store with `target_reason` and `context_reason` to `out`, in the same buckets, and `funnel.json`.

    Args:
        scores: the folder in which the scores of models are kept, by the hash of the text, for this run and others.
        scorer: what `scorer_in_background` began to load; loaded here where it is missing.

    Raises:
        UserError: `posts` is no store of posts.
        RuleError: a rule's model cannot be loaded.
    """
    report_of(posts, "posts")
    buckets = store.bucket_numbers(posts)

    def work(folder: Path, number: int, item: str) -> dict[str, Any]:
        nonlocal scorer
        scorer = scorer or scorer_in_background(rules)
        judged = _judge_bucket(store.read_bucket(posts, int(item)), rules, scorer, scores, progress)
        write_parquet(judged, store.bucket_folder(folder, int(item)) / "part-0000.parquet")
        progress("filter", number + 1, len(buckets))
        return funnel.count(judged, rules).to_dict()

    def finish(folder: Path, counts: list[dict[str, Any]]) -> dict[str, Any]:
        total = funnel.Funnel(**counts[0])
        for count in counts[1:]:
            total += funnel.Funnel(**count)
        write_json(total.to_dict(), folder / FUNNEL)
        return total.to_dict()

    checkpoints = [_checkpoint(rule.scorer) for rule in rules if isinstance(rule, Toxicity)]
    made_from = fingerprint("judged", made_by(posts), [(rule.name(), asdict(rule)) for rule in rules], checkpoints)
    return funnel.Funnel(**run_stage("judged", out, made_from, [str(bucket) for bucket in buckets], work, finish))


def _checkpoint(scorer: str) -> tuple[int, int] | None:
    """Size and time of the file behind a scorer, where it is one: another file of the same name is another scorer."""
    path = Path(scorer.partition(":")[2])
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None


def _judge_bucket(
    posts: pl.DataFrame, rules: Sequence[Rule], scorer: "Future[Scorer] | None", scores: Path, progress: Progress
) -> pl.DataFrame:
    """All cheap rules in one pass; then the model, on the distinct texts of replies that still stand in a conversation."""
    cheap = [rule for rule in rules if not isinstance(rule, Toxicity)]
    judged = judge(posts, cheap)
    for rule in rules:
        if isinstance(rule, Toxicity) and scorer:
            standing = threads.chains(judged, 2).turns[:, -1]
            if not len(standing):
                continue
            texts = judged["text"][standing].fill_null("")
            found = score_texts(texts, scorer.result(), scores, lambda done, of: progress("toxicity", done, of))
            columns = {f"toxicity.{label}": found[label] if label in found.columns else pl.lit(None, pl.Float32) for label in LABELS}
            scored = found.select(**columns).with_columns(pl.Series("row", standing))
            rows = judged.with_columns(pl.int_range(pl.len()).alias("row")).join(scored, on="row", how="left", maintain_order="left")
            judged = judge(rows, [rule]).drop("row", *columns)
    return judged


def explain(judged: Path, post_id: str) -> dict[str, Any] | None:
    """The verdict on one post, with its text and lineage; None where the folder does not hold it."""
    report_of(judged, "judged")
    for bucket in store.bucket_numbers(judged):
        found = store.read_bucket(judged, bucket).filter(pl.col("id") == post_id)
        if found.height:
            return found.to_dicts()[0]
    return None
