import dataclasses
import datetime

import pytest

from filters.authorship import Bots
from filters.catalogue import RULES, TRANSFORMS, Filter, build_filter
from filters.recency import Recency
from filters.reception import MinScore
from filters.rule import Rule, RuleError
from filters.toxicity import Toxicity
from filters.wording import Length


def rule_of(settings):
    (name,) = settings
    return next(rule for rule in build_filter(settings).rules if rule.name() == name)


def test_facts_come_before_matters_of_taste_and_the_costly_model_last():
    assert list(RULES) == [
        "removed", "no_author", "bots", "stickied", "distinguished", "ads", "nsfw", "empty", "min_score", "recency", "length", "toxicity",
    ]  # fmt: skip


def test_every_rule_is_documented_frozen_and_has_defaults():
    for name, rule in RULES.items():
        assert issubclass(rule, Rule)
        assert name == rule.name()
        assert rule.__doc__.split()[0] in ("Keep", "Drop")
        with pytest.raises(dataclasses.FrozenInstanceError):
            rule().extra = 1


def test_a_recipe_that_says_nothing_gets_every_rule_with_its_defaults():
    rules = build_filter({}).rules
    assert [rule.name() for rule in rules] == list(RULES)
    assert rules == tuple(rule() for rule in RULES.values())


def test_false_leaves_a_rule_out_and_true_is_its_defaults():
    rules = build_filter({"length": False, "nsfw": False, "min_score": True, "ads": True}).rules
    assert [rule.name() for rule in rules] == [name for name in RULES if name not in ("length", "nsfw")]
    assert MinScore(3) in rules


def test_the_order_is_the_catalogues_and_not_the_recipes():
    assert [rule.name() for rule in build_filter({"toxicity": True, "length": True, "removed": True}).rules] == list(RULES)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"min_score": 5}, MinScore(5)),
        ({"min_score": 0}, MinScore(0)),
        ({"min_score": {"minimum": -2}}, MinScore(-2)),
        ({"min_score": {}}, MinScore()),
        ({"length": {"maximum": 500}}, Length(20, 500)),
        ({"bots": ["my_bot"]}, Bots(("my_bot",))),
        ({"bots": {"names": []}}, Bots()),
        ({"recency": {"since": datetime.date(2020, 1, 1)}}, Recency(since=datetime.date(2020, 1, 1))),
        ({"recency": {"until": "2024-02-29", "max_age": "2y"}}, Recency(until=datetime.date(2024, 2, 29), max_age="2y")),
        ({"toxicity": "lite"}, Toxicity("lite")),
        ({"toxicity": {"thresholds": {"insult": 1}}}, Toxicity(thresholds={"insult": 1.0})),
    ],
)
def test_a_table_or_a_value_for_the_first_setting_builds_the_rule(settings, rule):
    assert rule_of(settings) == rule


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"minscore": 3}, f"unknown rule 'minscore'; known: {', '.join(RULES)}"),
        ({"length": {"min": 3}}, "length: unknown setting 'min'; known: minimum, maximum"),
        ({"removed": {"by": "moderator"}}, "removed: unknown setting 'by'; known: none"),
        ({"nsfw": 0}, "nsfw: is true or false, not 0: it has no settings"),
        ({"ads": "yes"}, "ads: is true or false, not 'yes': it has no settings"),
        ({"min_score": "many"}, "min_score.minimum: Input should be a valid integer, unable to parse string as an integer, found 'many'"),
        ({"min_score": 3.5}, "min_score.minimum: Input should be a valid integer, got a number with a fractional part, found 3.5"),
        ({"min_score": None}, "min_score.minimum: Input should be a valid integer, found None"),
        ({"bots": "my_bot"}, "bots.names: Input should be a valid tuple, found 'my_bot'"),
        ({"bots": {"names": ["a", 7]}}, "bots.names.1: Input should be a valid string, found 7"),
        ({"recency": {"max_age": "2 years"}}, "recency: max_age is '2 years'; expected a number and one of d, w, m, y, as in 90d or 2y"),
        ({"recency": {"max_age": 90}}, "recency.max_age: Input should be a valid string, found 90"),
        ({"length": {"minimum": 9, "maximum": 8}}, "length: minimum (9) is more than maximum (8), so no reply would be left"),
        (
            {"toxicity": {"thresholds": {"rude": 0.5}}},
            "toxicity: unknown label 'rude' in thresholds; known: toxicity, severe_toxicity, obscene, ",
        ),
        ({"toxicity": {"thresholds": {"insult": 50}}}, "toxicity: the threshold of insult is 50.0; expected 0 to 1"),
        ({"toxicity": {"thresholds": {"insult": float("nan")}}}, "toxicity: the threshold of insult is nan; expected 0 to 1"),
        ({"toxicity": {"thresholds": {}}}, "toxicity: thresholds is empty, so nothing would be dropped; "),
        (
            {"toxicity": "detoxify:orginal"},
            "toxicity: unknown scorer 'detoxify:orginal'; known: lite, detoxify:MODEL with original, unbiased, ",
        ),
        ({"toxicity": 0.8}, "toxicity.scorer: Input should be a valid string, found 0.8"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line_with_rule_value_and_what_was_expected(settings, message):
    with pytest.raises(RuleError) as refused:
        build_filter(settings)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_date_that_is_none_is_refused_with_its_place():
    with pytest.raises(RuleError, match=r"^recency\.since: Input should be a valid date.*, found '2024-02-30'$"):
        build_filter({"recency": {"since": "2024-02-30"}}).rules
