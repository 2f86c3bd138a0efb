import json
from pathlib import Path

import polars as pl

from curate.forgetting.forgotten import FORGOTTEN, Forgotten, hash_author, keep_forgotten

POSTS = pl.DataFrame(
    {"id": ["t1_a", "t1_b", "t3_c", "t1_d", None], "author": ["Mabel", "odo", None, "ODO", None]},
    schema={"id": pl.String, "author": pl.String},
)


def test_posts_are_told_by_id_and_by_author_in_any_case() -> None:
    assert Forgotten().holds(POSTS).to_list() == [False] * 5
    assert Forgotten().with_more(ids=["t1_a", "t3_c"]).holds(POSTS).to_list() == [True, False, True, False, False]
    assert Forgotten().with_more(authors=["Odo"]).holds(POSTS).to_list() == [False, True, False, True, False]
    assert Forgotten().with_more(["t1_a"], ["odo"]).holds(POSTS).to_list() == [True, True, False, True, False]
    assert Forgotten().with_more(["t1_a"], ["odo"]).holds(POSTS.clear()).to_list() == []


def test_more_adds_to_what_there_was() -> None:
    both = Forgotten().with_more(["t1_a"], ["Odo"]).with_more(["t1_b"], ["mabel"])
    assert both == Forgotten(frozenset({"t1_a", "t1_b"}), frozenset({hash_author("odo"), hash_author("Mabel")}))
    assert (Forgotten().is_empty(), Forgotten().with_more(["t1_a"]).is_empty(), Forgotten().with_more((), ["odo"]).is_empty()) == (
        True,
        False,
        False,
    )


def test_what_is_kept_on_disk_names_no_author(tmp_path: Path) -> None:
    forgotten = Forgotten().with_more(["t1_b", "t1_a"], ["Odo"])
    forgotten.write(tmp_path)
    text = (tmp_path / FORGOTTEN).read_text()
    assert "odo" not in text.lower()
    assert json.loads(text) == {"ids": ["t1_a", "t1_b"], "authors": [hash_author("odo")]}
    assert Forgotten.read(tmp_path) == forgotten
    assert Forgotten.read(tmp_path / "none") == Forgotten()


def test_a_folder_that_is_made_anew_remembers_and_what_it_learned_itself_stays(tmp_path: Path) -> None:
    for name in ("before", "new", "other"):
        (tmp_path / name).mkdir()
    Forgotten().with_more(["t1_a"]).write(tmp_path / "before")
    assert keep_forgotten(tmp_path / "before", tmp_path / "new") == Forgotten().with_more(["t1_a"])
    Forgotten().with_more(["t1_b"]).write(tmp_path / "before")
    assert keep_forgotten(tmp_path / "before", tmp_path / "new") == Forgotten().with_more(["t1_a"])
    assert keep_forgotten(tmp_path / "none", tmp_path / "other") == Forgotten()
