"""What forgetting does to judged posts that lie there half done, or repeat a forgotten one, and to the scores of trials."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from curate import store
from curate.cli import main
from curate.engine import alone
from curate.files import write_json
from curate.forget import forget
from curate.forgetting.copies import is_out_of_date
from curate.gather import import_files
from curate.judging.judge import judge_posts
from curate.manifest import MANIFEST, made_by, read_manifest
from curate.samples import make_samples
from curate.splits import SplitSettings
from filters.catalogue import RULES, TRANSFORMS, build_filter
from filters.scorers.scorer import labelled, schema_of
from filters.scores import count_scores, hash_texts, score_texts
from formats.errors import UserError
from formats.templates.template import load_template
from tests.searched import files_with

Record = dict[str, Any]
Make = Callable[..., Record]
Dump = Callable[..., Path]
Contents = Callable[[Path], dict[str, bytes]]
SECRET = "zarzuela"
"""A word that stands in forgotten posts and nowhere else."""

COPIED = f"The bailiff has seen this {SECRET} before, and so have I."


class Fixed:
    """A scorer that gives every text the same score."""

    key = "fixed-1"
    schema = schema_of(["toxicity"])

    def score(self, texts: Sequence[str]) -> pl.DataFrame:
        return labelled({"toxicity": pl.Series([0.25] * len(texts), dtype=pl.Float32)})


def judge(posts: Path, out: Path) -> None:
    settings = {name: name in ("min_score", "bots", "duplicates") for name in (*TRANSFORMS, *RULES)}
    judge_posts(posts, out, build_filter(settings), out.parent / "scores")


def render(judged: Path, out: Path) -> None:
    make_samples(judged, out, load_template("speakers"), max_turns=3, split=SplitSettings((1, 0, 0), 0))


def table(folder: Path) -> pl.DataFrame:
    return pl.concat(store.read_bucket(folder, bucket) for bucket in store.bucket_numbers(folder))


def copies(judged: Path) -> dict[str, tuple[str | None, str | None]]:
    """By the id of each reply why it is not learned, and what it repeats."""
    replies = table(judged).filter(pl.col("parent_id").is_not_null())
    return {name: (reason, original) for name, reason, original in replies.select("id", "target_reason", "duplicate_of").iter_rows()}


def learned(run: Path) -> list[str]:
    return sorted(pl.read_parquet(run / "samples" / "train.parquet")["id"])


@pytest.fixture
def court(tmp_path: Path, comment: Make, submission: Make, dump: Dump, rows_per_bucket: Callable[[float], None]) -> Path:
    """A folder with posts in several buckets, of which the reply c2 holds the secret."""
    rows_per_bucket(8)
    records = [
        one
        for n in range(6)
        for one in (submission(f"s{n}"), comment(f"c{n}", thread=f"s{n}", **({"body": f"A {SECRET}, your honour."} if n == 2 else {})))
    ]
    import_files([dump(*records)], tmp_path / "court" / "gathered")
    assert len(store.bucket_numbers(tmp_path / "court" / "gathered")) > 1
    return tmp_path / "court"


def test_what_a_killed_filter_left_goes_whatever_its_folder_was_to_be_called(
    court: Path, tmp_path: Path, stopped_before: Callable[..., Any]
) -> None:
    number, held_the_secret = 0, 0
    while True:
        copy = tmp_path / f"killed {number}"
        shutil.copytree(court, copy)
        with stopped_before(number, copy) as stop:
            judge(copy / "gathered", copy / "mine")
        if not stop.happened:
            break
        hidden, mine = copy / ".mine.partial", copy / "mine"
        left = [str(hidden)] if hidden.exists() and "report" not in read_manifest(hidden) else []
        held_the_secret += bool(left) and any(SECRET in name for name in _texts_in(hidden))
        removed = forget(copy / "gathered", ["t1_c2"])
        assert (removed.posts, list(removed.unfinished)) == (1, left), number
        # Finished, it is put in its place, and named like any other.
        assert list(removed.beside) == ([str(mine)] if mine.exists() else []), number
        assert files_with(SECRET, copy / "gathered") == [], number
        assert [path.name for path in copy.iterdir() if path.name.startswith(".") and path.name != ".mine.lock"] == [], number
        number += 1
    assert number > 12
    assert held_the_secret > 2


def _texts_in(folder: Path) -> list[str]:
    return [json.dumps(pl.read_parquet(path).to_dicts(), default=str) for path in folder.rglob("*.parquet")]


@pytest.fixture
def half_done(court: Path) -> Path:
    """The hidden folder of a filter that was killed before its last bucket."""
    judge(court / "gathered", court / ".mine.partial")
    write_json({"stage": "judged", "fingerprint": "f", "layout": "", "done": {"0": {}}}, court / ".mine.partial" / MANIFEST)
    return court / ".mine.partial"


def test_what_is_half_done_is_told_and_a_dry_run_leaves_it(court: Path, half_done: Path, contents: Contents) -> None:
    before = contents(court)
    would = forget(court / "gathered", ["t1_c2"], dry_run=True)
    assert (would.unfinished, contents(court)) == ((str(half_done),), before)
    done = CliRunner().invoke(main, ["forget", str(court / "gathered"), "t1_c2", "--quiet"], prog_name="lorum")
    assert done.stdout == f"removed 1 post\n{half_done}, left by a stopped run, was removed as a whole\n"
    assert files_with(SECRET, court) == []


def test_samples_that_are_half_done_and_what_was_swapped_out_go_too(court: Path) -> None:
    judge(court / "gathered", court / "mine")
    render(court / "mine", court / ".lines.old")
    (court / ".early.partial").mkdir()
    (court / ".early.partial" / "..train-0000.parquet.tmp").write_text(SECRET)  # of a stage that had noted nothing yet
    (court / ".early.lock").touch()
    removed = forget(court / "gathered", ["t1_c2"])
    assert removed.unfinished == (str(court / ".early.partial"), str(court / ".lines.old"))
    assert removed.beside == (str(court / "mine"),)
    assert sorted(path.name for path in court.iterdir()) == ["gathered", "mine"]


def test_a_filter_that_works_beside_the_posts_is_left_alone(court: Path, half_done: Path, contents: Contents) -> None:
    before = contents(court)
    with alone(court / ".mine.lock", court / "mine"), pytest.raises(UserError, match="mine: another lorum run works there"):
        forget(court / "gathered", ["t1_c2"])
    assert contents(court) == before


def test_hidden_folders_of_others_stay(court: Path, contents: Contents) -> None:
    for name in (".download.partial", ".more.partial", ".mine"):
        (court / name).mkdir()
        (court / name / "file").write_text("Of somebody else.")
    write_json({"stage": "posts", "fingerprint": "f", "layout": "", "done": {}}, court / ".more.partial" / MANIFEST)
    before = {name: held for name, held in contents(court).items() if name.startswith(".")}
    assert forget(court / "gathered", ["t1_c2"]).unfinished == ()
    assert {name: held for name, held in contents(court).items() if name.startswith(".")} == before


@pytest.fixture
def run(tmp_path: Path, comment: Make, submission: Make, dump: Dump) -> Path:
    """The folders of a run in which b and c repeat a, word for word, and d is another reply."""
    records = [
        submission(),
        *(comment(name, body=COPIED, created_utc=1_700_000_000 + number) for number, name in enumerate("abc")),
        comment("d"),
    ]
    folder = tmp_path / "run"
    import_files([dump(*records)], folder / "posts")
    judge(folder / "posts", folder / "judged")
    render(folder / "judged", folder / "samples")
    assert copies(folder / "judged") == {
        "t1_a": (None, None),
        "t1_b": ("duplicates", "t1_a"),
        "t1_c": ("duplicates", "t1_a"),
        "t1_d": (None, None),
    }
    assert learned(folder) == ["t1_a", "t1_d"]
    return folder


def test_copies_of_what_is_forgotten_do_not_name_it_and_are_judged_anew(run: Path) -> None:
    removed = forget(run, ["t1_a"])
    assert (removed.judged, removed.copies, removed.samples["train"]) == (1, 2, 1)
    assert copies(run / "judged") == {"t1_b": ("duplicates", None), "t1_c": ("duplicates", None), "t1_d": (None, None)}
    assert files_with("t1_a", run) == ["posts/forgotten.json"]
    judge(run / "posts", run / "judged")
    assert copies(run / "judged") == {"t1_b": (None, None), "t1_c": ("duplicates", "t1_b"), "t1_d": (None, None)}
    assert learned(run) == ["t1_d"]
    render(run / "judged", run / "samples")
    assert learned(run) == ["t1_b", "t1_d"]
    made = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}
    judge(run / "posts", run / "judged")
    render(run / "judged", run / "samples")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")} == made


def test_samples_alone_are_made_anew_too_as_the_judged_posts_they_are_from_are_out_of_date(run: Path) -> None:
    forget(run, ["t1_a"])
    inode = (run / "samples").stat().st_ino
    render(run / "judged", run / "samples")
    assert (run / "samples").stat().st_ino != inode


@pytest.mark.parametrize("judged_between", [False, True])
def test_forgetting_more_leaves_what_is_out_of_date_out_of_date(run: Path, judged_between: bool) -> None:
    forget(run, ["t1_a"])
    if judged_between:
        judge(run / "posts", run / "judged")
    assert forget(run, ["t1_d"]).copies == 0
    assert (is_out_of_date(run / "judged"), is_out_of_date(run / "samples")) == (not judged_between, True)
    judge(run / "posts", run / "judged")
    render(run / "judged", run / "samples")
    assert (is_out_of_date(run / "judged"), is_out_of_date(run / "samples")) == (False, False)
    assert learned(run) == ["t1_b"]


def test_a_copy_that_goes_leaves_nothing_out_of_date(run: Path) -> None:
    assert forget(run, ["t1_b"]).copies == 0
    tables = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}
    judge(run / "posts", run / "judged")
    render(run / "judged", run / "samples")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")} == tables
    # With the last of them nothing is left to be judged anew.
    assert forget(run, ["t1_a", "t1_c"]).copies == 0
    assert not is_out_of_date(run / "judged")


def test_a_name_that_was_left_when_the_post_went_is_cleared_by_the_next_call(run: Path) -> None:
    forget(run, ["t1_a"])
    store.rewrite(run / "judged", 0, lambda posts: posts.with_columns(duplicate_of=pl.lit("t1_a")))
    removed = forget(run, ["t1_a"])
    assert (removed.posts, removed.copies, removed.is_nothing(), removed.before) == (0, 4, False, 1)
    assert {original for _, original in copies(run / "judged").values()} == {None}


def test_the_record_of_a_run_keeps_that_its_filter_is_to_work_again(run: Path) -> None:
    made = {"gather": made_by(run / "posts"), "filter": made_by(run / "judged")}
    stages: Record = {name: {"fingerprint": fingerprint, "counts": {}, "seconds": 1.0} for name, fingerprint in made.items()}
    record = {"lorum": "0", "name": "court", "stages": stages, "started": "", "versions": {}, "recipe": {"gather": {}}}
    (run / "run.json").write_text(json.dumps(record))
    forget(run, ["t1_a"])
    told = json.loads((run / "run.json").read_text())["stages"]
    assert told["gather"]["fingerprint"] == made_by(run / "posts") != made["gather"]
    assert told["filter"]["fingerprint"] == made["filter"] != made_by(run / "judged")
    assert told["filter"]["counts"]["posts"] == 4


def test_the_command_tells_of_copies(run: Path) -> None:
    done = CliRunner().invoke(main, ["forget", str(run), "t1_a", "--quiet"], prog_name="lorum")
    assert done.stdout.split("\n") == [
        "removed 1 post",
        "  1 judged post",
        "  1 sample (train 1, validation 0, test 0)",
        "2 judged posts had been dropped as repeating them: filter and format again to judge anew",
        "",
    ]


@pytest.mark.parametrize(
    "killed_in",
    [
        "curate.forgetting.copies._put_out_of_date",
        "curate.forgetting.copies.store.rewrite",
        "curate.forgetting.removal._recount_judged",
        "curate.forgetting.removal.keep_up",
        "curate.forgetting.removal._recount_samples",
    ],
)
def test_killed_among_copies_the_same_call_ends_the_same(
    run: Path, tmp_path: Path, contents: Contents, killed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unharmed = shutil.copytree(run, tmp_path / "unharmed" / "run")
    expected = forget(unharmed, ["t1_a"])

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(killed_in, interrupted)
        with pytest.raises(KeyboardInterrupt):
            forget(run, ["t1_a"])
    assert forget(run, ["t1_a"]) == expected
    assert contents(run) == contents(unharmed)


def test_scores_of_a_trial_go_by_the_text_as_transforms_make_it(tmp_path: Path, comment: Make, submission: Make, dump: Dump) -> None:
    records = [
        submission("s1", title="Ask the court", selftext="> Order!\n\nWrite to clerk@kettle.example, please."),
        comment("a", body="> Order!\n\nI wrote to mabel@kettle.example."),
        comment("b", body="> Order!\n\nI wrote to odo@kettle.example."),
    ]
    import_files([dump(*records)], tmp_path / "posts")
    scores = tmp_path / "cache" / "scores"
    # Masking alone would leave the quote, and stripping alone the address.
    texts = pl.Series(["Ask the court\n\nWrite to [email], please.", "I wrote to [email].", records[2]["body"]])
    score_texts(texts, Fixed(), scores)
    assert forget(tmp_path / "posts", ["t3_s1"]).scores == 1
    assert [count_scores(hash_texts(pl.Series([text])), scores) for text in texts] == [0, 1, 1]
    assert forget(tmp_path / "posts", ["t1_b"]).scores == 2
    assert [count_scores(hash_texts(pl.Series([text])), scores) for text in texts] == [0, 0, 0]
