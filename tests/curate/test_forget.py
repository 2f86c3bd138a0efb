import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result
from praw.config import Config

from curate import store
from curate.cli import main
from curate.engine import alone, silent
from curate.files import write_text
from curate.forget import forget
from curate.forgetting.asking import Asked
from curate.forgetting.forgotten import Forgotten
from curate.forgetting.lists import check_id, read_list
from curate.forgetting.plan import Removed
from curate.gather import Gathered, import_files, import_table
from curate.journal import JournalWriter, journal_folder, segments
from curate.judging.judge import judge_posts
from curate.manifest import made_by, report_of
from curate.pages.judged import REPORT, filter_page
from curate.samples import Sampled, make_samples
from curate.scrape import scrape
from curate.sources.fetching.patience import Patience, SourceDownError
from curate.sources.reddit_api import Request
from curate.sources.source import Failure
from curate.splits import SPLITS, SplitSettings
from filters.catalogue import build_filter
from filters.funnel import Funnel
from filters.scorers.scorer import labelled, schema_of
from filters.scores import count_scores, hash_texts, score_texts
from formats.errors import UserError
from formats.templates.template import load_template
from tests.searched import files_with
from tests.servers.reddit import CLIENT_ID, CLIENT_SECRET, serve
from tests.servers.reddit_forum import Forum

Record = dict[str, Any]
Make = Callable[..., Record]
Dump = Callable[..., Path]
NOTHING = Removed()
SECRET = "zarzuela"
"""A word that stands in forgotten posts and nowhere else."""


@dataclass(frozen=True)
class ScrapeRequest:
    """The request of a scrape."""

    limit: int | None = None


class Counting:
    """A scorer that gives every text the same score, and keeps what it was asked."""

    key = "counting-1"
    schema = schema_of(["toxicity"])

    def __init__(self) -> None:
        self.asked: list[str] = []

    def score(self, texts: Sequence[str]) -> pl.DataFrame:
        self.asked += texts
        return labelled({"toxicity": pl.Series([0.25] * len(texts), dtype=pl.Float32)})


def ids(folder: Path) -> list[str]:
    return [post for bucket in store.bucket_numbers(folder) for post in store.read_bucket(folder, bucket, ["id"])["id"]]


def sample_ids(folder: Path) -> dict[str, list[str]]:
    return {split: pl.read_parquet(folder / f"{split}.parquet")["id"].to_list() for split in SPLITS}


@pytest.fixture
def run(tmp_path: Path, comment: Make, submission: Make, dump: Dump) -> Path:
    """The folders of a run on two threads: chains of four comments a to d in s1, and e in s2; a rejected line quotes c."""
    secret = f"A {SECRET} of a kettle."
    lines = [
        submission("s1"),
        comment("a"),
        comment("b", parent="a"),
        comment("c", parent="b", body=secret, author="Mabel"),
        comment("d", parent="c"),
        comment("f", parent="d"),
        submission("s2", author="mabel", selftext=secret),
        comment("e", thread="s2", author="Mabel"),
        b'{"id": "c", "body": "' + secret.encode() + b'", "author": "Mabel", oops',
        b'{"id": "b", "body": "cut off',
        comment("a"),
    ]
    folder = tmp_path / "run"
    import_files([dump(*lines, name="court.ndjson")], folder / "posts")
    judge_posts(folder / "posts", folder / "judged", build_filter({"toxicity": False}), tmp_path / "cache" / "scores")
    write_text(filter_page(folder / "judged", "judged"), folder / "judged" / REPORT)
    make_samples(folder / "judged", folder / "samples", load_template("speakers"), max_turns=3, split=SplitSettings((1, 0, 0), 0))
    return folder


def test_a_post_goes_from_everywhere_and_samples_go_that_hold_it_as_reply_or_context(run: Path) -> None:
    made = made_by(run / "posts"), made_by(run / "judged"), made_by(run / "samples")
    assert sample_ids(run / "samples")["train"] == ["t1_a", "t1_b", "t1_c", "t1_d", "t1_f", "t1_e"]
    removed = forget(run, ["t1_c"])
    assert removed == replace(NOTHING, posts=1, judged=1, samples={"train": 3, "validation": 0, "test": 0}, rejects=1)
    assert ids(run / "posts") == ids(run / "judged") == ["t3_s1", "t1_a", "t1_b", "t1_d", "t1_f", "t3_s2", "t1_e"]
    assert sample_ids(run / "samples")["train"] == ["t1_a", "t1_b", "t1_e"]
    assert files_with("oops", run) == []
    before = Gathered(lines=11, posts=8, comments=6, submissions=2, rejects=3, not_asked_for=0, files=1)
    assert Gathered(**report_of(run / "posts", "posts")) == replace(before, posts=7, comments=5, forgotten=1)
    assert json.loads((run / "judged" / "funnel.json").read_text()) == report_of(run / "judged", "judged")
    funnel = Funnel.from_report(report_of(run / "judged", "judged"))
    assert (funnel.posts, funnel.target["kept"], funnel.target["turns"], funnel.outcome["context"]) == (7, 5, 2, 2)
    # d and f lost a turn before them, and count with those that have none.
    assert Sampled(**report_of(run / "samples", "samples")) == Sampled(5, 0, 2, 3, 3, 0, 0)
    after = made_by(run / "posts"), made_by(run / "judged"), made_by(run / "samples")
    assert [str(now).startswith(f"{before}-") for now, before in zip(after, made, strict=True)] == [True] * 3


def test_a_turn_too_far_up_to_be_in_the_sample_leaves_it(run: Path) -> None:
    forget(run, ["t3_s1"])
    assert sample_ids(run / "samples")["train"] == ["t1_c", "t1_d", "t1_f", "t1_e"]


def test_an_author_goes_in_any_case_and_stays_away(run: Path, comment: Make, dump: Dump) -> None:
    removed = forget(run, authors=["u/MABEL"])
    # A rejected line that was cut before its author may be theirs.
    assert removed == replace(NOTHING, posts=3, judged=3, samples={"train": 4, "validation": 0, "test": 0}, rejects=2)
    assert files_with(SECRET, run) == []
    assert files_with("abel", run) == []
    later = dump(comment("new", author="mabel"), comment("n2", author="someone"), name="later.ndjson")
    assert import_files([later], run / "posts", add=True).forgotten == 4
    assert ids(run / "posts") == ["t3_s1", "t1_a", "t1_b", "t1_d", "t1_f", "t1_n2"]


def test_a_second_time_there_is_nothing_to_remove(run: Path, contents: Callable[[Path], dict[str, bytes]]) -> None:
    forget(run, ["t1_c"], ["Mabel"])
    before = contents(run)
    assert forget(run, ["t1_c"], ["Mabel"]) == replace(NOTHING, before=1)
    assert contents(run) == before


def test_what_is_not_there_is_said_and_kept_away(run: Path, comment: Make, dump: Dump) -> None:
    assert forget(run, ["t1_later", "zzz"], ["nobody"]) == replace(NOTHING, unknown=("t1_later", "zzz", "nobody"))
    assert len(ids(run / "posts")) == 8
    import_files([dump(comment("later"), comment("zzz"), name="later.ndjson")], run / "posts", add=True)
    assert ids(run / "posts")[8:] == ["t1_zzz"]


def test_a_dry_run_changes_nothing_and_counts_the_same(run: Path, contents: Callable[[Path], dict[str, bytes]]) -> None:
    before = contents(run)
    would = forget(run, ["c"], ["mabel"], dry_run=True)
    assert contents(run) == before
    assert would == forget(run, ["c"], ["mabel"]) != NOTHING


def test_a_prefix_may_be_left_out_unless_a_comment_and_a_submission_share_the_id(run: Path, comment: Make, dump: Dump) -> None:
    assert forget(run, ["d"]).posts == 1
    assert "t1_d" not in ids(run / "posts")
    import_files([dump(comment("s1"), name="twin.ndjson")], run / "posts", add=True)
    with pytest.raises(UserError, match="s1: is t1_s1 and t3_s1, which are different posts"):
        forget(run, ["s1"])
    assert {"t1_s1", "t3_s1"} < set(ids(run / "posts"))


def test_what_lies_elsewhere_goes_too_even_after_the_posts_went(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "judged", tmp_path / "other" / "judged")
    shutil.copytree(run / "samples", tmp_path / "other samples")
    (run / "posts").rename(run / "gathered")
    first = forget(run / "gathered", ["t1_c"])
    assert (first.posts, first.judged, first.samples["train"]) == (1, 0, 0)
    assert first.beside == (str(run / "judged"), str(run / "samples"))
    # The posts that told what d and f answer are gone, but d tells it itself.
    second = forget(run / "gathered", ["t1_c"], also=[tmp_path / "other samples"])
    assert (second.posts, second.samples["train"], second.before) == (0, 3, 1)
    assert sample_ids(tmp_path / "other samples")["train"] == ["t1_a", "t1_b", "t1_e"]
    third = forget(run / "gathered", ["t1_c"], also=[tmp_path / "other" / "judged"])
    # It is in s2, too, of which the page shows why it is no reply to learn.
    left = [str(Path("bucket=0000/part-0000.parquet")), REPORT]
    assert (third.judged, files_with(SECRET, tmp_path / "other" / "judged")) == (1, left)
    assert ids(tmp_path / "other" / "judged") == ["t3_s1", "t1_a", "t1_b", "t1_d", "t1_f", "t3_s2", "t1_e"]


def judge(posts: Path, out: Path) -> None:
    judge_posts(posts, out, build_filter({"toxicity": False}), out.parent / "scores")


def render(judged: Path, out: Path, max_turns: int = 3) -> None:
    make_samples(judged, out, load_template("speakers"), max_turns=max_turns, split=SplitSettings((1, 0, 0), 0))


def test_what_lies_beside_a_folder_called_posts_is_cleared_with_it_and_not_made_again(run: Path) -> None:
    removed = forget(run / "posts", ["t1_c"])
    assert (removed.posts, removed.judged, removed.samples["train"], removed.beside) == (1, 1, 3, ())
    assert ids(run / "posts") == ids(run / "judged") == ["t3_s1", "t1_a", "t1_b", "t1_d", "t1_f", "t3_s2", "t1_e"]
    tables = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}
    judge(run / "posts", run / "judged")
    render(run / "judged", run / "samples")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")} == tables
    # Made anew, samples may be others than those that were cleared: here of f, which lost only what stood before it.
    made = made_by(run / "samples")
    render(run / "judged", run / "samples", max_turns=4)
    render(run / "judged", run / "samples")
    assert made_by(run / "samples") != made


def test_what_lies_elsewhere_is_out_of_date_once_its_posts_were_cleared(run: Path, comment: Make, dump: Dump) -> None:
    (run / "posts").rename(run / "gathered")
    removed = forget(run / "gathered", authors=["mabel"])
    assert removed.beside == (str(run / "judged"), str(run / "samples"))
    assert files_with(SECRET, run / "judged") != []
    judge(run / "gathered", run / "judged")
    render(run / "judged", run / "samples")
    assert files_with(SECRET, run) == []
    assert sample_ids(run / "samples")["train"] == ["t1_a", "t1_b", "t1_f"]


def test_a_folder_that_comes_back_to_the_same_files_stays_another_than_before(run: Path, tmp_path: Path, comment: Make, dump: Dump) -> None:
    (run / "posts").rename(run / "gathered")
    forget(run / "gathered", ["t1_c"])
    import_files([tmp_path / "court.ndjson", dump(comment("g"), name="more.ndjson")], run / "gathered")
    import_files([tmp_path / "court.ndjson"], run / "gathered")
    judge(run / "gathered", run / "judged")
    assert ids(run / "judged") == ["t3_s1", "t1_a", "t1_b", "t1_d", "t1_f", "t3_s2", "t1_e"]


def test_samples_made_anew_with_more_of_a_post_since_a_kill_lose_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render(run / "judged", run / "samples", max_turns=2)
    with monkeypatch.context() as patched:
        patched.setattr("curate.forget.remove", interrupted)
        with pytest.raises(KeyboardInterrupt):
            forget(run, ["t1_c"])
    render(run / "judged", run / "samples", max_turns=4)
    assert forget(run, ["t1_c"]).samples["train"] == 3
    assert sample_ids(run / "samples")["train"] == ["t1_a", "t1_b", "t1_e"]


@pytest.mark.parametrize(("trained", "same", "named"), [(True, True, False), (True, False, True), (False, True, True)])
def test_an_adapter_that_may_have_seen_a_post_is_named(run: Path, trained: bool, same: bool, named: bool) -> None:
    (run / "adapter").mkdir()
    (run / "adapter" / "adapter_config.json").write_text("{}")
    made = made_by(run / "samples") if same else "of another recipe"
    stages = {"format": {"fingerprint": made}, **({"train": {}} if trained else {})}
    (run / "run.json").write_text(json.dumps({"lorum": "0", "name": "court", "stages": stages, "started": ""}))
    train = run / "samples" / "train.parquet"
    pl.read_parquet(train).filter(pl.col("id") != "t1_f").write_parquet(train)  # of f there is no sample now
    removed = forget(run, ["t1_f"], dry_run=True)
    assert (removed.adapters, removed.older_adapters) == ((), (str(run / "adapter"),) if named else ())
    assert forget(run, ["t1_nowhere"], dry_run=True).older_adapters == ()


def test_an_adapter_is_named_if_samples_of_its_training_went(run: Path, tmp_path: Path) -> None:
    for adapter in (run / "adapter", tmp_path / "elsewhere"):
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text("{}")
    assert forget(run, ["t3_s2"]).adapters == (str(run / "adapter"),)
    assert forget(run, ["t3_s2"], also=[tmp_path / "elsewhere"]).adapters == ()
    assert forget(run, ["t1_a"], also=[tmp_path / "elsewhere"]).adapters == (str(run / "adapter"), str(tmp_path / "elsewhere"))


def test_when_all_is_forgotten_empty_folders_are_left(run: Path) -> None:
    removed = forget(run, ids(run / "posts"))
    assert (removed.posts, removed.judged, removed.samples["train"]) == (8, 8, 6)
    assert ids(run / "posts") == ids(run / "judged") == sample_ids(run / "samples")["train"] == []
    assert report_of(run / "posts", "posts")["forgotten"] == 8
    assert Sampled(**report_of(run / "samples", "samples")) == Sampled(0, 0, 0, 0, 0, 0, 0)
    assert (run / "samples" / "README.md").read_text() == "---\nconfigs:\n- config_name: default\n  data_files:\n---\n"


def test_posts_of_a_run_stand_for_the_run(run: Path) -> None:
    (run / "run.json").write_text('{"lorum": "0", "name": "court", "stages": {}, "started": ""}')
    assert forget(run / "posts", ["t1_c"]).judged == 1


def test_many_buckets_are_one(
    tmp_path: Path, comment: Make, submission: Make, dump: Dump, rows_per_bucket: Callable[[float], None]
) -> None:
    rows_per_bucket(5)
    records = [one for n in range(40) for one in (submission(f"s{n}"), comment(f"c{n}", thread=f"s{n}", author=f"writer_{n % 4}"))]
    import_files([dump(*records)], tmp_path / "posts")
    assert len(store.bucket_numbers(tmp_path / "posts")) > 4
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "posts").rglob("*.parquet")}
    assert forget(tmp_path / "posts", ["t3_s3"], ["writer_1"]).posts == 11
    left = {f"t3_s{n}" for n in range(40) if n != 3} | {f"t1_c{n}" for n in range(40) if n % 4 != 1}
    assert set(ids(tmp_path / "posts")) == left
    forget(tmp_path / "posts", ["t3_s4"])
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "posts").rglob("*.parquet")}
    assert any(after[path] == time for path, time in before.items())


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A folder of posts that was scraped: three posts, of which kb and kc hold the secret."""
    posts = tmp_path / "scraped"
    record = {"thread_id": "hn_ka", "kind": "comment", "source": "hackernews", "parent_id": "hn_ka"}
    texts = {"hn_ka": "Tea?", "hn_kb": f"No {SECRET}.", "hn_kc": f"A {SECRET}, é."}
    writer = JournalWriter(posts, "hackernews", ScrapeRequest())
    writer.append([{"id": name, "author": name.upper(), "text": text, **record} for name, text in texts.items()], [])
    writer.close(finished=True)
    import_files(segments(posts), posts, add=True)
    return posts


def test_a_scraped_post_goes_from_the_journal_and_the_next_scrape_reads_no_old_segment_again(journal: Path) -> None:
    (segment,) = segments(journal)
    before = segment.stat()
    parts = {path: path.stat().st_ino for path in journal.rglob("*.parquet")}
    assert forget(journal, ["hn_kb"], ["HN_kc"]) == replace(NOTHING, posts=2, journal=2)
    assert files_with(SECRET, journal.parent) == []
    assert (segment.stat().st_size, segment.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert segment.read_bytes().count(b"\n") == 4
    made = made_by(journal)
    again = import_files(segments(journal), journal, add=True)
    assert (again.lines, again.posts, again.forgotten, made_by(journal)) == (3, 1, 2, made)
    assert {path for path in parts if path.exists()} == set(parts)
    writer = JournalWriter(journal, "hackernews", ScrapeRequest())
    writer.append([{"id": "hn_kd", "thread_id": "hn_ka", "kind": "comment", "source": "hackernews", "text": "Milk."}], [])
    writer.close(finished=True)
    more = import_files(segments(journal), journal, add=True)
    assert (more.lines, more.posts, more.rejects, more.forgotten) == (4, 2, 0, 2)


def test_a_journal_read_all_over_again_adds_up_without_what_was_forgotten(journal: Path) -> None:
    forget(journal, ["hn_kb"])
    os.utime(segments(journal)[0])
    again = import_files(segments(journal), journal, add=True)
    assert (again.lines, again.posts, again.rejects) == (2, 2, 0)


def test_what_a_killed_scrape_left_unsaved_goes_with_the_rest(journal: Path) -> None:
    (segment,) = segments(journal)
    whole = segment.read_bytes()
    segment.write_bytes(whole + b'{"id": "hn_kb", "text": "half a ' + SECRET.encode())
    forget(journal, ["hn_kb", "hn_kc"])
    assert files_with(SECRET, journal.parent) == []
    assert len(segment.read_bytes()) == len(whole)


def test_a_newer_record_without_its_author_is_known_by_the_journal(journal: Path) -> None:
    writer = JournalWriter(journal, "hackernews", ScrapeRequest())
    newer = {"id": "hn_kb", "thread_id": "hn_ka", "kind": "comment", "source": "hackernews", "text": SECRET, "retrieved_at": 1}
    writer.append([newer], [])
    writer.close(finished=True)
    import_files(segments(journal), journal, add=True)
    assert forget(journal, authors=["hn_kb"]) == replace(NOTHING, posts=1, journal=2)
    assert "hn_kb" not in ids(journal)


def test_a_forgotten_author_is_not_in_what_scrapes_remember(tmp_path: Path) -> None:
    posts = tmp_path / "scraped"
    writer = JournalWriter(posts, "reddit", Request(users=("Mabel", "odo")))
    record = {"thread_id": "t3_s", "kind": "comment", "source": "reddit", "text": "Tea."}
    writer.append([{"id": "t1_a", "author": "Mabel", **record}, {"id": "t1_b", "author": "odo", **record}], [])
    writer.scrape.state |= {
        "threads": {"s": 2},
        "newest": {"u/Mabel": {"id": "t1_a"}, "u/odo": {"id": "t1_b"}},
        "done": ["u/Mabel"],
        "at": {"walk": "u/mabel", "after": None, "walked": 1},
    }
    writer.append([], [Failure("u/Mabel", "not found"), Failure("t1_z", "it answers u/mabel, and is gone"), Failure("u/odo", "not found")])
    writer.close(finished=True)
    import_files(segments(posts), posts)
    (path,) = journal_folder(posts).glob("*.json")
    before = json.loads(path.read_text())
    forget(posts, authors=["mabel"])
    assert [name for name in files_with("abel", tmp_path) if "lock" not in name] == []
    assert json.loads(path.read_text()) == {
        **before,
        "request": {**before["request"], "users": ["odo"]},
        "state": {"threads": {"s": 2}, "newest": {"u/odo": {"id": "t1_b"}}, "done": [], "at": {"after": None, "walked": 1}},
        "failures": [{"what": "u/odo", "reason": "not found"}],
    }


def test_scores_go_by_their_texts(run: Path, tmp_path: Path) -> None:
    scores = tmp_path / "cache" / "scores"
    texts = pl.Series(["A kettle answers kettle d.", f"A {SECRET} of a kettle.", "Somebody else's."])
    score_texts(texts[:2], Counting(), scores)
    score_texts(texts[2:], Counting(), scores)
    assert forget(run, ["t1_c"]).scores == 1
    scorer = Counting()
    score_texts(texts, scorer, scores)
    assert scorer.asked == [f"A {SECRET} of a kettle."]


def test_scores_of_a_turn_before_a_reply_go_by_its_title_and_text_as_they_were_scored(run: Path, tmp_path: Path) -> None:
    scores, changed = tmp_path / "cache" / "scores", f"Case s3\n\nA {SECRET} of a kettle, says [email]."
    record = {"source": "reddit", "community": "KettleCourt", "created_at": "2024-05-17"}
    thread = [
        {
            **record,
            "id": "t3_s3",
            "author": "odo",
            "thread_id": "t3_s3",
            "title": "Case s3",
            "text": f"A {SECRET} of a kettle, says mabel@example.com.",
        },
        {**record, "id": "t1_g", "author": "ida", "thread_id": "t3_s3", "parent_id": "t3_s3", "text": "The kettle of s3 is acquitted."},
    ]
    import_table(pl.DataFrame(thread), run / "posts", add=True)
    chosen = build_filter({"toxicity": {"context_thresholds": {"toxicity": 0.9}}})
    judge_posts(run / "posts", run / "judged", chosen, scores)
    texts = {
        "t3_s2": f"Case s2\n\nA {SECRET} of a kettle.",
        "t3_s3": changed,
        "t1_c": f"A {SECRET} of a kettle.",
        "t3_s1": "Case s1\n\nThe kettle of s1 stands accused.",
        "t1_g": "The kettle of s3 is acquitted.",
    }

    def kept() -> list[str]:
        return [post for post, text in texts.items() if count_scores(hash_texts(pl.Series([text])), scores)]

    assert kept() == list(texts)
    assert forget(run, ["t3_s2", "t3_s3"]).scores == 2
    assert kept() == ["t1_c", "t3_s1", "t1_g"]


def test_the_page_of_judged_posts_and_their_funnel_know_nothing_of_what_went(run: Path) -> None:
    page = run / "judged" / REPORT
    assert "Together 8 posts." in page.read_text()
    assert SECRET in page.read_text()
    forget(run, authors=["mabel"])
    assert "Together 5 posts." in page.read_text()
    assert page.read_text() == filter_page(run / "judged", "judged")
    assert files_with(SECRET, run / "judged") == files_with("abel", run / "judged") == []
    told = json.loads((run / "judged" / "funnel.json").read_text())
    assert (told["posts"], told["target"]["turns"], told["every"]["turns"], told["changed"]["quotes"]) == (5, 1, 1, 0)
    assert sum(told["target"].values()) == sum(told["context"].values()) == sum(told["outcome"].values()) == 5
    assert told == report_of(run / "judged", "judged")


def test_a_folder_of_judged_posts_without_a_page_gets_none(run: Path) -> None:
    (run / "judged" / REPORT).unlink()
    forget(run, ["t1_c"])
    assert not (run / "judged" / REPORT).exists()


def test_what_a_transform_or_a_copy_counted_is_counted_without_what_went(
    tmp_path: Path, comment: Make, submission: Make, dump: Dump
) -> None:
    copied = "The bailiff has seen this kettle before, and so have I."
    records = [
        submission(),
        comment("a", body=copied, created_utc=1_700_000_001),
        comment("b", body=copied, created_utc=1_700_000_002),
        comment("c", body="> Order!\n\nOrder it is, and tea for the jury."),
        comment("d", body="> Order!\n\nThere is no order in this court."),
    ]
    import_files([dump(*records)], tmp_path / "run" / "posts")
    judged = tmp_path / "run" / "judged"
    judge(tmp_path / "run" / "posts", judged)
    before = report_of(judged, "judged")
    assert (before["changed"]["quotes"], before["every"]["duplicates"], before["target"]["kept"]) == (2, 1, 3)
    forget(tmp_path / "run", ["t1_b", "t1_c"])
    after = report_of(judged, "judged")
    assert (after["changed"]["quotes"], after["every"]["duplicates"], after["target"]["kept"]) == (1, 0, 2)


def test_an_author_goes_from_judged_posts_that_have_another_name_for_them(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORUM_PSEUDONYM_KEY", "0123456789abcdef")
    judge_posts(run / "posts", run / "judged", build_filter({"toxicity": False, "pseudonyms": True}), tmp_path / "cache" / "scores")
    assert files_with("abel", run / "judged") == []
    assert forget(run, authors=["Mabel"]).judged == 3
    assert ids(run / "judged") == ["t3_s1", "t1_a", "t1_b", "t1_d", "t1_f"]
    assert files_with(SECRET, run) == []


def test_an_unfinished_stage_is_cleared_away_with_what_it_holds(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "posts", run / ".posts.partial")
    shutil.copytree(run / "judged", run / ".judged.old")
    (run / "samples").rename(run / ".samples.partial")  # finished, and killed in the swap
    assert forget(run, ["t1_c"]).samples["train"] == 3
    assert sorted(path.name for path in run.iterdir()) == ["judged", "posts", "samples"]


def test_a_folder_in_which_a_run_works_is_left_alone(run: Path, contents: Callable[[Path], dict[str, bytes]]) -> None:
    before = contents(run)
    with alone(run / ".judged.lock", run / "judged"), pytest.raises(UserError, match="another lorum run works there"):
        forget(run, ["t1_c"])
    assert contents(run) == before


@pytest.mark.parametrize("scraped", [False, True])
def test_killed_anywhere_the_same_call_ends_the_same(
    run: Path,
    journal: Path,
    tmp_path: Path,
    scraped: bool,
    contents: Callable[[Path], dict[str, bytes]],
    stopped_before: Callable[..., Any],
) -> None:
    folder = journal if scraped else run
    names, authors = (["hn_kb"], ["hn_kc"]) if scraped else (["t1_c"], ["mabel"])
    (tmp_path / "origin").mkdir()
    kept = [folder, *([journal_folder(folder)] if scraped else [])]
    for path in kept:
        shutil.copytree(path, tmp_path / "origin" / path.name)

    def fresh(name: str) -> Path:
        shutil.copytree(tmp_path / "origin", tmp_path / name)
        return tmp_path / name / folder.name

    expected = forget(fresh("unharmed"), names, authors)
    number = 0
    while True:
        copy = fresh(f"killed {number}")
        with stopped_before(number, copy.parent) as stop:
            forget(copy, names, authors)
        if not stop.happened:
            break
        again = forget(copy, names, authors)
        # Only where all was done but giving back the lock is there nothing left to report.
        assert again in (expected, replace(NOTHING, before=1)), number
        assert contents(copy.parent) == contents(tmp_path / "unharmed"), number
        number += 1
    assert number > (8 if scraped else 12)


@pytest.mark.parametrize(
    "killed_in", ["curate.forget.remove", "curate.forgetting.removal.drop_scores", "curate.forgetting.removal.write_report"]
)
def test_another_call_ends_what_a_killed_one_began(run: Path, killed_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "run.json").write_text('{"lorum": "0", "name": "court", "stages": {}, "started": ""}')
    with monkeypatch.context() as patched:
        patched.setattr(killed_in, interrupted)
        with pytest.raises(KeyboardInterrupt):
            forget(run, ["t1_c"])
    assert len(list(run.glob(".posts.forget-*.json"))) == 1
    forget(run, ["t1_a"])
    assert ids(run / "posts") == ids(run / "judged") == ["t3_s1", "t1_b", "t1_d", "t1_f", "t3_s2", "t1_e"]
    assert sample_ids(run / "samples")["train"] == ["t1_e"]
    assert list(run.glob(".*")) == []


def interrupted(*arguments: Any) -> None:
    raise KeyboardInterrupt


LISTS = {
    "plain": b"# gone since May\nt1_c\n\n  t3_s2 \n",
    "comments.csv": b"\xef\xbb\xbfid;when\nt1_c;2026\nt3_s2;2026\n",
    "quoted.csv": b'text,Name\n"one,\ntwo",t1_c\nx,t3_s2\n',
    "one column.csv": b"id\r\nt1_c\r\nt3_s2\r\n",
    "lines.jsonl": b'{"id": "c", "name": "t1_c"}\n\n{"id": "t3_s2"}\n',
    "plain.gz": gzip.compress(b"t1_c\nt3_s2\n"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_removal_list_may_be_of_any_usual_form(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(LISTS[name])
    assert list(read_list(path)) == ["t1_c", "t3_s2"]


ODD = ("a b", "#7", "é1", "_q", "https://forum.example/t/7")


@pytest.mark.parametrize("listed", [False, True])
def test_whatever_a_table_calls_its_posts_can_be_forgotten(tmp_path: Path, listed: bool) -> None:
    rows = [{"id": name, "thread_id": "tea", "text": f"Says {number}."} for number, name in enumerate([*ODD, "plain"])]
    import_table(pl.DataFrame(rows), tmp_path / "posts")
    (tmp_path / "list").write_text("\n".join(["# who asked", *ODD]) if listed else "", encoding="utf-8")
    removed = forget(tmp_path / "posts", () if listed else ODD, lists=[tmp_path / "list"])
    assert (removed.posts, removed.unknown, ids(tmp_path / "posts")) == (5, (), ["plain"])
    assert forget(tmp_path / "posts", ODD).before == 5


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://www.reddit.com/r/KettleCourt/comments/1abcd2/some_kettle/", "t3_1abcd2"),
        ("https://old.reddit.com/r/KettleCourt/comments/1abcd2/some_kettle/k3x/?context=3", "t1_k3x"),
        ("reddit.com/comments/1abcd2", "t3_1abcd2"),
        ("https://redd.it/1abcd2", "t3_1abcd2"),
    ],
)
def test_an_address_of_reddit_is_the_id_of_its_post(address: str, name: str) -> None:
    assert check_id(address, "id") == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"https://forum.example/t/7\n", "row 1: found 'https://forum.example/t/7', expected the id of a post"),
        (b"t1_c\nwho wrote this\n", "row 2: found 'who wrote this', expected the id of a post, such as t1_abc12 or t3_abc12"),
        (b"when,who\n1,2\n", "row 1: a table without a column of ids, found when, who; name one of them id"),
        (b"id,who\nt1_c,2\n,x\n", "row 3: found '', expected the id of a post"),
        (b'{"id": "t1_c"}\n{"id": 12}\n', "row 2: has no id that is a text; found the keys id"),
        (b'{"id": "t1_c"}\n{"id": \n', "row 2: begins like JSON and is none"),
        (b'{"id": "t1_c"}\n[]\n', "row 2: has no id that is a text"),
    ],
)
def test_a_list_that_would_be_misread_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "list"
    path.write_bytes(text)
    with pytest.raises(UserError) as error:
        list(read_list(path))
    assert str(error.value).startswith(f"{path}, {said}")


def test_an_empty_list_forgets_nothing(run: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\n")
    assert forget(run, ["t1_a"], lists=[tmp_path / "list"]).posts == 1


@pytest.fixture
def reddit(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Reddit without c and s2, which answers two posts a call and fails once after the third call; the calls made."""
    import curate.sources.reddit_api

    calls: list[list[str]] = []

    def existing(names: Sequence[str], patience: Any, site: str | None = None) -> Iterator[tuple[list[str], set[str]]]:
        for first in range(0, len(names), 2):
            if len(calls) == 3:
                calls.append([])
                raise SourceDownError("no answer")
            asked = list(names[first : first + 2])
            calls.append(asked)
            yield asked, set(asked) - {"t1_c", "t3_s2"}

    monkeypatch.setattr(curate.sources.reddit_api, "existing", existing)
    return calls


def test_the_source_is_asked_and_a_stopped_asking_goes_on(run: Path, reddit: list[list[str]]) -> None:
    with pytest.raises(SourceDownError):
        forget(run, ask="reddit")
    (answers,) = run.glob(".posts.forget-*.answers")
    answers.write_bytes(answers.read_bytes() + b"t3_s")  # a kill in the middle of a line
    assert len(ids(run / "posts")) == 8
    removed = forget(run, ask="reddit")
    assert removed == replace(NOTHING, posts=2, judged=2, samples={"train": 4, "validation": 0, "test": 0}, rejects=1, asked=8)
    assert reddit == [["t3_s1", "t1_a"], ["t1_b", "t1_c"], ["t1_d", "t1_f"], [], ["t3_s2", "t1_e"]]
    assert list(run.glob(".*")) == []
    assert forget(run, ask="reddit") == replace(NOTHING, asked=6)


def test_answers_that_are_too_old_are_asked_for_again(run: Path, reddit: list[list[str]]) -> None:
    with pytest.raises(SourceDownError):
        forget(run, ask="reddit")
    (answers,) = run.glob(".posts.forget-*.answers")
    os.utime(answers, (1, 1))
    assert forget(run, ask="reddit").posts == 2
    assert len(reddit) == 3 + 1 + 4


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int, str], bool]], list[list[str]]]:
    """Puts in Reddit's place what says by the number of the call, from 0, and an id whether it stands; gives the calls made."""
    import curate.sources.reddit_api

    def put(stands: Callable[[int, str], bool]) -> list[list[str]]:
        calls: list[list[str]] = []

        def existing(names: Sequence[str], patience: Any, site: str | None = None) -> Iterator[tuple[list[str], set[str]]]:
            calls.append(list(names))
            yield calls[-1], {name for name in names if stands(len(calls) - 1, name)}

        monkeypatch.setattr(curate.sources.reddit_api, "existing", existing)
        return calls

    return put


def test_a_source_that_says_that_all_is_gone_is_not_believed_without_a_yes(
    run: Path, answering: Callable[..., list[list[str]]], contents: Callable[[Path], dict[str, bytes]]
) -> None:
    calls, names = answering(lambda call, name: False), ids(run / "posts")
    before = contents(run / "posts")
    refused = lorum("forget", run, "--ask", "reddit", "--quiet")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "lorum: reddit: 8 of 8 posts are gone there, asked twice, which may be a fault of reddit or of the credentials; nothing was "
        "removed: look with --dry-run, and give --yes to forget them\n",
    )
    assert (calls, contents(run / "posts")) == ([names, names], before)
    assert lorum("forget", run, "--ask", "reddit", "--dry-run", "--quiet").stdout.startswith("asked about 8 posts\nwould remove 8 posts\n")
    assert contents(run / "posts") == before
    assert forget(run, ask="reddit", yes=True).posts == 8
    assert ids(run / "posts") == []


def test_a_source_that_was_wrong_for_a_while_is_asked_once_more(run: Path, answering: Callable[..., list[list[str]]]) -> None:
    calls = answering(lambda call, name: call > 0 and name != "t1_c")
    removed = forget(run, ask="reddit")
    assert (removed.posts, removed.asked, len(calls)) == (1, 8, 2)


@pytest.mark.parametrize(("posts", "gone", "suspicious"), [(19, 18, False), (20, 10, False), (20, 11, True), (3, 3, True), (0, 0, False)])
def test_most_posts_do_not_go_unnoticed(posts: int, gone: int, suspicious: bool) -> None:
    assert Asked(tuple(map(str, range(gone))), posts).is_suspicious() is suspicious


def test_reddits_posts_of_a_corpus_are_asked_about_and_others_counted(tmp_path: Path, answering: Callable[..., list[list[str]]]) -> None:
    posts = [("t1_a", "reddit"), ("t1_b", "convokit"), ("ck_tea_1", "convokit"), ("t1_c", "table"), ("hn_1", "hackernews")]
    writer = JournalWriter(tmp_path / "posts", "any", ScrapeRequest())
    record = {"thread_id": "t3_s", "kind": "comment", "text": "Tea."}
    writer.append([{"id": name, "source": source, **record} for name, source in posts], [])
    writer.close(finished=True)
    import_files(segments(tmp_path / "posts"), tmp_path / "posts")
    calls = answering(lambda call, name: name != "t1_b")
    removed = forget(tmp_path / "posts", ask="reddit")
    assert (calls, removed.posts, removed.asked, removed.not_asked) == ([["t1_a", "t1_b"]], 1, 2, 3)
    told = lorum("forget", tmp_path / "posts", "--ask", "reddit", "--yes", "--quiet").stdout.splitlines()
    assert told[:2] == ["asked about 1 post", "not asked about 3 posts, of other sources or with ids that are not Reddit's"]


def test_what_is_gone_at_reddit_goes_here_and_a_scrape_goes_on_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forum = Forum()
    forum.submit("s1")
    for name, parent in (("a", None), ("b", "a"), ("c", "b")):
        forum.reply(name, "s1", parent, body=f"Says {name}: {SECRET}." if name == "b" else f"Says {name}.")
    request, posts, patience = Request(subreddits=("KettleCourt",)), tmp_path / "posts", Patience(silent, sleep=lambda seconds: None)
    with serve(forum) as reddit:
        login = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "oauth_url": reddit.url, "reddit_url": reddit.url}
        (tmp_path / "praw.ini").write_text("\n".join(["[DEFAULT]", *(f"{name}={value}" for name, value in login.items())]))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(Config, "CONFIG", None)
        scrape("reddit", request, posts, patience=patience)
        del forum.comments["b"]
        assert forget(posts, ask="reddit", patience=patience) == replace(NOTHING, posts=1, journal=1, asked=4)
        assert files_with(SECRET, tmp_path) == []
        forum.reply("d", "s1")
        forum.reply("e", "s1", "d")
        _, gathered = scrape("reddit", request, posts, patience=patience)
    assert sorted(ids(posts)) == ["t1_a", "t1_c", "t1_d", "t1_e", "t3_s1"]
    assert (gathered.posts, gathered.forgotten) == (5, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to forget: give ids, --author, --list or --ask"),
        (["t1 c"], "id: found 't1 c', expected the id of a post, such as t1_abc12 or t3_abc12"),
        (["--author", "[deleted]"], "author: found '[deleted]', expected the name of one author"),
        (["t1_c", "--also", "{tmp}"], "{tmp}: holds neither judged posts nor samples, and is no adapter and no run; name such a"),
        (["t1_c", "--also", "{tmp}/none"], "{tmp}/none: no such folder; give a run's folder"),
        (["t1_c", "--list", "{tmp}/none"], "{tmp}/none: no such file"),
    ],
)
def test_a_mistake_is_told_in_one_line(run: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    done = lorum("forget", run, *(argument.format(tmp=tmp_path) for argument in arguments))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"lorum: {said.format(tmp=tmp_path)}")
    assert done.stderr.count("\n") == 1


def test_a_folder_without_posts_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="posts: holds no posts; give a run's folder, or a folder of posts"):
        forget(tmp_path, ["t1_c"])


def test_the_command_says_what_went_and_what_was_not_there(run: Path) -> None:
    done = lorum("forget", run, "t1_c", "zzz", "--quiet")
    assert done.exit_code == 0
    assert done.stdout.split("\n") == [
        "removed 1 post",
        "  1 judged post",
        "  3 samples (train 3, validation 0, test 0)",
        "  the text of 1 reject that may quote them",
        "not found here: zzz",
        "",
    ]
    assert lorum("forget", run, "t1_c", "--quiet").stdout == "nothing to remove\nforgotten before: 1\n"
    told = json.loads(lorum("forget", run, "t1_a", "--json", "--dry-run").stdout)
    assert told["samples"] == {"train": 2, "validation": 0, "test": 0}
    assert (told["posts"], told["dry_run"]) == (1, True)


def lorum(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="lorum")


def test_names_are_kept_as_hashes(run: Path) -> None:
    forget(run, authors=["Mabel"])
    kept = Forgotten.read(run / "posts")
    assert kept.ids == {"t1_c", "t3_s2", "t1_e"}
    assert all(len(author) == 64 for author in kept.authors)
