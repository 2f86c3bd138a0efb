"""Questions: held-out prompts, files of any usual form, and the real replies that are shown with them."""

from pathlib import Path

import polars as pl
import pytest

from formats.errors import UserError
from formats.rendering.conversations import Turn
from train.evaluation.judging.questions import REFERENCES, Question, questions_of_file, questions_of_samples


def test_questions_are_different_held_out_prompts(samples: Path) -> None:
    questions = questions_of_samples(samples, 50, seed=0)
    assert len(questions) == 8
    assert len({question.text for question in questions}) == 8
    assert all(question.text.endswith(("Why?", "How?")) and "###" not in question.text for question in questions)
    assert all(question.prompt == f"### Comment:\n{question.text}\n\n### Response:\n" for question in questions)


def test_ids_are_those_of_the_samples_or_places_in_them(samples: Path) -> None:
    for split, first in (("test", 1), ("validation", 7)):
        rows = pl.read_parquet(samples / f"{split}.parquet")
        ids = pl.Series("id", [f"t1_{first + place}" for place in range(rows.height)])
        rows.with_columns(ids).write_parquet(samples / f"{split}.parquet")
    assert {question.id for question in questions_of_samples(samples, 50, seed=0)} == {f"t1_{number}" for number in range(1, 9)}
    for split in ("test", "validation"):
        pl.read_parquet(samples / f"{split}.parquet").drop("id").write_parquet(samples / f"{split}.parquet")
    places = {*(f"test {place}" for place in range(6)), "validation 0", "validation 1"}
    assert {question.id for question in questions_of_samples(samples, 50, seed=0)} == places


def test_the_seed_draws_questions(samples: Path) -> None:
    drawn = [[question.text for question in questions_of_samples(samples, 3, seed=seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 3


def test_prompts_that_do_not_fit_are_left_out(samples: Path) -> None:
    questions = questions_of_samples(samples, 50, 0, lambda prompt: "Toast" in prompt)
    assert [question.text for question in questions] == ["Toast is a cry for help. Why?"]
    with pytest.raises(UserError, match="no prompt that the contestants can read"):
        questions_of_samples(samples, 50, 0, lambda prompt: False)


def test_real_replies_are_never_those_to_the_question(samples: Path) -> None:
    for question in questions_of_samples(samples, 50, 0, references=True):
        assert len(question.references) == len(set(question.references)) == REFERENCES
        assert question.text.removesuffix(" Why?").removesuffix(" How?") not in question.references
        assert not any("### END" in reference for reference in question.references)


def test_a_conversation_says_who_speaks() -> None:
    turns = (Turn("Speaker_0", "The toast is burnt.", "Complaint"), Turn("Bot", "Noted."), Turn("Speaker_1", "By whom?"))
    said = "Speaker 0: Complaint\n\nThe toast is burnt.\n\nThe one who is to answer: Noted.\n\nSpeaker 1: By whom?"
    assert Question("1", turns).text == said


def test_files_of_vicuna_and_of_mt_bench(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(
        '{"question_id": 1, "text": " Is decaf tea? ", "category": "law"}\n\n'
        '{"question_id": 2, "category": "tea", "turns": ["Whose is the milk?", "And why?"]}\n'
        '{"text": "Without a number."}\n'
    )
    found = [(question.id, question.text, question.category) for question in questions_of_file(file, 80, 0)]
    assert found == [("1", "Is decaf tea?", "law"), ("2", "Whose is the milk?", "tea"), ("4", "Without a number.", "")]


def test_plain_lines_are_questions(tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("\ufeffWho finished the milk?\r\n\r\nIs {a mug} a cup?\n", encoding="utf-8")
    assert [(question.id, question.text) for question in questions_of_file(file, 80, 0)] == [
        ("1", "Who finished the milk?"),
        ("3", "Is {a mug} a cup?"),
    ]


def test_of_too_many_some_are_drawn_in_order(tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("".join(f"Question {number}?\n" for number in range(1, 31)))
    drawn = [int(question.id) for question in questions_of_file(file, 10, 0)]
    assert drawn == sorted(drawn)
    assert len(set(drawn)) == 10
    assert drawn != list(range(1, 11))


def test_file_questions_get_real_replies_too(tmp_path: Path, samples: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("Who finished the milk?\n")
    (question,) = questions_of_file(file, 80, 0, samples)
    assert len(question.references) == REFERENCES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no question"),
        ('{"question_id": 1}\n', "line 1: has no `text`"),
        ('{"text": "a"}\n{"text": \n', "line 2: not valid JSON"),
        ('{"text": "a"}\n[1]\n', "line 2: expected a JSON object, found list"),
        ('{"question_id": 7, "text": "a"}\n{"question_id": 7, "text": "b"}\n', "question_id 7 stands there twice"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        questions_of_file(file, 80, 0)
    assert str(error.value).startswith(str(file))
    assert said in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.txt: cannot be read \(No such file or directory\)"):
        questions_of_file(tmp_path / "none.txt", 80, 0)
    (tmp_path / "latin").write_bytes(b"caf\xe9\n")
    with pytest.raises(UserError, match="is no text in UTF-8"):
        questions_of_file(tmp_path / "latin", 80, 0)
