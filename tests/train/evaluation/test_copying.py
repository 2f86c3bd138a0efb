"""Copying, against a search by force."""

from hypothesis import example, given
from hypothesis import strategies as st

from train.evaluation.copying import NOTABLE, Overlap, overlaps
from train.evaluation.words import spans, words

LITTLE = st.lists(st.sampled_from(["tea", "milk", "Mug", "mug,", "the", "…"]), max_size=14).map(" ".join)


def by_force(text: str, replies: list[str]) -> int:
    said, known = words(text), [words(reply) for reply in replies]
    for length in range(len(said), 0, -1):
        runs = {tuple(said[start : start + length]) for start in range(len(said) - length + 1)}
        if any(tuple(reply[start : start + length]) in runs for reply in known for start in range(len(reply) - length + 1)):
            return length
    return 0


@given(st.lists(LITTLE, max_size=4), st.lists(LITTLE, max_size=5))
@example(["tea milk", "milk tea"], ["tea", "milk milk"])
def test_the_longest_run_is_found(texts: list[str], replies: list[str]) -> None:
    found = overlaps(texts, replies)
    assert [overlap.words for overlap in found] == [by_force(text, replies) for text in texts]
    for text, overlap in zip(texts, found, strict=True):
        run = words(text[overlap.begin : overlap.end])
        assert len(run) == overlap.words
        assert not run or any(" ".join(run) in " ".join(words(reply)) for reply in replies)
        holding = tuple(place for place, reply in enumerate(replies) if f" {' '.join(run)} " in f" {' '.join(words(reply))} ")
        assert overlap.sources == (holding if overlap.words >= NOTABLE else ())


def test_a_run_does_not_go_on_from_one_reply_into_the_next() -> None:
    assert [overlap.words for overlap in overlaps(["one two three four"], ["one two", "three four"])] == [2]


def test_the_run_is_marked_in_the_text_itself() -> None:
    reply = "The court finds the kettle guilty, and the mug, which saw it all, goes free."
    text = "Well: the COURT finds the kettle guilty – and the mug weeps."
    (found,) = overlaps([text], ["Milk.", reply, f"Again: {reply}"])
    assert found == Overlap(9, 6, 53, (1, 2))
    assert text[found.begin : found.end] == "the COURT finds the kettle guilty – and the mug"


def test_letters_that_are_two_when_small_mark_nothing_wrong() -> None:
    (found,) = overlaps(["İİ tea and milk"], ["tea and milk"])
    assert (found.words, found.begin, found.end) == (3, 0, 0)


def test_of_nothing_nothing_is_copied() -> None:
    assert overlaps([], ["tea"]) == []
    assert overlaps(["", "tea"], []) == overlaps(["", "tea"], ["milk"]) == [Overlap(0)] * 2


def test_words_keep_their_apostrophes_and_lose_their_marks() -> None:
    assert words("“It's MILK,” he said; l’eau—no.") == ["it's", "milk", "he", "said", "l’eau", "no"]
    assert [("tea, milk")[begin:end] for begin, end in spans("tea, milk")] == ["tea", "milk"]
