import dataclasses
import datetime

import pytest

from filters.authorship import Bots
from filters.catalogue import RULES, TRANSFORMS, Filter, build_filter
from filters.recency import Recency
from filters.reception import MinScore, Settled
from filters.rule import Rule, RuleError
from filters.toxicity import DEFAULTS, Toxicity
from filters.verdicts import judge
from filters.wording import Length


def rule_of(settings):
    (name,) = settings
    return next(rule for rule in build_filter(settings).rules if rule.name() == name)


def test_facts_come_before_matters_of_taste_and_the_costly_model_last():
    assert list(RULES) == [
        "removed", "no_author", "bots", "stickied", "distinguished", "ads", "nsfw", "quarantined", "communities", "flairs", "authors",
        "recency", "settled", "empty", "min_score", "upvote_ratio", "urls", "length", "quoted", "shouting", "repetition", "symbols",
        "words", "turns", "language", "toxicity", "duplicates", "near_duplicates", "per_thread", "per_author", "sample",
    ]  # fmt: skip
    assert list(TRANSFORMS) == ["unescape", "repair", "invisible", "quotes", "pii", "pseudonyms"]
    phases = [rule.phase for rule in RULES.values()]
    assert phases == sorted(phases)


def test_every_rule_is_documented_frozen_and_has_defaults():
    for name, rule in RULES.items():
        assert issubclass(rule, Rule)
        assert name == rule.name()
        assert rule.__doc__.split()[0] in ("Keep", "Drop")
        with pytest.raises(dataclasses.FrozenInstanceError):
            rule().extra = 1


def test_a_recipe_that_says_nothing_gets_every_rule_with_its_defaults():
    chosen = build_filter({})
    assert chosen.rules == tuple(rule() for name, rule in RULES.items() if name != "settled")
    assert [transform.name() for transform in chosen.transforms] == ["repair", "invisible", "quotes", "pii"]


def test_what_does_not_apply_by_default_applies_when_it_is_named():
    chosen = build_filter({"settled": 48, "unescape": True, "quotes": False})
    assert Settled(48) in chosen.rules
    assert [transform.name() for transform in chosen.transforms] == ["unescape", "repair", "invisible", "pii"]


def test_no_name_is_that_of_a_rule_and_of_a_transform():
    assert not RULES.keys() & TRANSFORMS.keys()
    assert Filter() == Filter((), ())


def test_false_leaves_a_rule_out_and_true_is_its_defaults():
    rules = build_filter({"length": False, "nsfw": False, "min_score": True, "ads": True}).rules
    assert [rule.name() for rule in rules] == [name for name in RULES if name not in ("length", "nsfw", "settled")]
    assert MinScore(3) in rules


def test_the_order_is_the_catalogues_and_not_the_recipes():
    assert [rule.name() for rule in build_filter({"toxicity": True, "length": True, "removed": True}).rules] == [
        name for name in RULES if name != "settled"
    ]


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
        ({"toxicity": {"threat": 0.4, "insult": 0.9}}, Toxicity(thresholds={"toxicity": 0.8, "threat": 0.4, "insult": 0.9})),
        (
            {"toxicity": {"scorer": "detoxify:original", "toxicity": 0.8}},
            Toxicity("detoxify:original", {**DEFAULTS, "toxicity": 0.8}),
        ),
        ({"toxicity": {"thresholds": {"insult": 1}, "threat": 0.5}}, Toxicity(thresholds={"insult": 1.0, "threat": 0.5})),
    ],
)
def test_a_table_or_a_value_for_the_first_setting_builds_the_rule(settings, rule):
    assert rule_of(settings) == rule


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"minscore": 3}, f"unknown rule 'minscore'; known: {', '.join((*RULES, *TRANSFORMS))}"),
        ({"length": {"min": 3}}, "length: unknown setting 'min'; known: minimum, maximum, words"),
        ({"removed": {"by": "moderator"}}, "removed: unknown setting 'by'; known: none"),
        ({"nsfw": 0}, "nsfw: is true or false, not 0: it has no settings"),
        ({"ads": "yes"}, "ads: is true or false, not 'yes': it has no settings"),
        ({"min_score": "many"}, "min_score.minimum: Input should be a valid integer, found 'many'"),
        ({"min_score": 3.5}, "min_score.minimum: Input should be a valid integer, found 3.5"),
        ({"min_score": None}, "min_score.minimum: Input should be a valid integer, found None"),
        ({"min_score": 10**20}, f"min_score.minimum: Input should be less than or equal to 2147483647, found {10**20}"),
        ({"min_score": -(10**20)}, f"min_score.minimum: Input should be greater than or equal to -2147483648, found -{10**20}"),
        ({"length": {"minimum": True}}, "length.minimum: Input should be a valid integer, found True"),
        ({"length": {"minimum": "3"}}, "length.minimum: Input should be a valid integer, found '3'"),
        ({"symbols": {"maximum": True}}, "symbols.maximum: Input should be a valid number, found True"),
        ({"sample": 10**20}, f"sample.size: Input should be less than or equal to 2147483647, found {10**20}"),
        ({"near_duplicates": {"words": 10**20}}, "near_duplicates.words: Input should be less than or equal to 2147483647, found"),
        ({"bots": "my_bot"}, "bots.names: Input should be a valid tuple, found 'my_bot'"),
        ({"bots": {"names": ["a", 7]}}, "bots.names.1: Input should be a valid string, found 7"),
        ({"recency": {"max_age": "2 years"}}, "recency: max_age is '2 years'; expected a number and one of d, w, m, y, as in 90d or 2y"),
        ({"recency": {"max_age": 90}}, "recency.max_age: Input should be a valid string, found 90"),
        ({"length": {"minimum": 9, "maximum": 8}}, "length: minimum (9) is more than maximum (8), so no reply would be left"),
        (
            {"toxicity": {"thresholds": {"rude": 0.5}}},
            "toxicity: unknown label 'rude' in thresholds; known: toxicity, severe_toxicity, obscene, ",
        ),
        ({"toxicity": {"thresholds": {"insult": 50}}}, "toxicity: the threshold of insult in thresholds is 50.0; expected 0 to 1"),
        ({"toxicity": {"thresholds": {"insult": float("nan")}}}, "toxicity: the threshold of insult in thresholds is nan; expected 0 to 1"),
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


NUMBERS = [
    (name, setting.name)
    for name, rule in RULES.items()
    for setting in dataclasses.fields(rule)
    if (type(setting.default) in (int, float) or (name, setting.name) == ("sample", "size"))
]


@pytest.mark.parametrize(("name", "setting"), NUMBERS)
def test_no_number_is_too_large_for_an_answer_and_a_boolean_is_none(name, setting):
    for value in (10**400, -(10**400), True, "3"):
        with pytest.raises(RuleError, match=rf"^{name}\.{setting}: Input should be ") as refused:
            build_filter({name: {setting: value}})
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "setting", [{"sample": 2**31 - 1}, {"settled": 2**31 - 1}, {"min_score": -(2**31)}, {"length": {"maximum": 2**31 - 1}}]
)
def test_the_largest_number_works(setting, posts):
    assert judge(posts({}).with_columns(place=0), [rule for rule in build_filter(setting).rules if rule.name() in setting]).height == 1


def test_a_date_that_is_none_is_refused_with_its_place():
    with pytest.raises(RuleError, match=r"^recency\.since: Input should be a valid date.*, found '2024-02-30'$"):
        build_filter({"recency": {"since": "2024-02-30"}})
