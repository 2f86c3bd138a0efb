"""Removes forgotten posts everywhere downstream, and makes the reports true again. Every step can be done again."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet

from curate import store
from curate.card import dataset_card
from curate.engine import Progress
from curate.files import ParquetStream, read_json, write_json, write_text
from curate.forgetting.copies import clear_copies, is_out_of_date, keep_up
from curate.forgetting.downstream import RUN, Downstream
from curate.forgetting.excerpts import clear_excerpts, clear_segment
from curate.forgetting.forgotten import Forgotten
from curate.forgetting.plan import Plan
from curate.forgetting.states import clear_states
from curate.forgetting.survey import example_keys, examples_of
from curate.journal import segments
from curate.judging.judge import FUNNEL
from curate.manifest import change_report, count_as_made_from, made_by, report_of, stage_of
from curate.pages.judged import REPORT, filter_page
from curate.pages.run import write_report
from curate.recipe import Recipe
from curate.samples import CARD_FILE, Sampled, bare_card
from curate.splits import SPLITS
from filters.funnel import COUNTED, Funnel, count
from filters.scores import drop_scores
from train.evaluation.judging.kept import kept_beside
from train.shelf.routing_index import INDEX


def remove(places: Downstream, plan: Plan, scores: Path, progress: Progress) -> None:
    """Removes what a plan names; called again after a kill, it removes what is left of that.

    That no import lets the posts back in is written first.
    """
    gone = Forgotten.read(places.posts).joined(plan.gone())
    gone.write(places.posts)
    clear_states(places.posts, gone)
    if plan.removed.is_nothing():
        return
    drop_scores(pl.Series("hash", [bytes.fromhex(text) for text in plan.scores], pl.Binary), scores)
    for folder in (places.posts, *places.judged):
        _drop_posts(folder, gone, progress)
    left = gone.mark() if plan.removed.posts else ""
    _recount_posts(places.posts, left)
    count_as_made_from(places.posts, places.posts)
    for folder in places.judged:
        clear_copies(folder, gone)
        _recount_judged(folder, gone.mark() if plan.removed.judged else "")
        keep_up(folder, places.posts)
    for segment in segments(places.posts):
        clear_segment(segment, gone)
    clear_excerpts(places.posts, gone)
    for folder in places.samples:
        if plan.samples.get(str(folder)):
            _drop_samples(folder, plan.samples[str(folder)])
            _recount_samples(folder, _judged_of(folder, places))
        if judged := _judged_of(folder, places):
            keep_up(folder, judged)
    for adapter in places.adapters:
        kept_beside(adapter).unlink(missing_ok=True)
        (adapter / INDEX).unlink(missing_ok=True)
    for run in places.runs:
        _retell(run, places, plan)


def _drop_posts(folder: Path, gone: Forgotten, progress: Progress) -> None:
    buckets = store.bucket_numbers(folder)
    for number, bucket in enumerate(buckets, 1):
        rows = gone.holds(store.read_bucket(folder, bucket, ["id", "author"])).arg_true()
        if len(rows):
            store.drop(folder, bucket, rows)
        progress(f"forget {folder.name}", number, len(buckets))


def _recount_posts(folder: Path, left: str) -> None:
    report = report_of(folder, "posts")
    kinds = [store.read_bucket(folder, bucket, ["kind"])["kind"] for bucket in store.bucket_numbers(folder)]
    posts, comments = sum(map(len, kinds)), sum(int((kind == "comment").sum()) for kind in kinds)
    others = report["rejects"] + report["replaced"] + report["not_asked_for"]
    counts = {"posts": posts, "comments": comments, "submissions": posts - comments, "forgotten": report["lines"] - others - posts}
    change_report(folder, {**report, **counts}, left)


def _recount_judged(folder: Path, left: str) -> None:
    report = report_of(folder, "judged")
    before = Funnel.from_report(report)
    none = {name: dict.fromkeys(side, 0) for name, side in before.to_dict().items() if name != "posts"}
    judged = (store.read_bucket(folder, bucket, COUNTED) for bucket in store.bucket_numbers(folder))
    counted = {**report, **count(judged, Funnel(0, **none)).to_dict()}
    write_json(counted, folder / FUNNEL)
    change_report(folder, counted, left)
    if (folder / REPORT).exists():
        write_text(filter_page(folder, folder.name, counted), folder / REPORT)


def _drop_samples(folder: Path, ids: Sequence[str]) -> None:
    gone = pl.Series([list(ids)], dtype=pl.List(pl.String))
    for split in SPLITS:
        path = folder / f"{split}.parquet"
        if pl.scan_parquet(path, glob=False).select(pl.col("id").is_in(gone).any()).collect().item():
            with pyarrow.parquet.ParquetFile(path) as file, ParquetStream(path) as left:
                for group in range(file.num_row_groups):
                    rows = pl.DataFrame(file.read_row_group(group))
                    left.write(rows.filter(~pl.col("id").is_in(gone)))


def _recount_samples(folder: Path, judged: Path | None) -> None:
    """Counts anew. A reply that lost a turn before it counts with those that have none; where their posts are not at hand, not at all."""
    report = report_of(folder, "samples")
    splits = {split: pl.scan_parquet(folder / f"{split}.parquet", glob=False).select(pl.len()).collect().item() for split in SPLITS}
    samples = sum(splits.values())
    targets, roots = _targets(judged) if judged else (0, 0)
    if targets < roots + samples:
        roots, targets = report["roots"], report["roots"] + report["without_context"] + samples
    counts = Sampled(targets, roots, targets - roots - samples, samples, **splits)
    left = "".join(_sha256(folder / f"{split}.parquet") for split in SPLITS)
    change_report(folder, asdict(counts), left)
    card, bare = folder / CARD_FILE, [bare_card(chosen) for size in range(4) for chosen in combinations(SPLITS, size)]
    if card.exists() and card.read_text(encoding="utf-8") in bare:
        write_text(bare_card([split for split in SPLITS if splits[split]]), card)


def _targets(judged: Path) -> tuple[int, int]:
    """How many posts are kept as replies to learn, and how many of them open a thread."""
    columns = ["parent_id", "target_reason"]
    kept = [store.read_bucket(judged, bucket, columns).filter(pl.col("target_reason").is_null()) for bucket in store.bucket_numbers(judged)]
    return sum(rows.height for rows in kept), sum(rows["parent_id"].null_count() for rows in kept)


def _judged_of(samples: Path, places: Downstream) -> Path | None:
    """The judged posts that samples were made from: those beside them, or the only ones."""
    beside = samples.parent / "judged"
    return beside if beside in places.judged else places.judged[0] if len(places.judged) == 1 else None


def _retell(run: Path, places: Downstream, plan: Plan) -> None:
    """Writes a run's record, its report and the card of its samples anew."""
    record = read_json(run / RUN)
    stages: dict[str, Any] = record.get("stages", {})
    folders = {"gather": (run / "posts", "posts"), "filter": (run / "judged", "judged"), "format": (run / "samples", "samples")}
    for name, (folder, stage) in folders.items():
        if name in stages and stage_of(folder) == stage:
            stages[name]["counts"] |= report_of(folder, stage)
            is_to_be_done_again = stage == "judged" and is_out_of_date(folder)
            if _same_work(stages[name]["fingerprint"], made_by(folder) or "") and not is_to_be_done_again:
                stages[name]["fingerprint"] = made_by(folder)
    samples = run / "samples"
    if "format" in stages and samples in places.samples:
        stages["format"]["counts"]["sha256"] = {split: _sha256(samples / f"{split}.parquet") for split in SPLITS}
        write_text(_run_card(record, samples), samples / CARD_FILE)
    if "eval" in stages:
        stages["eval"]["counts"]["examples"] = [one for one in examples_of(record) if example_keys(one).isdisjoint(plan.examples)]
    record.pop("judged", None)
    if "train" in stages and str(run / "adapter") in (*plan.removed.adapters, *plan.removed.older_adapters):
        record["trained_on_forgotten"] = True
    write_json(record, run / RUN)
    write_report(record, run)


def _same_work(before: str, now: str) -> bool:
    """Whether two fingerprints tell of the same work, whatever was taken out since."""
    return before.partition("-")[0] == now.partition("-")[0]


def _run_card(record: dict[str, Any], samples: Path) -> str:
    counts = record["stages"]["format"]["counts"]
    if not counts["train"]:
        return bare_card([split for split in SPLITS if counts[split]])
    return dataset_card(record, Recipe(**record["recipe"]), samples)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
