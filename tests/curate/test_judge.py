import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xxhash

from curate import store
from curate.gather import import_files
from curate.judge import explain, judge_posts
from filters.catalogue import build_filter
from filters.funnel import Funnel
from formats.errors import UserError

Record = dict[str, Any]
Make = Callable[..., Record]
RUDE = "You are a worthless stupid idiot and a bloody moron, shut up."
CIVIL = "The kettle pleads not guilty, and I believe it."


@pytest.fixture
def posts(tmp_path: Path, dump: Callable[..., Path]) -> Callable[..., Path]:
    """A store of these records."""

    def make(*records: Record, name: str = "posts") -> Path:
        import_files([dump(*records, name=f"{name}.ndjson")], tmp_path / name)
        return tmp_path / name

    return make


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
        comment("hidden", score_hidden=True, score=1, body=CIVIL),
    ]
    funnel = judge_posts(
        posts(*records), tmp_path / "judged", build_filter({"toxicity": {"thresholds": {"toxicity": 0.5}}}), tmp_path / "scores"
    )
    assert verdicts(tmp_path / "judged") == {
        "t3_s1": (None, None),
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
        "removed": 1, "no_author": 1, "bots": 1, "min_score": 1, "length": 1, "toxicity": 1, "kept": 3,
    }  # fmt: skip
    assert {reason: count for reason, count in funnel.context.items() if count} == {"removed": 1, "bots": 1, "kept": 7}
    assert Funnel(**json.loads((tmp_path / "judged" / "funnel.json").read_text())) == funnel


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
        assert after.columns == [*before.columns, "target_reason", "context_reason"]
        assert after.select(before.columns).equals(before)
    assert (funnel.posts, funnel.target["min_score"], funnel.target["kept"]) == (16, 4, 12)


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
    assert verdicts(tmp_path / "judged")["t1_orphan"] == (None, None)


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
    assert (funnel.target["toxicity"], funnel.target["kept"]) == (0, 1)
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
    assert funnel.target["kept"] == 2
    assert scored(tmp_path) == []


def test_without_any_rule_all_is_kept(tmp_path: Path, comment: Make, posts: Callable[..., Path]) -> None:
    funnel = judge_posts(posts(comment("c1", body="[removed]")), tmp_path / "judged", [], tmp_path / "scores")
    assert funnel.to_dict() == {"posts": 1, "target": {"kept": 1}, "context": {"kept": 1}}


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


def test_other_posts_or_other_rules_are_judged_anew(tmp_path: Path, comment: Make, dump: Callable[..., Path]) -> None:
    source, out = tmp_path / "posts", tmp_path / "judged"
    import_files([dump(comment("c1", score=5))], source)
    assert judge_posts(source, out, build_filter({"toxicity": False}), tmp_path / "scores").target["kept"] == 1
    assert judge_posts(source, out, build_filter({"toxicity": False, "min_score": 9}), tmp_path / "scores").target["kept"] == 0
    import_files([dump(comment("c1", score=10), comment("c2", score=11))], source)
    assert judge_posts(source, out, build_filter({"toxicity": False, "min_score": 9}), tmp_path / "scores").target["kept"] == 2


def test_what_is_no_folder_of_posts_is_told(tmp_path: Path, comment: Make, posts: Callable[..., Path]) -> None:
    judge_posts(posts(comment("c1")), tmp_path / "judged", [], tmp_path / "scores")
    with pytest.raises(
        UserError, match="judged: holds judged posts, as `lorum filter` writes; give a folder of posts, as `lorum import` writes"
    ):
        judge_posts(tmp_path / "judged", tmp_path / "again", [], tmp_path / "scores")
    with pytest.raises(UserError, match="none: is no folder that lorum made; give a folder of posts"):
        judge_posts(tmp_path / "none", tmp_path / "again", [], tmp_path / "scores")
    with pytest.raises(UserError, match="posts: holds posts, as `lorum import` writes, which would be lost; name another folder"):
        judge_posts(tmp_path / "posts", tmp_path / "posts", [], tmp_path / "scores")


def test_a_verdict_is_explained_with_the_text_and_where_it_came_from(
    tmp_path: Path, comment: Make, posts: Callable[..., Path], rows_per_bucket: Callable[[float], None]
) -> None:
    rows_per_bucket(1)
    source = posts(*(comment(f"c{number}", thread=f"s{number}", score=number) for number in range(5)))
    judge_posts(source, tmp_path / "judged", build_filter({"toxicity": False}), tmp_path / "scores")
    post = explain(tmp_path / "judged", "t1_c2")
    assert post is not None
    assert (post["target_reason"], post["context_reason"], post["score"]) == ("min_score", None, 2)
    assert (post["text"], Path(post["source_file"]).name, post["source_row"]) == ("A kettle answers kettle c2.", "posts.ndjson", 3)
    assert explain(tmp_path / "judged", "c2") is None
    with pytest.raises(UserError, match="posts: holds posts, as `lorum import` writes; give a folder of judged posts"):
        explain(source, "t1_c2")
