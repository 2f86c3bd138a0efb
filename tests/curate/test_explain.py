"""Why a filter kept or dropped one post: what each rule says of it, rule by rule."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import store
from curate.gather import import_table
from curate.judging.explain import DROPS, KEEPS, NOT_ASKED, explain
from curate.judging.judge import judge_posts
from curate.judging.lines import explanation_lines
from filters.catalogue import Filter, build_filter
from filters.duplicates import Duplicates
from formats.errors import UserError
from formats.visible import HIDDEN

Record = dict[str, Any]
Make = Callable[..., Record]
Said = Callable[..., dict[str, tuple[str, str]]]
RUDE = "You are a worthless stupid idiot and a bloody moron, shut up."
CIVIL = "The kettle pleads not guilty, and I believe it."
COPY = "Milord, the spoon pleads the fifth, as every week."
SETTINGS: dict[str, Any] = {
    "toxicity": {"thresholds": {"toxicity": 0.5}, "context_thresholds": {"toxicity": 0.5}},
    "per_thread": 3,
    "sample": {"size": 5, "seed": 1},
}
CHOSEN = build_filter(SETTINGS)


@pytest.fixture
def court(posts: Callable[..., Path], comment: Make, submission: Make) -> Path:
    """A thread with a post of every fate."""
    return posts(
        submission(),
        comment("kept", body=CIVIL, score=99),
        comment("removed", body="[removed]", score=-3),
        comment("low", body="Nobody liked this comment of mine.", score=1),
        comment("rude", body=RUDE),
        comment("under", parent="rude", body="That was uncalled for, said the clerk of the court."),
        comment("cut", parent="removed", body="My parent was removed by the bailiff."),
        comment("first", body=COPY, created_utc=1_700_000_001),
        comment("copy", parent="kept", body=f"{COPY}!!", created_utc=1_700_000_002),
        comment("third", body="The third reply to the case is of no interest.", score=8),
        comment("fourth", body="A fourth reply, and the jury has gone to sleep.", score=7),
    )


@pytest.fixture
def said(court: Path, tmp_path: Path) -> Said:
    """By rule, what it says of a post of the court as a reply and as context."""

    def of(post: str, *rules: str, chosen: Filter = CHOSEN) -> dict[str, tuple[str, str]]:
        found = explain(court, post, chosen, tmp_path / "scores")
        assert found is not None
        return {rule["rule"]: (rule["target"], rule["context"]) for rule in found["rules"] if rule["rule"] in rules}

    return of


def values(post: dict[str, Any] | None, rule: str) -> dict[str, Any]:
    assert post is not None
    (found,) = [one["values"] for one in post["rules"] if one["rule"] == rule]
    return dict(found)


def test_a_rule_on_single_posts_is_asked_about_every_post_on_the_sides_that_it_judges(said: Said) -> None:
    wanted = ("removed", "no_author", "min_score", "upvote_ratio", "length")
    assert said("t1_kept", *wanted) == {
        "removed": (KEEPS, KEEPS),
        "no_author": (KEEPS, NOT_ASKED),
        "min_score": (KEEPS, KEEPS),
        "upvote_ratio": (NOT_ASKED, NOT_ASKED),
        "length": (KEEPS, NOT_ASKED),
    }
    assert said("t1_removed", *wanted) == {
        "removed": (DROPS, DROPS),
        "no_author": (KEEPS, NOT_ASKED),
        "min_score": (DROPS, DROPS),
        "upvote_ratio": (NOT_ASKED, NOT_ASKED),
        "length": (DROPS, NOT_ASKED),
    }
    assert said("t1_low", "min_score") == {"min_score": (DROPS, KEEPS)}


def test_turns_are_asked_about_every_reply(said: Said) -> None:
    assert {post: said(f"t{post}", "turns")["turns"] for post in ("3_s1", "1_kept", "1_cut", "1_low")} == {
        "3_s1": (DROPS, NOT_ASKED),
        "1_kept": (KEEPS, NOT_ASKED),
        "1_cut": (DROPS, NOT_ASKED),
        "1_low": (KEEPS, NOT_ASKED),
    }


def test_a_model_is_asked_about_replies_that_stand_and_about_turns_before_them(said: Said) -> None:
    names = ("3_s1", "1_kept", "1_rude", "1_under", "1_cut", "1_low", "1_removed")
    assert {name: said(f"t{name}", "toxicity")["toxicity"] for name in names} == {
        "3_s1": (NOT_ASKED, KEEPS),
        "1_kept": (KEEPS, KEEPS),
        "1_rude": (DROPS, DROPS),
        "1_under": (KEEPS, NOT_ASKED),
        "1_cut": (NOT_ASKED, NOT_ASKED),
        "1_low": (NOT_ASKED, NOT_ASKED),
        "1_removed": (NOT_ASKED, NOT_ASKED),
    }


def test_a_model_that_no_setting_asks_anything_says_nothing(said: Said) -> None:
    assert said("t1_kept", "language") == {"language": (NOT_ASKED, NOT_ASKED)}


def test_rules_on_the_whole_run_judge_one_after_the_other_what_stands(said: Said) -> None:
    wanted = ("duplicates", "near_duplicates", "per_thread", "sample")
    assert said("t1_kept", *wanted) == dict.fromkeys(wanted, (KEEPS, NOT_ASKED))
    assert said("t1_copy", *wanted) == {"duplicates": (DROPS, NOT_ASKED), **dict.fromkeys(wanted[1:], (NOT_ASKED, NOT_ASKED))}
    assert said("t1_first", *wanted)["per_thread"] == (DROPS, NOT_ASKED)
    assert said("t1_first", *wanted)["sample"] == (NOT_ASKED, NOT_ASKED)
    # Of this one the model took away the turn before it: it stands in no conversation, although it answers a post.
    assert said("t1_under", *wanted) == dict.fromkeys(wanted, (NOT_ASKED, NOT_ASKED))
    few = build_filter({**SETTINGS, "per_thread": False, "sample": {"size": 1}})
    standing = [said(f"t1_{name}", "sample", chosen=few)["sample"][0] for name in ("kept", "first", "third", "fourth")]
    assert sorted(standing) == [DROPS, DROPS, DROPS, KEEPS]


def test_a_filter_of_one_rule_on_the_whole_run_is_explained_too(said: Said) -> None:
    alone = Filter(rules=(Duplicates(),))
    assert said("t1_low", "duplicates", chosen=alone) == {"duplicates": (KEEPS, NOT_ASKED)}
    assert said("t1_copy", "duplicates", chosen=alone) == {"duplicates": (DROPS, NOT_ASKED)}
    assert said("t3_s1", "duplicates", chosen=alone) == {"duplicates": (NOT_ASKED, NOT_ASKED)}


def test_the_values_are_those_that_a_rule_looks_at_and_the_settings_stand_beside_them(court: Path, tmp_path: Path) -> None:
    low, copy, rude = (explain(court, f"t1_{name}", CHOSEN, tmp_path / "scores") for name in ("low", "copy", "rude"))
    assert low is not None
    (rule,) = [rule for rule in low["rules"] if rule["rule"] == "min_score"]
    assert (rule["settings"], rule["values"]) == ({"minimum": 3, "context": 0}, {"score": 1})
    assert values(low, "length") == {"characters": 34, "words": 6}
    assert values(low, "turns") == {"turns": 2}
    assert values(low, "duplicates") == {}
    assert values(low, "removed") == {"removal": "none"}
    assert values(low, "toxicity") == {"toxicity": None}
    assert values(rude, "toxicity")["toxicity"]["toxicity"] > 0.5
    assert values(copy, "duplicates") == {"duplicate_of": "t1_first"}
    assert values(copy, "near_duplicates") == values(copy, "per_thread") == {}
    assert (low["text"], low["target_reasons"], low["context_reasons"], low["changed_by"]) == (
        "Nobody liked this comment of mine.", ["min_score"], [], [],
    )  # fmt: skip


def test_the_facts_of_the_whole_run_are_among_the_values(
    posts: Callable[..., Path], comment: Make, submission: Make, tmp_path: Path
) -> None:
    form = [comment(f"f{number}", author="notary", body=f"This document is hereby stamped as number {number}.") for number in range(10)]
    newest = comment("new", thread="s2", created_utc=1_700_000_000 + 40 * 86_400)
    source = posts(submission(), submission("s2"), *form, newest)
    chosen = build_filter({"toxicity": False, "recency": {"max_age": "30d", "relative_to": "newest"}})
    judge_posts(source, tmp_path / "judged", chosen, tmp_path / "scores")
    for folder in (source, tmp_path / "judged"):
        stamped = explain(folder, "t1_f3", chosen, tmp_path / "scores")
        assert values(stamped, "bots") == {"author": "notary", "identical_share": 1.0}
        assert str(values(stamped, "recency")["newest_at"]) == "2023-12-24 22:13:20+00:00"
        assert stamped is not None
        assert stamped["target_reasons"][:2] == ["bots", "recency"]


def test_judged_posts_are_explained_by_the_filter_that_judged_them(court: Path, tmp_path: Path) -> None:
    judge_posts(court, tmp_path / "judged", CHOSEN, tmp_path / "scores")
    other = build_filter({"toxicity": False, "min_score": 1000})
    for post in ("t1_kept", "t1_rude", "t1_copy", "t3_s1"):
        explained = explain(tmp_path / "judged", post, other, tmp_path / "scores")
        assert explained == explain(court, post, CHOSEN, tmp_path / "scores")
        assert explained is not None
        assert [rule["rule"] for rule in explained["rules"]] == [rule.name() for rule in CHOSEN.rules]


def forum(comment: Make, submission: Make) -> list[Record]:
    """Eight threads with posts of every fate."""
    records: list[Record] = []
    for number in range(8):
        thread = f"s{number}"
        records += [
            submission(thread, over_18=number == 3),
            comment(f"a{number}", thread=thread, body=f"The court has heard kettle {number} and finds it warm and well descaled."),
            comment(f"b{number}", thread=thread, parent=f"a{number}", body=COPY),
            comment(f"c{number}", thread=thread, parent=f"b{number}", body="[removed]" if number % 3 else RUDE),
            comment(f"d{number}", thread=thread, parent=f"c{number}", score=number, body=f"The {number} witnesses have left the room."),
            comment(f"e{number}", thread=thread, author="AutoModerator" if number % 2 else f"clerk{number}", body=CIVIL + " " * number),
        ]
    return records


def explained(folder: Path, scores: Path) -> Iterator[dict[str, Any]]:
    for bucket in store.bucket_numbers(folder):
        for post in store.read_bucket(folder, bucket, ["id"])["id"]:
            found = explain(folder, post, CHOSEN, scores)
            assert found is not None
            yield found


def test_every_explanation_is_what_happened_in_one_bucket_and_in_many(
    tmp_path: Path, comment: Make, submission: Make, posts: Callable[..., Path], rows_per_bucket: Callable[[float], None]
) -> None:
    found = []
    for name, rows in (("one", 1000), ("many", 10)):
        rows_per_bucket(rows)
        source = posts(*forum(comment, submission), name=name)
        judge_posts(source, tmp_path / f"judged {name}", CHOSEN, tmp_path / "scores")
        found.append({post["id"]: post for post in explained(tmp_path / f"judged {name}", tmp_path / "scores")})
    assert len(store.bucket_numbers(source)) > 2
    assert {name: post["rules"] for name, post in found[0].items()} == {name: post["rules"] for name, post in found[1].items()}
    assert {said for post in found[0].values() for rule in post["rules"] for said in (rule["target"], rule["context"])} == {
        KEEPS, DROPS, NOT_ASKED,
    }  # fmt: skip
    for post in found[0].values():
        rules = {rule["rule"]: rule for rule in post["rules"]}
        for side in ("target", "context"):
            assert [name for name, rule in rules.items() if rule[side] == DROPS] == post[f"{side}_reasons"]
        asked = {rules["toxicity"]["target"], rules["toxicity"]["context"]} != {NOT_ASKED}
        assert asked == (post["toxicity"] is not None)
        if rules["sample"]["target"] == KEEPS:
            assert post["target_reason"] is None


def test_posts_are_explained_without_leaving_anything_but_scores(
    court: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    before = contents(tmp_path)
    explain(court, "t1_kept", CHOSEN, tmp_path / "scores")
    assert {name: data for name, data in contents(tmp_path).items() if not name.startswith("scores/")} == before


def test_a_post_that_is_not_there_is_none_and_a_folder_of_something_else_is_told(court: Path, tmp_path: Path) -> None:
    judge_posts(court, tmp_path / "judged", CHOSEN, tmp_path / "scores")
    for folder in (court, tmp_path / "judged"):
        for name in ("kept", "t1_nowhere", "", "t1_kept "):
            assert explain(folder, name, CHOSEN, tmp_path / "scores") is None
    with pytest.raises(UserError, match="none: is no folder that lorum made; give a folder of posts"):
        explain(tmp_path / "none", "t1_kept", CHOSEN, tmp_path / "scores")


def test_the_lines_say_it_for_people(court: Path, tmp_path: Path) -> None:
    post = explain(court, "t1_copy", CHOSEN, tmp_path / "scores")
    assert post is not None
    lines = list(explanation_lines(post))
    assert lines[:3] == ["as a reply to learn: dropped by duplicates", "as a turn before a reply: kept", "kept in its place: t1_first"]
    assert "  duplicates        drops      –           duplicate_of t1_first" in lines
    assert "  per_thread        –          –" in lines
    assert "  upvote_ratio      –          –           upvote_ratio unknown" in lines
    assert lines[-2] == f"t1_copy by author_copy, score 5, {tmp_path}/posts.ndjson row 9"
    assert lines[-1] == f"{COPY}!!"
    removed = explain(court, "t1_removed", CHOSEN, tmp_path / "scores")
    assert removed is not None
    assert list(explanation_lines(removed))[:2] == [
        "as a reply to learn: dropped by removed, min_score, length, symbols",
        "as a turn before a reply: dropped by removed, min_score",
    ]


def test_what_acts_on_a_terminal_is_shown_in_every_line(tmp_path: Path) -> None:
    hostile = "tea\x1b[2J\u202e\u200b\x07"
    row = {"id": hostile, "thread_id": "s", "author": hostile, "title": hostile, "text": f"{hostile} two\r\nlines \x1b]0;x\x07 of it"}
    import_table(pl.DataFrame([row, {**row, "id": f"{hostile}2", "parent_id": hostile, "title": None}]), tmp_path / "posts")
    for name in (hostile, f"{hostile}2"):
        post = explain(tmp_path / "posts", name, build_filter({"toxicity": False, "invisible": False}), tmp_path / "scores")
        assert post is not None
        post |= {"duplicate_of": hostile, "source_file": hostile}
        lines = list(explanation_lines(post))
        assert [line for line in lines if HIDDEN.search(line)] == []
        assert sum("tea␛[2J" in line for line in lines) >= 4
        assert [line for line in lines[:-1] if "\n" in line] == []
