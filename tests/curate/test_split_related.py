import random
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from curate.splitting.related import LONG_ENOUGH, LONG_TEXT, MOST_ALIKE, Related, relate, signs
from filters.near_duplicates import LEAST_WORDS

SPEECH = "The court finds that the kettle was warm when the witness came in, and that nobody poured the tea until both sides were heard."
COLUMNS = ("thread_id", "url", "permalink", "title", "text")


def submissions(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(COLUMNS), **row} for row in rows], dict.fromkeys(COLUMNS, pl.String))


def words(seed: int, count: int) -> str:
    drawn = random.Random(seed)
    return " ".join(f"word{drawn.randrange(100_000)}" for _ in range(count))


def post(name: str, text: str) -> dict[str, Any]:
    return {"thread_id": f"t3_{name}", "title": f"Case {name}", "text": text}


def groups(*rows: dict[str, Any]) -> list[list[str]]:
    """The groups of more than one, sorted."""
    return members(relate([signs(submissions(*rows))]))


def members(related: Related) -> list[list[str]]:
    return sorted(sorted(part["thread_id"]) for part in related.threads.partition_by("group"))


def link(name: str, to: str) -> dict[str, Any]:
    return {"thread_id": f"t3_{name}", "url": f"https://www.reddit.com/r/KettleCourt/comments/{to}/the_case/"}


def test_a_submission_is_with_the_thread_that_it_links_to() -> None:
    assert groups(link("a", "a"), link("b", "a"), link("c", "c")) == [["t3_a", "t3_b"]]


def test_crossposts_of_crossposts_and_of_threads_that_are_not_there_are_together() -> None:
    assert groups(link("d", "c"), link("c", "b"), link("b", "a")) == [["t3_a", "t3_b", "t3_c", "t3_d"]]
    assert groups(link("b", "gone"), link("c", "gone")) == [["t3_b", "t3_c", "t3_gone"]]
    assert groups(link("a", "b"), link("b", "a")) == [["t3_a", "t3_b"]]


def test_a_group_is_called_by_the_least_of_its_ids_and_others_by_their_own() -> None:
    related = relate([signs(submissions(link("m", "k"), link("z", "m"), link("x", "x")))])
    assert related.group_of(pl.Series(["t3_z", "t3_x", "t3_k", "t3_m", "t3_other"])).to_list() == [
        "t3_k", "t3_x", "t3_k", "t3_k", "t3_other",
    ]  # fmt: skip
    assert related.sizes.to_list() == [3]


def test_links_to_one_page_are_together_and_to_one_host_not() -> None:
    rows = [
        {"thread_id": "hn_1", "url": "https://example.org/kettle"},
        {"thread_id": "hn_2", "url": "http://www.example.org/kettle/"},
        {"thread_id": "hn_3", "url": "https://example.org/"},
        {"thread_id": "hn_4", "url": "https://example.org"},
        {"thread_id": "t3_5", "url": "https://i.redd.it/kettle.png"},
        {"thread_id": "t3_6", "url": "https://i.redd.it/kettle.png"},
    ]
    assert groups(*rows) == [["hn_1", "hn_2"], ["t3_5", "t3_6"]]


def test_a_link_to_a_thread_of_any_forum_is_with_that_thread() -> None:
    rows = [
        {"thread_id": "hn_1", "permalink": "https://news.ycombinator.com/item?id=1"},
        {"thread_id": "hn_2", "permalink": "https://news.ycombinator.com/item?id=2", "url": "https://news.ycombinator.com/item?id=1"},
        {"thread_id": "hn_3", "permalink": "https://news.ycombinator.com/item?id=3", "url": "https://redd.it/9z"},
        {"thread_id": "t3_9z", "permalink": "/r/KettleCourt/comments/9z/the_case/"},
    ]
    assert groups(*rows) == [["hn_1", "hn_2"], ["hn_3", "t3_9z"]]


def test_links_inside_a_text_lead_nowhere() -> None:
    text = "See https://www.reddit.com/r/KettleCourt/comments/mega/the_rules/ for the rules."
    assert groups(*({"thread_id": f"t3_{name}", "title": f"Case {name}", "text": text + name} for name in "abc")) == []


def test_a_long_text_posted_again_is_the_same_whatever_its_title_and_its_end() -> None:
    rows = [
        {"thread_id": "t3_a", "title": "The cold tea", "text": SPEECH + " " + SPEECH},
        {"thread_id": "t3_b", "title": "Tea, cold", "text": SPEECH.upper().replace(" ", "\r\n\r\n") + SPEECH + "\n\nEdit: thank you!"},
        {"thread_id": "t3_c", "title": "The cold tea", "text": words(1, 30)},
    ]
    assert groups(*rows) == [["t3_a", "t3_b"]]


def test_a_text_posted_again_with_small_changes_is_the_same_from_some_words_on() -> None:
    text = words(1, 121)
    changed = ["My " + text, text.replace(text.split()[60], "indeed"), text + " Edit: thank you!", text.upper()]
    assert groups(*(post(name, text) for name, text in zip("abcd", changed, strict=True))) == [["t3_a", "t3_b", "t3_c", "t3_d"]]
    assert groups(*(post(f"{number}", f"edit{number} {text}") for number in range(60))) == [sorted(f"t3_{number}" for number in range(60))]
    half = [words(number, 60) + " " + " ".join(text.split()[:60]) for number in (2, 3)]
    assert groups(post("a", half[0]), post("b", half[1])) == []
    for count, alike in ((LEAST_WORDS, True), (LEAST_WORDS - 1, False)):
        few = [{"thread_id": f"t3_{name}", "title": words(7, count - 1) + " " + name, "text": ""} for name in "ab"]
        assert bool(groups(*few)) == alike


def test_the_title_tells_short_texts_apart_and_long_ones_not() -> None:
    for count, alike in ((12, False), (40, True)):
        rows = [
            {"thread_id": f"t3_{name}", "title": words(seed, 9), "text": f"{name} {words(1, count)}"} for seed, name in ((2, "a"), (3, "b"))
        ]
        assert bool(groups(*rows)) == alike


def test_near_copies_of_near_copies_are_together_but_not_most_of_a_forum() -> None:
    text = words(1, 60).split()

    def chain(count: int) -> list[dict[str, Any]]:
        """Texts of which each changes its number and one word of the one before."""
        said, posts = list(text), []
        for number in range(count):
            said[number % 60] = f"other{number}"
            posts.append(post(f"{number:03}", " ".join([f"Case {number}:", *said])))
        return posts

    assert [len(group) for group in groups(*chain(MOST_ALIKE))] == [MOST_ALIKE]
    assert groups(*chain(MOST_ALIKE + 1)) == []
    forms = [post(f"{number:03}", f"Case {number}: {' '.join(text)}") for number in range(MOST_ALIKE + 1)]
    assert [len(group) for group in groups(*forms[:-1])] == [MOST_ALIKE]
    assert groups(*forms) == []
    months = [post(f"{number:03}", f"Case {number} of month{number % 30}: {' '.join(text)}") for number in range(MOST_ALIKE + 50)]
    assert [len(group) for group in groups(*months)] == [5] * 30


def test_near_copies_are_found_whatever_bucket_they_are_in() -> None:
    rows = [post(f"{number:02}", f"Case {number}: {words(number % 7, 40)}") for number in range(35)]
    together = relate([signs(submissions(*rows))])
    assert together.sizes.to_list() == [5] * 7
    for buckets in (2, 5, 35):
        apart = relate([signs(submissions(*rows[first::buckets])) for first in reversed(range(buckets))])
        assert apart.threads.equals(together.threads)


def test_a_short_text_counts_with_its_title_and_short_both_are_a_coincidence() -> None:
    rows = [
        {"thread_id": "t3_a", "title": "Is the kettle permitted to testify against its lid?", "text": "Title."},
        {"thread_id": "t3_b", "title": "Is the kettle permitted to testify against its lid", "text": "title"},
        {"thread_id": "t3_c", "title": "Is the kettle permitted to testify against its lid?", "text": None},
        {"thread_id": "t3_d", "title": "Is the kettle permitted to testify against its lid?", "text": "..."},
        {"thread_id": "t3_e", "title": "Help", "text": "See the title"},
        {"thread_id": "t3_f", "title": "Help", "text": "See the title"},
        {"thread_id": "t3_g", "title": "", "text": "[removed]"},
        {"thread_id": "t3_h", "title": "", "text": "[removed]"},
    ]
    assert groups(*rows) == [["t3_a", "t3_b"], ["t3_c", "t3_d"]]


def test_how_long_is_long() -> None:
    for letters, alike in ((LONG_TEXT, True), (LONG_TEXT - 1, False)):
        rows = [{"thread_id": name, "title": name, "text": "é1" * (letters // 2) + "x" * (letters % 2)} for name in ("t3_a", "t3_b")]
        assert bool(groups(*rows)) == alike
    for letters, alike in ((LONG_ENOUGH, True), (LONG_ENOUGH - 1, False)):
        assert bool(groups(*({"thread_id": name, "title": "k" * letters} for name in ("t3_a", "t3_b")))) == alike


def test_what_is_everywhere_ties_nothing_but_crossposts_always_do() -> None:
    def forum(count: int) -> list[dict[str, Any]]:
        page = [{"thread_id": f"hn_{number}", "url": "https://example.org/rules"} for number in range(count)]
        text = [{"thread_id": f"dc_{number}", "title": f"Week {number}", "text": SPEECH} for number in range(count)]
        return page + text

    assert [len(group) for group in groups(*forum(MOST_ALIKE))] == [MOST_ALIKE, MOST_ALIKE]
    assert groups(*forum(MOST_ALIKE + 1)) == []
    crossposts = [link(f"x{number}", "mega") for number in range(MOST_ALIKE + 1)]
    assert [len(group) for group in groups(*crossposts)] == [MOST_ALIKE + 2]


def test_two_submissions_of_one_thread_are_no_group() -> None:
    assert groups({"thread_id": "t3_a", "text": SPEECH}, {"thread_id": "t3_a", "text": SPEECH, "url": "https://redd.it/a"}) == []


def test_without_submissions_or_without_anything_in_them_there_are_no_groups() -> None:
    assert members(relate([])) == []
    assert groups() == []
    assert groups({"thread_id": "t3_a"}, {"thread_id": "t3_b"}) == []
    assert relate([]).group_of(pl.Series(["t3_a", None])).to_list() == ["t3_a", None]
    assert relate([]).sizes.to_list() == []


NAMES = [f"{number}" for number in range(12)]
LINKS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=14)


@given(LINKS, st.randoms(use_true_random=False))
def test_whatever_links_to_each_other_is_together_and_nothing_else_in_any_order(links: list[tuple[str, str]], order: random.Random) -> None:
    found = relate([signs(submissions(*(link(one, other) for one, other in links)))])
    connected = {name: {name} for pair in links for name in pair}
    for one, other in links:
        both = connected[one] | connected[other]
        for name in both:
            connected[name] = both
    wanted = {tuple(sorted(f"t3_{name}" for name in group)) for group in connected.values() if len(group) > 1}
    assert set(map(tuple, members(found))) == wanted
    shuffled = order.sample(links, len(links))
    again = relate([signs(submissions(link(one, other))) for one, other in shuffled])
    assert again.threads.equals(found.threads)
