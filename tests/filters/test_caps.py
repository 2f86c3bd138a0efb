import pytest

from filters.caps import PerAuthor, PerThread
from filters.rule import NOBODY, TARGET, RuleError
from filters.selection import select, standing, wanted


@pytest.fixture
def kept(posts):
    def judged(rule, *changes):
        numbered = posts(*({"id": f"t1_{place}", **post} for place, post in enumerate(changes)))
        found = select([standing(numbered, wanted([rule]))], [rule])["dropped_by"]
        assert set(found.unique()) <= {None, rule.name()}
        return [place for place, reason in enumerate(found) if reason is None]

    return judged


@pytest.mark.parametrize(("cap", "column"), [(PerThread, "thread_id"), (PerAuthor, "author")])
def test_the_best_scored_of_each_group_are_kept(cap, column, kept):
    changes = [{column: group, "score": score} for group, score in [("a", 3), ("b", 1), ("a", 9), ("a", -5), ("b", 2), ("a", 7), ("c", 0)]]
    assert kept(cap(2), *changes) == [1, 2, 4, 5, 6]
    assert kept(cap(1), *changes) == [2, 4, 6]
    assert kept(cap(4), *changes) == list(range(7))


def test_an_unknown_score_comes_last(kept):
    assert kept(PerThread(2), {"score": None}, {"score": -900}, {"score": 0}) == [1, 2]


def test_of_the_same_score_the_id_draws_whatever_the_order(kept):
    ids = [f"t1_{number}" for number in range(50)]
    chosen = {ids[place] for place in kept(PerThread(10), *({"id": name} for name in ids))}
    turned = {ids[::-1][place] for place in kept(PerThread(10), *({"id": name} for name in ids[::-1]))}
    assert chosen == turned
    assert len(chosen) == 10
    assert chosen != set(ids[:10])


def test_authors_that_are_unknown_are_no_one_voice(kept):
    assert kept(PerAuthor(1), *({"author": None},) * 5, {"author": "clerk", "score": 1}, {"author": "clerk", "score": 2}) == [
        0,
        1,
        2,
        3,
        4,
        6,
    ]


@pytest.mark.parametrize(("cap", "most"), [(PerThread, 200), (PerAuthor, 100)])
def test_the_defaults_leave_ordinary_forums_alone(cap, most, kept):
    assert cap().maximum == most
    assert kept(cap(), *({"score": -place} for place in range(most + 5))) == list(range(most))


def test_without_a_maximum_nobody_is_judged(kept):
    assert PerThread().judging() == PerAuthor().judging() == TARGET
    assert PerThread(None).judging() == PerAuthor(None).judging() == NOBODY
    assert kept(PerAuthor(None), *({},) * 300) == list(range(300))


@pytest.mark.parametrize("cap", [PerThread, PerAuthor])
def test_a_cap_that_keeps_nothing_is_refused(cap):
    with pytest.raises(RuleError) as error:
        cap(0)
    name = cap.name()
    assert str(error.value) == f"{name}: maximum is 0; expected 1 or more; for no cap, {name} = false"
