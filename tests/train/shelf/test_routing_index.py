"""The index in an adapter's folder: what it is made of, that it comes back as it was, and that it holds no words."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from formats.errors import UserError
from formats.templates.template import load_template
from tests.asked import asked, write_asked
from train.shelf.routing_index import (
    INDEX,
    Index,
    Made,
    held_out_messages,
    narrowed,
    read_index,
    samples_beside,
    training_messages,
    write_index,
)

MADE = Made("somebody/base", "nf4", 15)


def test_an_index_comes_back_as_it_was(tmp_path: Path) -> None:
    vectors = np.arange(12, dtype=np.float16).reshape(3, 4)
    write_index(tmp_path, Index(vectors, MADE))
    found = read_index(tmp_path)
    assert found is not None
    assert found.made == MADE
    assert found.vectors.dtype == np.float16
    assert (found.vectors == vectors).all()
    assert [path.name for path in tmp_path.iterdir()] == [INDEX], "nothing is left half done"


def test_none_and_one_of_another_version_are_made_anew(tmp_path: Path) -> None:
    assert read_index(tmp_path) is None
    save_file({"vectors": np.ones((2, 2), np.float16)}, tmp_path / INDEX, metadata={"version": "0"})
    assert read_index(tmp_path) is None


@pytest.mark.parametrize(
    "vectors",
    [np.ones(4, np.float16), np.ones((2, 2), np.float32), np.ones((0, 2), np.float16), np.full((2, 2), np.nan, np.float16)],
)
def test_a_damaged_index_is_named(tmp_path: Path, vectors: np.ndarray) -> None:
    told = {"version": "1", "base": "b", "quantisation": "nf4", "layer": "15"}
    save_file({"vectors": vectors}, tmp_path / INDEX, metadata=told)
    with pytest.raises(UserError, match=r"routing\.safetensors: is damaged .*; delete it"):
        read_index(tmp_path)


def test_a_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    write_index(tmp_path, Index(np.ones((3, 4), np.float16), MADE))
    whole = (tmp_path / INDEX).read_bytes()
    (tmp_path / INDEX).write_bytes(whole[:-5])
    with pytest.raises(UserError, match="is damaged"):
        read_index(tmp_path)


def test_what_16_bits_cannot_hold_is_cut_at_its_ends() -> None:
    assert narrowed(np.array([[1e9, -1e9, 0.5]], np.float32)).tolist() == [[65504, -65504, 0.5]]


@pytest.mark.parametrize("name", ["comment-response", "chatml", "speakers"])
def test_messages_are_what_prompts_end_in(tmp_path: Path, name: str) -> None:
    template = load_template(name)
    prompts = [asked(template, "Who did it?", "The spoon.", "Whose spoon?"), asked(template, "Is decaf tea?")]
    folder = write_asked(tmp_path, template, train=[*prompts, prompts[0]])
    assert sorted(training_messages(folder)) == ["Is decaf tea?", "Whose spoon?"]


def test_a_boundary_in_a_message_is_text_again(tmp_path: Path) -> None:
    template = load_template("comment-response")
    message = "They wrote ### Response: and left."
    assert training_messages(write_asked(tmp_path, template, train=[asked(template, message)])) == [message]


def test_so_many_are_drawn_the_same_every_time_and_in_no_order_of_theirs(tmp_path: Path) -> None:
    template = load_template("comment-response")
    texts = [f"Exhibit {number} is a cup." for number in range(60)]
    folder = write_asked(tmp_path, template, train=[asked(template, text) for text in texts])
    found = training_messages(folder, 20)
    assert len(set(found)) == 20
    assert found == training_messages(folder, 20)
    assert set(found) < set(texts)
    assert found != sorted(found, key=texts.index)
    assert sorted(training_messages(folder, 99)) == sorted(texts)


def test_held_out_messages_are_of_both_other_splits_and_none_that_was_trained_on(tmp_path: Path) -> None:
    template = load_template("comment-response")
    splits = {"train": ["Is it?", "Milk?"], "test": ["Is it?", "Who?"], "validation": ["Why?", "Who?"]}
    folder = write_asked(tmp_path, template, **{split: [asked(template, text) for text in texts] for split, texts in splits.items()})
    assert sorted(held_out_messages(folder, 9)) == ["Who?", "Why?"]
    assert len(held_out_messages(folder, 1)) == 1


def test_samples_without_a_held_out_message_are_named(tmp_path: Path) -> None:
    template = load_template("comment-response")
    folder = write_asked(tmp_path, template, train=[asked(template, "Milk?")], test=[asked(template, "Milk?")])
    with pytest.raises(UserError, match="test and validation prompts end in no message"):
        held_out_messages(folder, 9)


def test_samples_lie_beside_an_adapter_of_a_run_if_their_template_is_its_own(tmp_path: Path) -> None:
    template, other = load_template("comment-response"), load_template("chatml")
    (tmp_path / "adapter").mkdir()
    assert samples_beside(tmp_path / "adapter", template) is None
    folder = write_asked(tmp_path / "samples", template)
    assert samples_beside(tmp_path / "adapter", template) == folder
    assert samples_beside(tmp_path / "adapter", other) is None
