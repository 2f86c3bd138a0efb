"""How fast rules judge posts: each alone, all together, what each adds to the rest, and datatrove's filters in the same run.

    python benchmarks/filters.py POSTS_FOLDER_OR_DUMP... [--runs 5] [--sample 5000]

Rules are those of the catalogue with their defaults; their seconds hold the measures and facts that they need, and the chains of replies,
which are timed without a rule too.
Seconds are the least of some runs, in which the rules take turns, so that a busy machine slows all of them alike. What a rule adds is what
all rules together take beyond all but it, in seconds of processors, which count little of the machine's other work: the median of pairs.
Memory is the process's peak.

datatrove's filters get documents one by one, as its pipelines hand them over, and compare with what covers the same ground here:
needs `pip install datatrove spacy`.
"""

import argparse
import importlib.util
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before this folder, where the package `filters` would be found to be this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import polars as pl

from curate import store
from curate.judging.bucket import JudgedBucket, judge_bucket
from filters import facts, selection
from filters.catalogue import Filter, build_filter
from filters.rule import Phase, Rule
from filters.transform import apply_transforms
from filters.vocabulary import Words
from filters.wording import Length, Repetition, Symbols

IMPORT = "import sys; from pathlib import Path; from curate.gather import import_files; import_files(sys.argv[2:], Path(sys.argv[1]))"

BLOCKED = [
    f"{first}{last}"
    for first in ("kettle", "court", "tea", "cup", "law", "spoon")
    for last in ("stand", "room", "maker", "house", "work", "time")
]
"""Harmless words for a block list; what they say makes little difference to its speed."""


def posts_of(paths: Sequence[Path]) -> pl.DataFrame:
    """The posts of a store, or of dumps."""
    if len(paths) == 1 and paths[0].is_dir():
        return pl.concat(store.read_bucket(paths[0], bucket) for bucket in store.bucket_numbers(paths[0]))
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: the peak of this one is to be that of the rules.
        subprocess.run([sys.executable, "-c", IMPORT, str(Path(folder) / "posts"), *map(str, paths)], check=True)
        return posts_of([Path(folder) / "posts"])


def judged(posts: pl.DataFrame, rules: Sequence[Rule]) -> JudgedBucket:
    """What `lorum filter` does to a bucket for these rules."""
    known = facts.facts([facts.survey(posts)] if facts.needed(rules) else [])
    return judge_bucket(posts, Filter((), tuple(rules)), known, no_scores)


def no_scores(rule: Rule, texts: pl.Series) -> pl.DataFrame:
    """No rule on what a model says is timed here."""
    raise AssertionError(rule.name())


def selected(found: JudgedBucket, rules: Sequence[Rule]) -> pl.DataFrame:
    """The same for rules on the whole run, on the replies that are left."""
    return selection.select([selection.standing(found.posts[found.standing], selection.wanted(rules))], rules)


@dataclass(frozen=True)
class Seconds:
    """The least of some runs: by the wall's clock, and of processors."""

    wall: float = float("inf")
    busy: float = float("inf")


def fastest(tasks: dict[str, Callable[[], object]], runs: int) -> dict[str, Seconds]:
    """What each task takes."""
    seconds = dict.fromkeys(tasks, Seconds())
    for _ in range(runs):
        for name, task in tasks.items():
            wall, busy = time.perf_counter(), time.process_time()
            task()
            took = Seconds(time.perf_counter() - wall, time.process_time() - busy)
            seconds[name] = Seconds(min(seconds[name].wall, took.wall), min(seconds[name].busy, took.busy))
    return seconds


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(posts: pl.DataFrame, rules: Sequence[Rule], runs: int) -> Seconds:
    """Prints the rules' table; what all together take."""
    alone = fastest({rule.name(): lambda rule=rule: judged(posts, [rule]) for rule in rules}, runs)
    together = fastest({"all": lambda: judged(posts, rules)}, runs)["all"]
    added = {rule.name(): adds(posts, rule, rules, runs) for rule in rules}
    verdicts = judged(posts, rules).verdicts
    print(f"\n{'rule':<24}{'ms alone':>10}{'busy ms':>10}{'krows/s':>10}{'adds %':>9}{'drops':>9}")
    for place, rule in enumerate(rules):
        name, dropped = rule.name(), int(((verdicts.target | verdicts.context) >> place & 1).sum())
        print(f"{row(name, alone[name], posts.height)}{added[name] * 100:>9.1f}{dropped:>9}")
    print(row("all", together, posts.height))
    print(row("(chains, without rules)", fastest({"none": lambda: judged(posts, [])}, runs)["none"], posts.height))
    return together


def adds(posts: pl.DataFrame, rule: Rule, rules: Sequence[Rule], runs: int) -> float:
    """What a rule adds to the processors' time of all others, as a share of it: the median of pairs of runs, one just after the other."""
    others = [other for other in rules if other is not rule]
    tasks = {"all": lambda: judged(posts, rules), "others": lambda: judged(posts, others)}
    pairs = [fastest(tasks, 1) for _ in range(runs)]
    return statistics.median(pair["all"].busy / pair["others"].busy - 1 for pair in pairs)


def row(name: str, seconds: Seconds, rows: int) -> str:
    return f"{name:<24}{seconds.wall * 1000:>10.0f}{seconds.busy * 1000:>10.0f}{rows / seconds.wall / 1000:>10.0f}"


def peers() -> dict[str, tuple[Callable[[Any], object], list[Rule]]]:
    """datatrove's filters, and the rules that cover the same ground."""
    from datatrove.pipeline.filters import (
        C4BadWordsFilter,
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    words = C4BadWordsFilter()
    words._badwords_regex["en"] = re.compile(r"(?:\W|^)({})(?:\W|$)".format("|".join(map(re.escape, BLOCKED))))  # its list is a download
    repetition = [Repetition()]
    return {
        "Gopher repetition": (GopherRepetitionFilter().filter, repetition),
        "Gopher quality": (GopherQualityFilter().filter, [Length(), Symbols()]),
        "C4 quality": (C4QualityFilter(filter_no_terminal_punct=False).filter, [Length(), Words(block=("javascript", "lorem ipsum"))]),
        "C4 bad words": (words.filter, [Words(block=tuple(BLOCKED))]),
        "FineWeb quality": (FineWebQualityFilter().filter, [Length(), *repetition]),
    }


def theirs(posts: pl.DataFrame, together: Seconds, sample: int, runs: int) -> None:
    """Prints datatrove's table."""
    if missing := [name for name in ("datatrove", "spacy") if not importlib.util.find_spec(name)]:
        print(f"\ndatatrove's filters are left out: pip install {' '.join(missing)}")
        return
    from datatrove.data import Document

    chosen = posts.filter(pl.col("text").str.len_chars() > 0).sample(min(sample, posts.height), seed=1)["text"].to_list()

    def run(keeps: Callable[[Any], object], texts: Sequence[str]) -> None:
        for number, text in enumerate(texts):
            keeps(Document(text, str(number), metadata={"language": "en"}))

    found = peers()
    for keeps, _ in found.values():
        run(keeps, chosen[:10])  # what they load the first time does not count
    seconds = fastest({name: lambda keeps=keeps: run(keeps, chosen) for name, (keeps, _) in found.items()}, max(1, runs // 2))
    same = fastest({name: lambda rules=rules: judged(posts, rules) for name, (_, rules) in found.items()}, runs)
    print(f"\n{'datatrove, one by one':<24}{'krows/s':>10}{'ours':>10}{'ratio':>9}  rules that cover the same ground")
    for name, (_, rules) in found.items():
        their, our = len(chosen) / seconds[name].wall / 1000, posts.height / same[name].wall / 1000
        print(f"{name:<24}{their:>10.2f}{our:>10.0f}{our / their:>8.0f}x  {', '.join(rule.name() for rule in rules)}")
    their, our = len(chosen) / sum(each.wall for each in seconds.values()) / 1000, posts.height / together.wall / 1000
    print(f"{'all':<24}{their:>10.2f}{our:>10.0f}{our / their:>8.0f}x  all of the table above")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("posts", nargs="*", type=Path, default=sorted(Path("sample_data").glob("*.zst")))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sample", type=int, default=5000, help="documents for datatrove")
    arguments = parser.parse_args()
    posts = posts_of(arguments.posts)
    chosen = build_filter({})
    rules = [rule for rule in chosen.rules if rule.phase in (Phase.POST, Phase.CONVERSATION)]
    print(f"{posts.height:,} posts; least of {arguments.runs}, {os.cpu_count()} cores; {len(rules)} rules")
    before = peak_mib()
    judged(posts, rules)
    print(f"posts {posts.estimated_size('mb'):,.0f} MiB; peak {before:,.0f} MiB before, {peak_mib():,.0f} MiB after all rules")
    together = ours(posts, rules, arguments.runs)
    changes = fastest({"all": lambda: apply_transforms(posts, chosen.transforms)}, arguments.runs)["all"]
    print(row("default transforms", changes, posts.height))
    found = judged(posts, rules)
    on_the_run = [rule for rule in chosen.rules if rule.phase is Phase.RUN and rule.judging()]
    for name, some in {**{rule.name(): [rule] for rule in on_the_run}, "all on the whole run": on_the_run}.items():
        taken = fastest({name: lambda some=some: selected(found, some)}, arguments.runs)[name]
        print(row(name, taken, len(found.standing)))
    theirs(posts, together, arguments.sample, arguments.runs)


if __name__ == "__main__":
    main()
