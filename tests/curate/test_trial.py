"""What another setting would change, and what each threshold would drop."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

from curate import store
from curate.gather import import_table
from curate.judging.judge import judge_posts, try_filter
from curate.judging.lines import default_of, rule_lines, shown, threshold_lines, trial_lines
from curate.judging.thresholds import BORDERLINE, THRESHOLDS, explain_thresholds
from curate.judging.trial import EXAMPLES, Trial, try_change
from filters.catalogue import RULES, TRANSFORMS, build_filter
from filters.rule import RuleError
from filters.scorers.scorer import labelled, schema_of
from filters.scores import count_scores, hash_texts
from formats.errors import UserError
from formats.visible import HIDDEN

Record = dict[str, Any]
Make = Callable[..., Record]
HOSTILE = "tea\x1b[2J\u202e\u200b\x07"


@pytest.fixture
def court(posts: Callable[..., Path], comment: Make, submission: Make) -> Callable[..., Path]:
    """Four threads with twelve replies each, whose scores are 0 to 11."""

    def make(name: str = "posts") -> Path:
        threads = [submission(f"s{thread}") for thread in range(4)]
        replies = [
            comment(f"c{thread}x{score}", thread=f"s{thread}", score=score, body=f"Kettle {thread} has boiled {score} cups of tea today.")
            for thread in range(4)
            for score in range(12)
        ]
        return posts(*threads, *replies, name=name)

    return make


def plain(**settings: Any) -> Any:
    """A filter without a model, which keeps texts that are nearly the same."""
    return build_filter({"toxicity": False, "near_duplicates": False, **settings})


def test_a_change_is_counted_and_shown_by_examples(court: Callable[..., Path], tmp_path: Path) -> None:
    trial = try_change(court(), plain(min_score=5), plain(min_score=8), tmp_path / "scores")
    assert (trial.before.target["min_score"], trial.after.target["min_score"]) == (20, 32)
    assert (trial.newly_kept, trial.newly_dropped) == (0, 12)
    assert trial.examples["newly_kept"] == []
    examples = trial.examples["newly_dropped"]
    assert len(examples) == EXAMPLES
    assert len({row["id"] for row in examples}) == EXAMPLES
    for row in examples:
        assert list(row) == ["id", "community", "score", "before", "after", "text"]
        assert (row["community"], row["before"], row["after"]) == ("KettleCourt", None, "min_score")
        assert 5 <= row["score"] < 8
        assert row["text"] == f"Kettle {row['id'][4]} has boiled {row['score']} cups of tea today."
    assert trial.to_dict()["before"] == trial.before.to_dict()


def test_the_other_way_round_it_is_kept(court: Callable[..., Path], tmp_path: Path) -> None:
    there = try_change(court(), plain(min_score=5), plain(min_score=8), tmp_path / "scores")
    back = try_change(tmp_path / "posts", plain(min_score=8), plain(min_score=5), tmp_path / "scores")
    assert (back.newly_kept, back.newly_dropped, back.before, back.after) == (12, 0, there.after, there.before)
    swapped = [{**row, "before": row["after"], "after": row["before"]} for row in there.examples["newly_dropped"]]
    assert back.examples == {"newly_kept": swapped, "newly_dropped": []}


def test_a_trial_of_nothing_changes_nothing_and_both_funnels_are_those_of_a_dry_run(court: Callable[..., Path], tmp_path: Path) -> None:
    trial = try_change(court(), plain(), plain(), tmp_path / "scores")
    assert trial == Trial(trial.before, trial.before)
    assert trial.before == try_filter(tmp_path / "posts", plain(), tmp_path / "scores")


def test_many_buckets_come_to_the_same_counts_and_examples_as_one(
    court: Callable[..., Path], tmp_path: Path, rows_per_bucket: Callable[[float], None]
) -> None:
    before, after = plain(min_score=2), plain(min_score=4, per_thread=5, sample=11)
    one = try_change(court("one"), before, after, tmp_path / "scores")
    rows_per_bucket(10)
    many = try_change(court("many"), before, after, tmp_path / "scores")
    assert len(store.bucket_numbers(tmp_path / "many")) > 1
    assert one == many
    assert (one.before.target["kept"], one.after.target["kept"], one.newly_dropped) == (40, 11, 29)


def test_a_reason_that_changes_is_no_change(court: Callable[..., Path], tmp_path: Path) -> None:
    """What min_score dropped is dropped by length then: neither newly kept nor newly dropped."""
    trial = try_change(court(), plain(min_score=3), plain(min_score=0, length=1900), tmp_path / "scores")
    assert (trial.newly_kept, trial.newly_dropped) == (0, 36)
    assert (trial.before.target["length"], trial.after.target["length"]) == (0, 52)


def test_a_trial_leaves_nothing(court: Callable[..., Path], tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]) -> None:
    source = court()
    before = contents(tmp_path)
    try_change(source, plain(), plain(min_score=9), tmp_path / "scores")
    assert contents(tmp_path) == before


def test_only_posts_can_be_tried(court: Callable[..., Path], tmp_path: Path) -> None:
    judge_posts(court(), tmp_path / "judged", plain(), tmp_path / "scores")
    with pytest.raises(UserError, match="judged: holds judged posts, as `lorum filter` writes; give a folder of posts"):
        try_change(tmp_path / "judged", plain(), plain(min_score=1), tmp_path / "scores")


def test_the_lines_of_a_trial_name_the_rules_whose_counts_change(court: Callable[..., Path], tmp_path: Path) -> None:
    trial = try_change(court(), plain(), plain(min_score=11, shouting=False), tmp_path / "scores")
    lines = list(trial_lines(trial, ["min_score=11", "shouting=false"]))
    assert lines[:5] == [
        "with min_score=11, shouting=false:",
        "  replies                            now        then    change",
        "  min_score                           12          48       +36",
        "  turns                                4           0        -4",
        "  kept to learn                       36           4       -32",
    ]
    assert lines[5:7] == ["newly kept: 0", "newly dropped: 32"]
    assert len(lines) == 7 + EXAMPLES
    row = trial.examples["newly_dropped"][0]
    assert lines[7] == f"  {row['id']} (kept -> min_score): {row['text']}"


def hostile_posts(folder: Path) -> Path:
    """A thread in which whatever a stranger writes acts on a terminal."""
    row = {"thread_id": "s", "author": HOSTILE, "community": HOSTILE, "text": f"{HOSTILE} says the\r\nkettle \x1b]0;x\x07 of it."}
    import_table(pl.DataFrame([{**row, "id": HOSTILE}, {**row, "id": f"{HOSTILE}2", "parent_id": HOSTILE}]), folder)
    return folder


def test_what_acts_on_a_terminal_is_shown_in_every_line_of_a_trial(tmp_path: Path) -> None:
    now, then = plain(invisible=False), plain(invisible=False, length=1000)
    trial = try_change(hostile_posts(tmp_path / "posts"), now, then, tmp_path / "scores")
    back = try_change(tmp_path / "posts", then, now, tmp_path / "scores")
    assert (trial.newly_dropped, back.newly_kept) == (1, 1)
    for lines in (list(trial_lines(trial, ["length=1000"])), list(trial_lines(back, ["length=20"]))):
        assert [line for line in lines if HIDDEN.search(line) or "\n" in line] == []
        (shown_post,) = [line for line in lines if "tea␛[2J" in line]
        assert "says the kettle ␛]0;x␇ of it." in shown_post


class Counting:
    """A scorer with a label of its own: each reply of the court has its score in votes, by tenths, as its toxicity."""

    key = "counting-1"
    labels = ("toxicity", "crumbs")
    schema = schema_of(labels)
    asked: ClassVar[list[str]] = []

    def score(self, texts: Sequence[str]) -> pl.DataFrame:
        self.asked.extend(texts)
        scores = [int(text.split("boiled ")[1].split()[0]) / 12 for text in texts]
        return labelled({"toxicity": pl.Series(scores), "crumbs": pl.Series([0.5] * len(texts))})


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    """Takes the place of the scorer `lite`."""
    Counting.asked.clear()
    monkeypatch.setattr("filters.toxicity.Toxicity.load", lambda rule, cache: Counting())
    return Counting


def scoring(**settings: Any) -> Any:
    return build_filter({"near_duplicates": False, "min_score": -1, "toxicity": {"toxicity": 0.7}, **settings})


@pytest.mark.parametrize("judged", [False, True])
def test_thresholds_are_explained_by_what_was_scored(
    court: Callable[..., Path], tmp_path: Path, counting: type[Counting], judged: bool
) -> None:
    source, chosen = court(), scoring()
    if judged:
        judge_posts(source, tmp_path / "judged", chosen, tmp_path / "scores")
        source = tmp_path / "judged"
    told = explain_thresholds(source, chosen, tmp_path / "scores")
    assert [(entry["label"], entry["scored"]) for entry in told] == [("toxicity", 48), ("crumbs", 48)]
    by_threshold = {row["threshold"]: row for row in told[0]["thresholds"]}
    assert tuple(by_threshold) == THRESHOLDS
    # The scores are 0/12 to 11/12, four posts each.
    assert {threshold: row["above"] for threshold, row in by_threshold.items()} == {
        0.1: 40, 0.3: 32, 0.5: 20, 0.7: 12, 0.8: 8, 0.9: 4, 0.95: 0, 0.99: 0,
    }  # fmt: skip
    borderline = by_threshold[0.5]["borderline"]
    assert [list(post) for post in borderline] == [["id", "text", "score"]] * BORDERLINE
    assert [round(12 * post["score"]) for post in borderline].count(6) == 4
    assert [post["score"] for post in borderline] == sorted((post["score"] for post in borderline), reverse=True)
    assert {row["above"] for row in told[1]["thresholds"]} == {0, 48}


def test_each_text_is_at_the_edge_once(
    posts: Callable[..., Path], comment: Make, submission: Make, tmp_path: Path, counting: object
) -> None:
    same = [comment(f"c{number}", thread=f"s{number}", body="The kettle has boiled 6 cups of tea today.") for number in range(7)]
    source = posts(*(submission(f"s{number}") for number in range(7)), *same)
    (toxicity, _) = explain_thresholds(source, scoring(), tmp_path / "scores")
    assert (toxicity["scored"], toxicity["thresholds"][0]["above"]) == (7, 7)
    assert [len(row["borderline"]) for row in toxicity["thresholds"]] == [1] * len(THRESHOLDS)


def test_many_buckets_come_to_the_same_thresholds_as_one(
    court: Callable[..., Path], tmp_path: Path, counting: object, rows_per_bucket: Callable[[float], None]
) -> None:
    one = explain_thresholds(court("one"), scoring(), tmp_path / "scores")
    rows_per_bucket(10)
    many = explain_thresholds(court("many"), scoring(), tmp_path / "scores")
    assert len(store.bucket_numbers(tmp_path / "many")) > 1
    assert one == many


def test_explaining_thresholds_leaves_scores_and_nothing_else(
    court: Callable[..., Path], tmp_path: Path, counting: type[Counting], contents: Callable[[Path], dict[str, bytes]]
) -> None:
    source = court()
    before = contents(tmp_path)
    explain_thresholds(source, scoring(), tmp_path / "scores")
    assert {name: data for name, data in contents(tmp_path).items() if not name.startswith("scores/")} == before
    assert count_scores(hash_texts(pl.Series(counting.asked)), tmp_path / "scores") == 48
    explain_thresholds(source, scoring(), tmp_path / "scores")
    assert len(counting.asked) == 48


def test_where_nothing_was_scored_one_line_says_why(court: Callable[..., Path], tmp_path: Path, submission: Make) -> None:
    source = court()
    with pytest.raises(RuleError, match="toxicity: is left out, so there is no threshold to explain; set toxicity = true or name a scorer"):
        explain_thresholds(source, plain(), tmp_path / "scores")
    with pytest.raises(RuleError, match="toxicity: no reply stands in a conversation, so none was scored; loosen the rules before it"):
        explain_thresholds(source, build_filter({"min_score": 1000}), tmp_path / "scores")
    judge_posts(source, tmp_path / "judged", plain(), tmp_path / "scores")
    with pytest.raises(RuleError, match="judged: was judged without toxicity, so nothing was scored; give the folder of posts"):
        explain_thresholds(tmp_path / "judged", build_filter({}), tmp_path / "scores")
    with pytest.raises(UserError, match="none: is no folder that lorum made"):
        explain_thresholds(tmp_path / "none", build_filter({}), tmp_path / "scores")


def test_the_lines_of_thresholds_say_what_each_would_drop(court: Callable[..., Path], tmp_path: Path, counting: object) -> None:
    told = explain_thresholds(court(), scoring(), tmp_path / "scores")
    lines = list(threshold_lines(told, {"toxicity": 0.7}))
    heads = [line for line in lines if not line.startswith("  ")]
    assert heads == ["toxicity: 48 posts scored; dropped above 0.7 now", "crumbs: 48 posts scored; no threshold now"]
    assert len(lines) == 2 * (1 + len(THRESHOLDS) * (1 + BORDERLINE))
    assert lines[1] == "  > 0.1          40 dropped (83.33%)"
    assert [line.split("  Kettle ")[0] for line in lines[2:7]] == ["      0.167", *["      0.083"] * 4]


def test_what_acts_on_a_terminal_is_shown_in_every_line_of_thresholds(tmp_path: Path) -> None:
    told = explain_thresholds(hostile_posts(tmp_path / "posts"), build_filter({"invisible": False}), tmp_path / "scores")
    lines = list(threshold_lines([*told, {**told[0], "label": HOSTILE}], {"toxicity": 0.9}))
    assert [line for line in lines if HIDDEN.search(line) or "\n" in line] == []
    assert sum("tea␛[2J" in line for line in lines) == 2 * len(THRESHOLDS) + 1


def test_the_list_of_rules_has_each_with_its_settings_and_its_documentation() -> None:
    lines = list(rule_lines())
    assert [line for line in lines if line.endswith(", in order:")] == ["Transforms, in order:", "Rules, in order:"]
    named = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert named == [*TRANSFORMS, *RULES]
    place = lines.index("  min_score (replies and context)")
    assert lines[place + 1 : place + 4] == [
        "      minimum = 3",
        "      context = 0",
        "    Keep replies that the forum liked, `score >= minimum`, after posts that it",
    ]
    assert "  turns (replies)" in lines
    text = " ".join(" ".join(lines).split())
    for part in (*TRANSFORMS.values(), *RULES.values()):
        assert " ".join((part.__doc__ or "").split()) in text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "none"),
        (True, "true"),
        (3, "3"),
        (0.9, "0.9"),
        (2.0, "2"),
        ("lite", '"lite"'),
        ((), "[]"),
        (("a", "b"), '["a", "b"]'),
        ({"toxicity": 0.9, "threat": 0.5}, "{toxicity = 0.9, threat = 0.5}"),
    ],
)
def test_a_setting_is_shown_as_a_recipe_writes_it(value: Any, written: str) -> None:
    assert shown(value) == written


def test_a_default_may_be_made_anew_for_each_rule() -> None:
    settings = {setting.name: default_of(setting) for setting in RULES["toxicity"].__dataclass_fields__.values() if setting.init}
    assert settings["scorer"] == "lite"
    assert settings["context_thresholds"] == {}
