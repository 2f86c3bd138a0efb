"""How answers end."""

from train.answers.reply import Ending, Reply
from train.evaluation.endings import loops, termination


def reply(ending: Ending, ids: tuple[int, ...] = (1, 2, 3), text: str = "Overruled.") -> Reply:
    return Reply(text, ids, ending)


def test_the_ways_add_up() -> None:
    replies = [reply("stop"), reply("stop", (1,)), reply("other end", text=""), reply("length", (5, 6, 7, 8) * 3), reply("length")]
    found = termination(replies, 12)
    assert (found.by_stop, found.by_other_end, found.stopped, found.looped, found.empty) == (2, 1, 3, 1, 1)
    assert found.rate == 0.6
    assert found.mean_tokens == (3 + 1 + 3) / 3
    told = found.to_dict()
    assert told["counts"] == {"stopped": 3, "by_stop": 2, "by_other_end": 1, "by_limit": 2, "looped": 1, "empty": 1}
    assert told["shares"]["by_limit"].value == 0.4


def test_of_no_answer_nothing_is_said() -> None:
    assert termination([], 12).to_dict()["shares"]["stopped"].value is None
    assert termination([reply("length")], 12).mean_tokens is None


def test_a_loop_is_told_from_an_answer_that_only_goes_on() -> None:
    assert loops([1, 2, 3, 4] * 3)
    assert not loops([1, 2, 3, 4] * 2)
    assert not loops(list(range(128)))
