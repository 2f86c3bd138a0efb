import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import numpy as np
import polars as pl
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from curate import store
from curate.gather import import_files
from curate.judging import judge as judging
from curate.judging.bucket import turns_before
from curate.judging.explain import chosen_by
from curate.judging.judge import judge_posts, try_filter
from curate.judging.passes import Passes
from curate.manifest import report_of
from curate.threads import walk
from filters.catalogue import Filter, build_filter
from filters.funnel import Funnel
from filters.verdicts import REASONS
from formats.errors import UserError

Record = dict[str, Any]
Make = Callable[..., Record]
NOON = 1_700_000_000
RUDE = "You are a worthless stupid idiot and a bloody moron, shut up."
CIVIL = "The kettle pleads not guilty, and I believe it."


def verdicts(judged: Path) -> dict[str, tuple[str | None, str | None]]:
    """By id: why it is no target, why it is no context."""
    table = pl.concat(store.read_bucket(judged, bucket) for bucket in store.bucket_numbers(judged))
    return {row[0]: (row[1], row[2]) for row in table.select("id", "target_reason", "context_reason").iter_rows()}


def scored(tmp_path: Path) -> list[bytes]:
    """Hashes of the texts that were scored, by any scorer and in any run."""
    parts = sorted((tmp_path / "scores").rglob("*.parquet"))
    return pl.concat([pl.read_parquet(part) for part in parts])["hash"].to_list() if parts else []


def hashes(*texts: str) -> list[bytes]:
    return sorted(xxhash.xxh3_128_digest(text.encode()) for text in texts)


def test_every_post_gets_its_verdict_and_the_funnel_adds_up(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path]
) -> None:
    records = [
        submission(),
        comment("kept", body=CIVIL),
        comment("removed", body="[removed]"),
        comment("nobody", author="[deleted]"),
        comment("bot", author="AutoModerator"),
        comment("low", score=1),
        comment("short", body="No."),
        comment("rude", body=RUDE),
        comment("hidden", score_hidden=True, score=1, body="I would not believe that kettle."),
    ]
    funnel = judge_posts(
        posts(*records), tmp_path / "judged", build_filter({"toxicity": {"thresholds": {"toxicity": 0.5}}}), tmp_path / "scores"
    )
    assert verdicts(tmp_path / "judged") == {
        "t3_s1": ("turns", None),
        "t1_kept": (None, None),
        "t1_removed": ("removed", "removed"),
        "t1_nobody": ("no_author", None),
        "t1_bot": ("bots", "bots"),
        "t1_low": ("min_score", None),
        "t1_short": ("length", None),
        "t1_rude": ("toxicity", None),
        "t1_hidden": (None, None),
    }
    assert funnel.posts == 9 == sum(funnel.target.values()) == sum(funnel.context.values())
    assert {reason: count for reason, count in funnel.target.items() if count} == {
        "removed": 1, "no_author": 1, "bots": 1, "min_score": 1, "length": 1, "turns": 1, "toxicity": 1, "kept": 2,
    }  # fmt: skip
    assert {reason: count for reason, count in funnel.context.items() if count} == {"removed": 1, "bots": 1, "kept": 7}
    assert funnel.outcome == {"target": 2, "context": 5, "dropped": 2}
    written = json.loads((tmp_path / "judged" / "funnel.json").read_text())
    assert written == report_of(tmp_path / "judged", "judged")
    assert Funnel.from_report(written) == funnel


def test_posts_keep_their_columns_their_order_and_their_buckets(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path], rows_per_bucket: Callable[[float], None]
) -> None:
    rows_per_bucket(3)
    records = [
        record for number in range(8) for record in (submission(f"s{number}"), comment(f"c{number}", thread=f"s{number}", score=number))
    ]
    source = posts(*records)
    funnel = judge_posts(source, tmp_path / "judged", build_filter({"toxicity": False, "min_score": 4}), tmp_path / "scores")
    buckets = store.bucket_numbers(source)
    assert len(buckets) > 2
    assert store.bucket_numbers(tmp_path / "judged") == buckets
    for bucket in buckets:
        before, after = store.read_bucket(source, bucket), store.read_bucket(tmp_path / "judged", bucket)
        assert after.columns == [*before.columns, *REASONS, "changed_by", "duplicate_of", "quoted", "turns"]
        assert after.select(before.columns).equals(before)
    assert (funnel.posts, funnel.target["min_score"], funnel.target["turns"], funnel.target["kept"]) == (16, 4, 8, 4)


def test_toxicity_scores_only_replies_that_stand_and_each_text_once(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path], rows_per_bucket: Callable[[float], None]
) -> None:
    rows_per_bucket(3)
    stands = [comment(f"c{number}", thread=f"s{number}", body=CIVIL if number % 2 else RUDE) for number in range(6)]
    falls = [
        comment("orphan", parent="gone", body="My parent is missing from this dump."),
        comment("low", body="Nobody liked this comment of mine.", score=-2),
        comment("cut", parent="removed", body="My parent was removed by the bailiff."),
        comment("removed", body="[removed]"),
    ]
    source = posts(*(submission(f"s{number}") for number in range(6)), submission("s1x", selftext="A root is no reply."), *stands, *falls)
    judge_posts(source, tmp_path / "judged", build_filter({}), tmp_path / "scores")
    assert sorted(scored(tmp_path)) == hashes(CIVIL, RUDE)
    assert verdicts(tmp_path / "judged")["t1_orphan"] == ("turns", None)


def test_another_threshold_scores_nothing_again(tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path]) -> None:
    source = posts(submission(), comment("civil", body=CIVIL), comment("rude", body=RUDE))
    reasons = []
    for threshold in (1.0, 0.5, 0.0):
        rules = build_filter({"toxicity": {"thresholds": {"toxicity": threshold}}})
        judge_posts(source, tmp_path / f"judged{threshold}", rules, tmp_path / "scores")
        found = verdicts(tmp_path / f"judged{threshold}")
        reasons.append((found["t1_civil"][0], found["t1_rude"][0]))
    assert reasons == [(None, None), (None, "toxicity"), ("toxicity", "toxicity")]
    assert sorted(scored(tmp_path)) == hashes(CIVIL, RUDE)


def test_where_no_reply_stands_no_model_is_needed(tmp_path: Path, submission: Make, comment: Make, posts: Callable[..., Path]) -> None:
    """The scorer named here is a file that no Detoxify could load."""
    (tmp_path / "broken.ckpt").write_bytes(b"no checkpoint")
    rules = build_filter({"toxicity": f"detoxify:{tmp_path / 'broken.ckpt'}"})
    funnel = judge_posts(posts(submission(), comment("low", score=0)), tmp_path / "judged", rules, tmp_path / "scores")
    assert (funnel.target["toxicity"], funnel.target["turns"], funnel.target["kept"]) == (0, 1, 0)
    assert scored(tmp_path) == []


def test_a_reply_without_text_is_scored_as_an_empty_one(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path]
) -> None:
    rules = build_filter({"empty": False, "length": False, "min_score": False})
    judge_posts(posts(submission(), comment("c1", body=None)), tmp_path / "judged", rules, tmp_path / "scores")
    assert verdicts(tmp_path / "judged")["t1_c1"] == (None, None)
    assert scored(tmp_path) == hashes("")


def test_without_toxicity_nothing_is_scored(tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path]) -> None:
    funnel = judge_posts(
        posts(submission(), comment("rude", body=RUDE)), tmp_path / "judged", build_filter({"toxicity": False}), tmp_path / "scores"
    )
    assert "toxicity" not in funnel.target
    assert (funnel.target["turns"], funnel.target["kept"]) == (1, 1)
    assert scored(tmp_path) == []


def test_without_any_rule_all_is_kept(tmp_path: Path, comment: Make, posts: Callable[..., Path]) -> None:
    funnel = judge_posts(posts(comment("c1", body="[removed]")), tmp_path / "judged", Filter(), tmp_path / "scores")
    nothing: dict[str, int] = {}
    assert funnel.to_dict() == {
        "posts": 1, "target": {"kept": 1}, "context": {"kept": 1}, "outcome": {"target": 1, "context": 0, "dropped": 0},
        "every": nothing, "changed": nothing,
    }  # fmt: skip


def test_stopped_before_any_change_judging_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path], contents: Callable[[Path], dict[str, bytes]],
    stopped_before: Callable[..., Any], rows_per_bucket: Callable[[float], None],
) -> None:  # fmt: skip
    rows_per_bucket(3)
    source = posts(*(submission(f"s{number}") for number in range(3)), *(comment(f"c{number}", thread=f"s{number}") for number in range(3)))
    assert len(store.bucket_numbers(source)) > 1
    rules = build_filter({"toxicity": False})
    funnel = judge_posts(source, tmp_path / "whole" / "judged", rules, tmp_path / "scores")
    for number in range(1000):
        out = tmp_path / str(number) / "judged"
        with stopped_before(number, out.parent) as stop:
            judge_posts(source, out, rules, tmp_path / "scores")
        if not stop.happened:
            break
        assert judge_posts(source, out, rules, tmp_path / "scores") == funnel
        assert contents(out) == contents(tmp_path / "whole" / "judged")
    assert number > 10


def test_other_posts_or_other_rules_are_judged_anew(tmp_path: Path, comment: Make, submission: Make, dump: Callable[..., Path]) -> None:
    source, out = tmp_path / "posts", tmp_path / "judged"

    def kept(minimum: int) -> int:
        return judge_posts(source, out, build_filter({"toxicity": False, "min_score": minimum}), tmp_path / "scores").target["kept"]

    import_files([dump(submission(), comment("c1", score=5))], source)
    assert (kept(3), kept(9)) == (1, 0)
    import_files([dump(submission(), comment("c1", score=10), comment("c2", score=11))], source)
    assert kept(9) == 2


def test_what_is_no_folder_of_posts_is_told(tmp_path: Path, comment: Make, posts: Callable[..., Path]) -> None:
    judge_posts(posts(comment("c1")), tmp_path / "judged", Filter(), tmp_path / "scores")
    with pytest.raises(
        UserError, match="judged: holds judged posts, as `lorum filter` writes; give a folder of posts, as `lorum import` writes"
    ):
        judge_posts(tmp_path / "judged", tmp_path / "again", Filter(), tmp_path / "scores")
    with pytest.raises(UserError, match="none: is no folder that lorum made; give a folder of posts"):
        judge_posts(tmp_path / "none", tmp_path / "again", Filter(), tmp_path / "scores")
    with pytest.raises(UserError, match="posts: holds posts, as `lorum import` writes, which would be lost; name another folder"):
        judge_posts(tmp_path / "posts", tmp_path / "posts", Filter(), tmp_path / "scores")


RULES = {"toxicity": {"thresholds": {"toxicity": 0.5}}, "per_thread": 1, "sample": {"size": 9, "seed": 1}}


def a_forum(comment: Make, submission: Make) -> list[Record]:
    """Twelve threads with every kind of post, copies across threads among them."""
    records = []
    for number in range(12):
        thread = f"s{number}"
        records += [
            submission(thread, over_18=number == 3),
            comment(f"a{number}", thread=thread, body=f"The court has heard kettle {number} and finds it warm and well descaled."),
            comment(f"b{number}", thread=thread, parent=f"a{number}", body="Milord, the spoon pleads the fifth, as every week."),
            comment(f"c{number}", thread=thread, parent=f"b{number}", body="[removed]"),
            comment(f"d{number}", thread=thread, parent=f"c{number}", score=number, body=f"The {number} witnesses have left the room."),
            comment(f"e{number}", thread=thread, author="AutoModerator" if number % 2 else f"clerk{number}", body=RUDE + " " * number),
        ]
    return records


def test_many_buckets_come_to_the_same_verdicts_as_one(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path], rows_per_bucket: Callable[[float], None]
) -> None:
    records, chosen = a_forum(comment, submission), build_filter(RULES)
    one = judge_posts(posts(*records, name="one"), tmp_path / "judged one", chosen, tmp_path / "scores")
    rows_per_bucket(10)
    source = posts(*records, name="many")
    assert len(store.bucket_numbers(source)) > 3
    many = judge_posts(source, tmp_path / "judged many", chosen, tmp_path / "scores")
    assert one == many
    assert [one.target[rule] for rule in ("duplicates", "per_thread", "sample", "kept")] == [10, 1, 2, 9]
    assert verdicts(tmp_path / "judged one") == verdicts(tmp_path / "judged many")
    columns = {tuple(store.read_bucket(tmp_path / "judged many", bucket).schema.items()) for bucket in store.bucket_numbers(source)}
    assert len(columns) == 1
    copies = pl.concat(store.read_bucket(tmp_path / "judged many", bucket) for bucket in store.bucket_numbers(source))
    assert set(copies.filter(pl.col("target_reason") == "duplicates")["duplicate_of"]) == {"t1_b0"}
    assert not list((tmp_path / "judged many").glob(".[!m]*")), "what the passes left for each other is gone"


def test_many_buckets_stopped_before_any_change_end_with_the_same_bytes(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path], contents: Callable[[Path], dict[str, bytes]],
    stopped_before: Callable[..., Any], rows_per_bucket: Callable[[float], None],
) -> None:  # fmt: skip
    rows_per_bucket(30)
    source, chosen = posts(*a_forum(comment, submission)), build_filter({**RULES, "toxicity": False})
    assert len(store.bucket_numbers(source)) > 1
    judge_posts(source, tmp_path / "whole" / "judged", chosen, tmp_path / "scores")
    for number in range(0, 1000, 3):
        out = tmp_path / str(number) / "judged"
        with stopped_before(number, out.parent) as stop:
            judge_posts(source, out, chosen, tmp_path / "scores")
        if not stop.happened:
            break
        judge_posts(source, out, chosen, tmp_path / "scores")
        assert contents(out) == contents(tmp_path / "whole" / "judged")
    assert number > 20


FIELDS = st.fixed_dictionaries(
    {"parent": st.one_of(st.none(), st.integers(0, 11)), "thread": st.sampled_from(["s1", "s2", "gone"])},
    optional={
        "author": st.sampled_from(["[deleted]", "AutoModerator", "crust_fund"]),
        "body": st.sampled_from(["[removed]", "", "Ha.", RUDE, CIVIL, "https://tea.example", "> quoted\n\nand answered at some length"]),
        "score": st.one_of(st.none(), st.integers(-5, 9)),
        "stickied": st.booleans(),
        "distinguished": st.sampled_from([None, "moderator"]),
        "over_18": st.booleans(),
        "retrieved_on": st.integers(NOON, NOON + 400_000),
    },
)


@hypothesis.settings(max_examples=25)
@given(st.lists(FIELDS, max_size=12), st.sampled_from([2, 1000]))
def test_the_funnel_of_any_posts_adds_up_to_the_posts_imported(comment: Make, submission: Make, changes: list[Record], rows: int) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BYTES_PER_ROW", 200)
        patch.setattr(store, "ROWS_PER_BUCKET", rows)
        folder = Path(name)
        records = [submission("s1"), submission("s2")]
        for number, change in enumerate(changes):
            fields = {**change, "parent": f"c{change['parent']}" if change["parent"] is not None else None}
            records.append(comment(f"c{number}", **fields))
        (folder / "dump.ndjson").write_text("".join(json.dumps(record) + "\n" for record in records))
        imported = import_files([folder / "dump.ndjson"], folder / "posts")
        funnel = judge_posts(folder / "posts", folder / "judged", build_filter(RULES), folder / "scores")
        judged = pl.concat(
            [store.read_bucket(folder / "judged", bucket) for bucket in store.bucket_numbers(folder / "judged")], how="diagonal"
        )
        assert imported.posts == len(records) == judged.height == funnel.posts
        assert sum(funnel.target.values()) == sum(funnel.context.values()) == sum(funnel.outcome.values()) == len(records)
        for row in judged.iter_rows(named=True):
            for side in ("target", "context"):
                every = row[f"{side}_reasons"]
                assert row[f"{side}_reason"] == (every[0] if every else None)


def test_a_dry_run_shows_the_same_funnel_and_leaves_nothing(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path], rows_per_bucket: Callable[[float], None]
) -> None:
    for name, rows in (("one", 1000), ("many", 10)):
        rows_per_bucket(rows)
        source, chosen = posts(*a_forum(comment, submission), name=name), build_filter(RULES)
        before = sorted(path for path in tmp_path.rglob("*") if "scores" not in path.parts)
        funnel = try_filter(source, chosen, tmp_path / "scores")
        assert sorted(path for path in tmp_path.rglob("*") if "scores" not in path.parts) == before
        assert funnel == judge_posts(source, tmp_path / f"judged {name}", chosen, tmp_path / "scores")


def test_judged_posts_say_by_what_they_were_judged(tmp_path: Path, comment: Make, posts: Callable[..., Path]) -> None:
    chosen = build_filter({"toxicity": False, "length": {"maximum": 90}, "recency": {"since": "2020-01-01"}})
    judge_posts(posts(comment("c1")), tmp_path / "judged", chosen, tmp_path / "scores")
    settings = report_of(tmp_path / "judged", "judged")["rules"]
    assert settings["length"] == {"minimum": 20, "maximum": 90, "words": 3}
    assert settings["recency"]["since"] == "2020-01-01"
    assert "toxicity" not in settings
    assert chosen_by(tmp_path / "judged") == chosen


def test_the_page_comes_with_the_folder_or_not_at_all(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out, chosen = posts(*a_forum(comment, submission)), tmp_path / "judged", build_filter({"toxicity": False})

    def without_page(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(judging, "filter_page", without_page)
        with pytest.raises(KeyboardInterrupt):
            judge_posts(source, out, chosen, tmp_path / "scores", page=True)
    assert not out.exists()
    judge_posts(source, out, chosen, tmp_path / "scores", page=True)
    assert "Milord, the spoon pleads the fifth" in (out / "report.html").read_text()
    judge_posts(source, tmp_path / "bare", chosen, tmp_path / "scores")
    assert not (tmp_path / "bare" / "report.html").exists()


def test_what_scorers_report_outlives_the_process(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path], monkeypatch: pytest.MonkeyPatch,
    rows_per_bucket: Callable[[float], None],
) -> None:  # fmt: skip
    rows_per_bucket(10)
    source, out, chosen = posts(*a_forum(comment, submission)), tmp_path / "judged", build_filter(RULES)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Passes, "_select", stopped)
        with pytest.raises(KeyboardInterrupt):
            judge_posts(source, out, chosen, tmp_path / "scores")
    judge_posts(source, out, chosen, tmp_path / "scores")
    told = report_of(out, "judged")["scorers"]
    assert list(told) == ["toxicity"]
    judge_posts(source, tmp_path / "whole", chosen, tmp_path / "scores")
    assert told == report_of(tmp_path / "whole", "judged")["scorers"]


def test_a_folder_within_the_posts_is_refused(tmp_path: Path, comment: Make, posts: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="judged: lies in the folder of posts, which is replaced when more are imported"):
        judge_posts(posts(comment("c1")), tmp_path / "posts" / "judged", Filter(), tmp_path / "scores")


def test_turns_before_replies_are_found_in_chains_of_any_length_and_number() -> None:
    chain = np.arange(-1, 9_999)
    assert turns_before(np.arange(10_000), chain, 10**9).tolist() == [True] * 9_999 + [False]
    assert np.flatnonzero(turns_before(np.array([9_999, 9_990]), chain, 4)).tolist() == [*range(9_987, 9_990), *range(9_996, 9_999)]


@given(st.lists(st.integers(-1, 19), min_size=20, max_size=20), st.sets(st.integers(0, 19)), st.integers(2, 9))
def test_turns_before_replies_are_those_of_their_chains(parents: list[int], chosen: set[int], longest: int) -> None:
    parent = np.array([above if above < row else -1 for row, above in enumerate(parents)])
    replies = np.array([row for row in sorted(chosen) if parent[row] >= 0], np.int64)
    turns = walk(parent, replies, longest)[:, :-1]
    assert set(np.flatnonzero(turns_before(replies, parent, longest))) == set(turns[turns >= 0].tolist())
