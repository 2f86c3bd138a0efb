import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.files import ParquetStream
from curate.splitting import near_copies as module
from curate.splitting.alike import BEGINNING
from curate.splitting.near_copies import FEWEST_WORDS, near_copies
from curate.splitting.related import MOST_ALIKE
from filters.near_duplicates import LEAST_WORDS

STOP = "\n\n### END"
SPEECH = (
    "The court finds that the kettle was warm when the witness came in, and that nobody poured the tea until the judge had heard both "
    "sides of the matter in full."
)
Parts = dict[str, list[Path]]
Splits = Mapping[str, Sequence[tuple[str, str | Sequence[str]]]]
Write = Callable[[Splits], Parts]
SCHEMA = {"id": pl.String, "messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String})), "completion": pl.String}
SYSTEM = (
    "You are the Bot of a court of law for crimes against tea, and you answer each case in the voice of a weary and pompous magistrate."
)


def words(seed: int, count: int = 30) -> str:
    """A text of its own."""
    drawn = random.Random(seed)
    return " ".join(f"word{drawn.randrange(100_000)}" for _ in range(count))


def messages(prompt: str | Sequence[str], reply: str) -> list[dict[str, str]]:
    turns = [prompt] if isinstance(prompt, str) else prompt
    asked = [{"role": "assistant" if place % 2 else "user", "content": turn} for place, turn in enumerate(turns)]
    return [{"role": "system", "content": SYSTEM}, *asked, {"role": "assistant", "content": reply}]


def write_parts(folder: Path, splits: Splits) -> Parts:
    """Writes (reply, what it answers: a turn or more) by split; a sample's id is its split and place.

    Three rows are a group of rows, two groups a file.
    """
    parts: Parts = {}
    for name, samples in splits.items():
        rows = [(f"{name} {place}", messages(prompt, reply), reply + STOP) for place, (reply, prompt) in enumerate(samples)]
        table = pl.DataFrame(rows, SCHEMA, orient="row")
        parts[name] = []
        for start in range(0, max(1, len(rows)), 6):
            path = folder / f".{name}-{start:04d}.parquet"
            with ParquetStream(path) as file:
                for first in range(start, max(start + 1, min(start + 6, len(rows))), 3):
                    file.write(table[first : first + 3])
            parts[name].append(path)
    return parts


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return partial(write_parts, tmp_path)


def found(parts: Parts) -> dict[str, list[str]]:
    return {name: sorted(ids) for name, ids in near_copies(parts, STOP).items()}


def test_a_held_out_reply_that_nearly_repeats_a_learned_one_is_left_out(write: Write) -> None:
    parts = write(
        {
            "train": [(words(0), "a"), (SPEECH, "b"), (words(1), "c")],
            "validation": [(SPEECH.replace("tea", "coffee"), "d"), (words(2), "e")],
            "test": [(words(3), "f"), (SPEECH.upper(), "g"), (words(0) + " indeed", "h")],
        }
    )
    assert found(parts) == {"train": [], "validation": ["validation 0"], "test": ["test 1", "test 2"]}


def test_the_same_words_are_a_copy_from_some_words_on(write: Write) -> None:
    enough, fewer = " ".join("abcdefgh"[:FEWEST_WORDS]), " ".join("abcdefgh"[: FEWEST_WORDS - 1])
    parts = write(
        {
            "train": [(enough.upper() + "!", "a"), (fewer, "b"), ("", "c"), ("😀", "d")],
            "validation": [("> So?\n\n" + enough.replace(" ", "\r\n"), "e"), (fewer, "f"), ("", "g"), ("😀", "h")],
            "test": [],
        }
    )
    assert found(parts) == {"train": [], "validation": ["validation 0"], "test": []}


def test_an_answer_to_the_same_prompt_is_left_out(write: Write) -> None:
    parts = write({"train": [(words(0), "Is it hot?")], "validation": [], "test": [(words(1), "Is it hot?"), (words(2), "Is it hot? ")]})
    assert found(parts) == {"train": [], "validation": [], "test": ["test 0"]}


def test_an_answer_to_nearly_the_same_is_left_out(write: Write) -> None:
    asked = "Case 12\n\n" + words(9, 40)
    held = [asked.replace("12", "13"), asked.upper() + "!", [asked, "Guilty."], words(8), "Case 13"]
    test = [(words(place), turns) for place, turns in enumerate(held, start=2)]
    parts = write({"train": [(words(0), asked), (words(1), "Case 12")], "validation": [], "test": test})
    assert found(parts) == {"train": [], "validation": [], "test": ["test 0", "test 1", "test 2"]}


def test_a_form_in_more_threads_than_are_kept_together_is_answered_in_one_split_only(write: Write) -> None:
    form = words(9, 120)
    samples = [(words(place), f"Week {place}\n\n{form}") for place in range(3 * MOST_ALIKE)]
    parts = write({"train": samples[::3], "validation": samples[1::3], "test": [*samples[2::3], (words(-1), "Another case")]})
    assert {name: len(ids) for name, ids in found(parts).items()} == {"train": 0, "validation": MOST_ALIKE, "test": MOST_ALIKE}


def test_what_is_compared_of_a_long_context_is_how_it_begins(write: Write) -> None:
    post = words(9, 150)
    assert len(post) > BEGINNING
    held = [(words(1), [post, words(2, 400)]), (words(3), words(4, 150) + post)]
    assert found(write({"train": [(words(0), post)], "validation": [], "test": held}))["test"] == ["test 0"]


def test_what_the_template_says_in_every_prompt_makes_none_known(write: Write) -> None:
    assert len(SYSTEM.split()) >= 2 * LEAST_WORDS
    parts = write({"train": [(words(0), "Is it hot?")], "validation": [], "test": [(words(1), "Is it cold?")]})
    assert found(parts)["test"] == []


def test_short_replies_are_near_copies_too_and_the_shortest_only_word_for_word(write: Write) -> None:
    for count, is_known in ((16, True), (LEAST_WORDS, True), (LEAST_WORDS - 1, False)):
        reply = words(count, count - 1)
        parts = write({"train": [(reply + " indeed", "a")], "validation": [], "test": [(reply + " truly", "b")]})
        assert bool(found(parts)["test"]) == is_known


def test_one_context_of_many_samples_makes_each_known_but_the_others_not(write: Write) -> None:
    """However the tables are cut and whatever is left out of them before."""
    asked = [words(90, 40), words(91, 40), words(92, 40)]
    held = [(words(place), asked[place % 3]) for place in range(1, 14)]
    parts = write(
        {"train": [(words(0), asked[0] + " please"), (words(5), "a")], "validation": [(words(70), asked[2] + " now")], "test": held}
    )
    expected = {place for place in range(1, 14) if place % 3 != 1 or place == 5}
    assert found(parts)["test"] == sorted(f"test {place - 1}" for place in expected)


def test_of_validation_and_test_the_copy_in_the_test_is_left_out(write: Write) -> None:
    parts = write(
        {"train": [(words(0), "a")], "validation": [(words(1), "b")], "test": [(words(2), "b"), (words(1), "c"), (words(3), "d")]}
    )
    assert found(parts) == {"train": [], "validation": [], "test": ["test 0", "test 1"]}


def test_what_is_left_out_of_validation_makes_nothing_in_the_test_known(write: Write) -> None:
    rows = {"train": [(words(0), "a")], "validation": [(words(1), "a")], "test": [(words(1), "b")]}
    assert found(write(rows)) == {"train": [], "validation": ["validation 0"], "test": []}
    assert found(write({**rows, "train": [(words(0), "c")]})) == {"train": [], "validation": [], "test": ["test 0"]}


def test_copies_within_a_split_stay(write: Write) -> None:
    twice = [(words(1), "a"), (words(1), "a")]
    assert found(write({"train": twice, "validation": [(words(2), "b")] * 2, "test": []})) == {"train": [], "validation": [], "test": []}


def test_the_stop_is_no_word_of_a_reply(write: Write) -> None:
    short = [(" ".join("abcdefgh"[: FEWEST_WORDS - 1]), prompt) for prompt in "xy"]
    assert found(write({"train": short[:1], "validation": [], "test": short[1:]}))["test"] == []


@pytest.mark.parametrize("empty", ["train", "validation", "test"])
def test_an_empty_split_and_a_split_without_files_are_compared(write: Write, empty: str) -> None:
    rows = {"train": [(words(0), "a")], "validation": [(words(0), "b")], "test": [(words(0), "c")]}
    parts = write({**rows, empty: []})
    expected = {"train": ("test 0",), "validation": ("test 0",), "test": ("validation 0",)}[empty]
    assert [name for ids in found(parts).values() for name in ids] == list(expected)
    assert found({**parts, empty: []}) == found(parts)


def test_the_files_stay_as_they_are(write: Write, contents: Callable[[Path], dict[str, bytes]], tmp_path: Path) -> None:
    parts = write({"train": [(SPEECH, "a")], "validation": [(SPEECH, "b")], "test": [(SPEECH, "c")]})
    before = contents(tmp_path)
    assert found(parts) == found(parts)
    assert contents(tmp_path) == before


KINDS = st.lists(st.tuples(st.sampled_from(["train", "validation", "test"]), st.integers(0, 7), st.integers(0, 9)), max_size=30)


@settings(max_examples=40)
@given(KINDS, st.sampled_from([1, 4, 1_000_000]))
def test_whatever_is_planted_is_found_however_few_are_held_at_once(
    tmp_path_factory: pytest.TempPathFactory, planted: list[tuple[str, int, int]], at_once: int
) -> None:
    """Replies of the same kind are near copies of each other; a prompt belongs to a few at random."""
    splits: dict[str, list[tuple[str, str]]] = {"train": [], "validation": [], "test": []}
    kinds: dict[str, list[tuple[int, str]]] = {name: [] for name in splits}
    for place, (name, kind, prompt) in enumerate(planted):
        asked = f"prompt {prompt}" if prompt < 3 else f"prompt of {place}"
        splits[name].append((f"{words(kind)} {place}", asked))
        kinds[name].append((kind, asked))

    def known(one: tuple[int, str], others: list[tuple[int, str]]) -> bool:
        return any(one[0] == kind or one[1] == prompt for kind, prompt in others)

    left = [pair for pair in kinds["validation"] if not known(pair, kinds["train"])]
    expected = {
        "train": [],
        "validation": [f"validation {place}" for place, pair in enumerate(kinds["validation"]) if known(pair, kinds["train"])],
        "test": [f"test {place}" for place, pair in enumerate(kinds["test"]) if known(pair, kinds["train"] + left)],
    }
    parts = write_parts(tmp_path_factory.mktemp("samples"), splits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HELD_AT_ONCE", at_once)
        assert found(parts) == {name: sorted(ids) for name, ids in expected.items()}
