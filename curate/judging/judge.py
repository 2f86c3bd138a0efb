"""Judges a store of posts: every post gets its verdicts, and the counts add up."""

from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from curate import store
from curate.engine import Progress, run_stage, silent
from curate.files import read_json, write_json, write_parquet, write_text
from curate.judging.passes import Passes, Sink, clear, total
from curate.manifest import fingerprint, made_by, report_of
from curate.pages.judged import REPORT, filter_page
from filters.catalogue import Filter
from filters.funnel import Funnel
from filters.rule import Rule, TextRule
from filters.scorers.scorer import Sampling, Scorer
from filters.scores import score_texts
from filters.toxicity import Toxicity
from formats.errors import UserError

FUNNEL = "funnel.json"

_REPORTS = ".scorers.json"
"""What scorers said of their work so far, in the folder of unfinished work: another process may finish it."""

Scorers = dict[str, "Future[Scorer]"]
"""By the name of a rule, the model that says of texts what it judges by."""


def scorers_in_background(chosen: Filter, scores: Path) -> Scorers:
    """Begins to load the models that the rules need: it takes seconds in which other work can be done.

    Args:
        scores: the folder of the scores, beside which converted models are kept.
    """
    models = scores.with_name("scorers")
    pool = ThreadPoolExecutor(1, thread_name_prefix="load scorer")
    scorers = {rule.name(): pool.submit(rule.load, models) for rule in chosen.rules if isinstance(rule, TextRule) and rule.judging()}
    pool.shutdown(wait=False)
    return scorers


def judge_posts(
    posts: Path,
    out: Path,
    chosen: Filter,
    scores: Path,
    progress: Progress = silent,
    scorers: Scorers | None = None,
    *,
    page: bool = False,
) -> Funnel:
    """Writes the posts of a store with their verdicts to `out`, in the same buckets, and `funnel.json`.

    Args:
        scores: the folder in which the scores of models are kept, by the hash of the text, for this run and others.
        scorers: what `scorers_in_background` began to load; loaded here where it is missing.
        page: whether `out` gets a report as a page; that of a run has the same in it.

    Raises:
        UserError: `posts` is no store of posts, or `out` lies in it.
        RuleError: a rule's model cannot be loaded.
    """
    report_of(posts, "posts")
    if out.resolve().is_relative_to(posts.resolve()) and out.resolve() != posts.resolve():
        raise UserError(f"{out}: lies in the folder of posts, which is replaced when more are imported; name a folder beside it")
    scoring = _Scoring(chosen, scores, progress, scorers)

    def write(folder: Path, bucket: int, judged: pl.DataFrame) -> None:
        write_parquet(judged, store.bucket_folder(folder, bucket) / "part-0000.parquet")

    passes = Passes(posts, chosen, scoring, progress, write)

    def work(folder: Path, number: int, item: str) -> dict[str, Any] | None:
        done = passes.work(folder, item)
        if reports := scoring.reports():
            write_json(reports, folder / _REPORTS)
        return done

    def finish(folder: Path, counts: list[dict[str, Any] | None]) -> dict[str, Any]:
        scorers = read_json(folder / _REPORTS) or read_json(folder / FUNNEL).get("scorers", {})
        report = {**total(counts, chosen).to_dict(), "rules": chosen.settings(), "scorers": scorers}
        write_json(report, folder / FUNNEL)
        if page:
            write_text(filter_page(folder, out.resolve().name, report), folder / REPORT)
        clear(folder)
        (folder / _REPORTS).unlink(missing_ok=True)
        return report

    beyond = [transform.prepare() for transform in chosen.transforms]
    checkpoints = [_checkpoint(rule.scorer) for rule in chosen.rules if isinstance(rule, Toxicity)]
    layout = f"{pl.__version__} {version('rensa')}"  # buckets that wait for each other hold hashes of the one and signatures of the other
    made_from = fingerprint("judged", made_by(posts), chosen.settings(), beyond, checkpoints)
    return Funnel.from_report(run_stage("judged", out, made_from, passes.items, work, finish, layout))


def _checkpoint(scorer: str) -> list[tuple[str, int, int]]:
    """Size and time of the files behind a scorer, where it has any: other files of the same names are another scorer."""
    path = Path(scorer.partition(":")[2])
    files = sorted(path.glob("*")) if path.is_dir() and path != Path() else [path]
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]


def try_filter(
    posts: Path,
    chosen: Filter,
    scores: Path,
    sink: Sink = lambda folder, bucket, judged: None,
    progress: Progress = silent,
) -> Funnel:
    """Judges a store and leaves nothing: what `judge_posts` would write goes to `sink`, bucket by bucket.

    Raises:
        UserError: `posts` is no store of posts.
        RuleError: a rule's model cannot be loaded.
    """
    report_of(posts, "posts")
    passes = Passes(posts, chosen, _Scoring(chosen, scores, progress, None), progress, sink)
    for transform in chosen.transforms:
        transform.prepare()
    with TemporaryDirectory(prefix="lorum-") as folder:
        return total([passes.work(Path(folder), item) for item in passes.items], chosen)


class _Scoring:
    """Asks the scorers of the rules, which are loaded when the first text is to be scored."""

    def __init__(self, chosen: Filter, scores: Path, progress: Progress, scorers: Scorers | None) -> None:
        self._chosen, self._scores, self._progress = chosen, scores, progress
        self._scorers = scorers

    def __call__(self, rule: Rule, texts: pl.Series) -> pl.DataFrame:
        name = rule.name()
        if self._scorers is None:
            self._scorers = scorers_in_background(self._chosen, self._scores)
        scorer = self._scorers[name].result()
        return score_texts(texts, scorer, self._scores, lambda done, of: self._progress(name, done, of))

    def reports(self) -> dict[str, Any]:
        """By rule, what its scorer says of its own work, where it worked."""
        loaded = {name: future.result() for name, future in (self._scorers or {}).items() if future.done() and not future.exception()}
        return {name: report for name, scorer in loaded.items() if isinstance(scorer, Sampling) and (report := scorer.report())}
