import pytest

from filters.lists import Authors, Communities, Flairs
from filters.rule import BOTH, NOBODY, TARGET, RuleError


def test_only_the_voices_of_the_list_are_learned_and_others_may_be_answered(target, context):
    rule = Authors(allow=("u/Crust_Fund", "/u/mabel", " odo "))
    authors = [{"author": name} for name in ("crust_fund", "CRUST_FUND", "Mabel", "odo", "crust_fund_2", None)]
    assert target(rule, *authors) == [None, None, None, None, "authors", "authors"]
    assert context(rule, *authors) == [None] * 6
    assert rule.judging() is TARGET


def test_a_blocked_author_is_heard_on_neither_side(target, context):
    rule = Authors(block=("u/Crust_Fund",))
    authors = [{"author": name} for name in ("crust_fund", "CRUST_FUND", "mabel", None)]
    assert target(rule, *authors) == context(rule, *authors) == ["authors", "authors", None, None]
    assert rule.judging() is BOTH


def test_of_both_lists_each_does_its_part(target, context):
    rule = Authors(allow=("mabel",), block=("odo",))
    authors = [{"author": name} for name in ("mabel", "odo", "crust_fund")]
    assert target(rule, *authors) == [None, "authors", "authors"]
    assert context(rule, *authors) == [None, "authors", None]


@pytest.mark.parametrize("name", ["KettleCourt", "r/kettlecourt", "/r/KETTLECOURT"])
def test_communities_are_allowed_and_blocked_on_both_sides(name, target, context):
    names = [{"community": community} for community in ("KettleCourt", "teatime", None)]
    allowed, blocked = Communities(allow=(name,)), Communities(block=(name,))
    assert target(allowed, *names) == context(allowed, *names) == [None, "communities", "communities"]
    assert target(blocked, *names) == context(blocked, *names) == ["communities", None, None]


def test_a_name_keeps_what_belongs_to_it(target):
    names = [{"community": community} for community in ("lemmy.example/r/tea", "u/odo", "tea")]
    assert target(Communities(block=("lemmy.example/r/tea", "u/odo")), *names) == ["communities", "communities", None]
    assert target(Flairs(block=("r/tea",)), {"flair": "r/tea"}, {"flair": "tea"}) == ["flairs", None]


THREADS = [
    {"id": "t3_a", "parent_id": None, "flair": "Verdict"},
    {"id": "t1_a", "flair": None},
    {"id": "t1_b", "flair": "Clerk"},
    {"id": "t3_c", "thread_id": "t3_c", "parent_id": None, "flair": None},
    {"id": "t1_d", "thread_id": "t3_c", "flair": " VERDICT "},
    {"id": "t1_e", "thread_id": "t3_c", "flair": None},
]


def test_a_flair_of_a_submission_is_that_of_its_thread_and_one_of_a_comment_its_own(target, context):
    block, allow = Flairs(block=("verdict",)), Flairs(allow=("verdict",))
    dropped = ["flairs", "flairs", "flairs", None, "flairs", None]
    assert target(block, *THREADS) == context(block, *THREADS) == dropped
    kept = [None, None, None, "flairs", None, "flairs"]
    assert target(allow, *THREADS) == context(allow, *THREADS) == kept


def test_of_an_allowed_thread_what_is_blocked_goes(target):
    assert target(Flairs(allow=("Verdict",), block=("clerk",)), *THREADS[:4]) == [None, None, "flairs", "flairs"]


@pytest.mark.parametrize(
    ("flair", "reason"),
    [
        ("tea, hot (very)", "flairs"),
        ("law, Tea, hot (very)", "flairs"),
        ("hot (very)", None),
        ("tea, hot very", None),
        ("cold tea, hot (very)", None),
        ("brewing.101", "flairs"),
        ("brewing,milk", "flairs"),
        ("brewing-101", None),
        ("", None),
        ("\U0001fad6", "flairs"),
    ],
)
def test_a_flair_is_compared_as_a_whole_and_so_is_each_tag_of_several(flair, reason, target):
    rule = Flairs(block=("tea, hot (very)", "brewing.101", "MILK", "\U0001fad6"))
    assert target(rule, {"flair": flair}) == [reason]


@pytest.mark.parametrize("rule", [Authors(), Communities(), Flairs()])
def test_without_lists_nobody_is_judged(rule, target):
    assert rule.judging() is NOBODY
    assert target(rule, {}, {"author": None, "community": None, "flair": None}) == [None, None]


@pytest.mark.parametrize(("kind", "name"), [(Authors, "u/Odo"), (Communities, "r/Odo"), (Flairs, "Odo")])
def test_a_name_in_both_lists_and_an_empty_one_are_refused(kind, name):
    with pytest.raises(RuleError) as refused:
        kind(allow=("odo", "mabel"), block=(name,))
    assert str(refused.value) == f"{kind.name()}: odo is in allow and in block; leave it in one of them"
    with pytest.raises(RuleError) as refused:
        kind(block=(" ",))
    assert str(refused.value) == f"{kind.name()}: a name in allow or block is empty; leave it out"
