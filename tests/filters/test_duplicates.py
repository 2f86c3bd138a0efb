import datetime

import pytest

from filters.duplicates import Duplicates
from filters.selection import select, standing, wanted

TIME = datetime.datetime(2024, 5, 17, tzinfo=datetime.UTC)


@pytest.fixture
def verdicts(posts):
    def judged(*changes):
        numbered = [
            {"id": f"t1_{place}", "created_at": TIME + datetime.timedelta(hours=place), **post} for place, post in enumerate(changes)
        ]
        rules = [Duplicates()]
        return select([standing(posts(*numbered), wanted(rules))], rules).rows()

    return judged


def test_of_replies_that_say_the_same_the_first_by_time_is_kept(verdicts):
    later = TIME + datetime.timedelta(days=9)
    assert verdicts(
        {"text": "Thank you so much!", "created_at": later},
        {"text": "The kettle is warm."},
        {"text": "thank you SO much :)", "thread_id": "t3_z"},
        {"text": "The kettle is not warm."},
        {"text": "THE KETTLE, IS WARM"},
    ) == [("duplicates", "t1_2"), (None, None), (None, None), (None, None), ("duplicates", "t1_1")]


def test_at_the_same_time_the_id_decides_and_an_unknown_time_comes_last(verdicts):
    assert verdicts({"id": "t1_c", "created_at": None}, {"id": "t1_b", "created_at": TIME}, {"id": "t1_a", "created_at": TIME}) == [
        ("duplicates", "t1_a"),
        ("duplicates", "t1_a"),
        (None, None),
    ]


def test_texts_without_a_word_are_unknown_and_pass(verdicts):
    assert verdicts({"text": "?!"}, {"text": "?!"}, {"text": None}, {"text": None}, {"text": ""}, {"text": "> \n>"}) == [(None, None)] * 6


def test_a_quote_is_not_what_the_author_says(verdicts):
    assert verdicts({"text": "> The kettle is warm.\n\nIs it?"}, {"text": "> The kettle is cold.\n\nIs it?"})[1] == ("duplicates", "t1_0")


def test_what_only_looks_like_a_quote_is_what_the_author_says(verdicts):
    alike = [
        (">= 3 cups is right\nYes, I agree.", ">= 50 cups is wrong\nYes, I agree."),
        ("Brew it so:\n```\n> pour tea\n```", "Brew it so:\n```\n> pour milk\n```"),
        ("> The kettle is warm.", "> The kettle is cold."),
    ]
    for one, other in alike:
        assert verdicts({"text": one}, {"text": other}) == [(None, None)] * 2
