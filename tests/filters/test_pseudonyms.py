import pickle
import re
import stat
from collections import Counter
from dataclasses import asdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import pseudonyms
from filters.pseudonyms import PSEUDONYM, VARIABLE, Pseudonyms, default_key_file, pseudonym
from filters.rule import RuleError
from filters.transform import apply_transforms

KEY = "of the Kettle Court, for tests alone"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user without a key and without settings."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("click.get_app_dir", lambda name: str(tmp_path / "settings" / name))
    return tmp_path


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv(VARIABLE, KEY)
    return KEY.encode()


def _table(posts, *authors, source="reddit"):
    return posts(*({"author": author} for author in authors)).with_columns(source=pl.lit(source), author_id=pl.lit("t2_abc"))


def test_authors_become_pseudonyms_and_the_rest_stays(posts, key):
    before = _table(posts, "clerk", None, "bob", "Clerk")
    after = Pseudonyms().apply(before)
    clerk, nobody, bob, again = after["author"]
    assert re.fullmatch(PSEUDONYM, clerk)
    assert re.fullmatch(PSEUDONYM, bob)
    assert clerk == again != bob
    assert nobody is None
    assert after["author_id"].null_count() == 4
    assert after.schema == before.schema
    assert after.drop("author", "author_id").equals(before.drop("author", "author_id"))
    assert before["author"].to_list() == ["clerk", None, "bob", "Clerk"]
    assert apply_transforms(before, [Pseudonyms()])["changed_by"].to_list() == [["pseudonyms"], [], ["pseudonyms"], ["pseudonyms"]]


def test_a_pseudonym_is_a_keyed_hash_of_the_name_on_its_source(posts, key):
    # Written down, since another version must give the same names.
    assert pseudonym(b"k" * 16, "reddit", "clerk") == "user_4f7b89715cf6f5c5"
    assert Pseudonyms().apply(_table(posts, "clerk"))["author"].item() == pseudonym(key, "reddit", "clerk")
    names = {
        pseudonym(key, "reddit", "clerk"),
        pseudonym(key, "lemmy", "clerk"),
        pseudonym(key, None, "clerk"),
        pseudonym(b"x" * 16, "reddit", "clerk"),
        pseudonym(key, "reddit", "clerk_"),
        pseudonym(key, "reddi", "tclerk"),
    }
    assert len(names) == 6


def test_a_post_of_an_unknown_source_keeps_its_author_apart(posts, key):
    after = Pseudonyms().apply(_table(posts, "clerk", "clerk", source=None).cast({"source": pl.String}))
    assert after["author"].to_list() == [pseudonym(key, None, "clerk")] * 2


@given(authors=st.lists(st.none() | st.text(min_size=1, max_size=12) | st.sampled_from(["clerk", "user_0123456789abcdef"]), max_size=8))
def test_twice_is_once_and_rows_keep_their_order(posts, authors):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, KEY)
        once = Pseudonyms().apply(_table(posts, *authors))
        assert Pseudonyms().apply(once).equals(once)
    expected = [
        author if author is None or re.search(PSEUDONYM, author) else pseudonym(KEY.encode(), "reddit", author) for author in authors
    ]
    assert once["author"].to_list() == expected


def test_many_authors_have_many_names(posts, key):
    names = {pseudonym(key, "reddit", f"clerk_{number}") for number in range(100_000)}
    assert len(names) == 100_000
    assert max(Counter(name[5] for name in names).values()) < 6_800


def test_a_table_without_author_id_gets_none(posts, key):
    assert "author_id" not in Pseudonyms().apply(_table(posts, "clerk").drop("author_id")).columns


def test_it_is_asked_for_and_made_last():
    assert not Pseudonyms.by_default
    assert Pseudonyms.last


def test_a_profile_loses_its_owners_name_and_links_to_accounts_go(posts, key):
    clerk = pseudonym(key, "reddit", "clerk")
    places = ["u_Clerk", "u_clerk", "KettleCourt", None, f"u_{clerk}", "U_clerk", "court_u_clerk"]
    links = [
        "/r/u_clerk/comments/s1/my/",
        "https://www.reddit.com/user/clerk/comments/s1/",
        "https://example.org/u/clerk",
        "/R/U_clerk",
        None,
        "/r/KettleCourt/comments/s1/on_you_u_see/",
        "https://docs.example.org/document/u/0/d/1",
    ]
    before = posts(*({"community": community, "author": "Clerk"} for community in places)).with_columns(
        source=pl.lit("reddit"), permalink=pl.Series(links), url=pl.Series(links)
    )
    after = Pseudonyms().apply(before)
    assert after["community"].to_list() == [f"u_{clerk}", f"u_{clerk}", "KettleCourt", None, f"u_{clerk}", f"u_{clerk}", "court_u_clerk"]
    assert set(after["author"]) == {clerk}
    assert after["permalink"].to_list() == after["url"].to_list() == [None] * 5 + links[5:]
    assert before["url"].to_list() == links
    assert Pseudonyms().apply(after).equals(after)
    assert Pseudonyms().apply(before.clear()).schema == before.schema


def test_a_profile_of_an_author_who_is_gone_loses_the_name_too(posts, key):
    after = Pseudonyms().apply(_table(posts, None).with_columns(community=pl.lit("u_clerk")))
    assert after.select("community", "author").row(0) == (f"u_{pseudonym(key, 'reddit', 'clerk')}", None)


# The key


def test_the_key_is_in_nothing_that_is_written(home, posts, key):
    (home / "key.txt").write_text(KEY)
    for transform in (Pseudonyms(), Pseudonyms(key_file=str(home / "key.txt"))):
        transform.prepare()
        table = transform.apply(_table(posts, "clerk"))
        assert set(asdict(transform)) == {"key_file"}
        for written in (repr(transform), str(asdict(transform)), str(vars(transform)), str(table.to_dicts())):
            assert KEY not in written
        assert KEY.encode() not in pickle.dumps(transform)


def test_a_named_file_goes_before_the_variable_and_the_variable_before_the_settings(home, posts, monkeypatch):
    Pseudonyms().prepare()
    (home / "key.txt").write_text("a key of a file, with a line end\n")
    by_settings = Pseudonyms().apply(_table(posts, "clerk"))["author"].item()
    monkeypatch.setenv(VARIABLE, KEY)
    assert Pseudonyms().apply(_table(posts, "clerk"))["author"].item() == pseudonym(KEY.encode(), "reddit", "clerk")
    by_file = Pseudonyms(str(home / "key.txt")).apply(_table(posts, "clerk"))["author"].item()
    assert by_file == pseudonym(b"a key of a file, with a line end", "reddit", "clerk")
    assert by_settings == pseudonym(default_key_file().read_bytes().strip(), "reddit", "clerk")


def test_a_key_is_made_once_for_the_user_alone(posts):
    Pseudonyms().prepare()
    made = default_key_file().read_text()
    assert re.fullmatch("[0-9a-f]{64}\n", made)
    assert stat.S_IMODE(default_key_file().stat().st_mode) == 0o600
    Pseudonyms().prepare()
    assert default_key_file().read_text() == made
    assert [file.name for file in default_key_file().parent.iterdir()] == ["pseudonym_key"]


def test_whoever_comes_first_makes_the_key():
    default_key_file().parent.mkdir(parents=True)
    default_key_file().write_text(KEY)
    pseudonyms._make_key(default_key_file())
    assert default_key_file().read_text() == KEY
    assert len(list(default_key_file().parent.iterdir())) == 1


def test_no_key_is_made_where_one_is_named(home, key):
    Pseudonyms().prepare()
    assert not default_key_file().exists()
    with pytest.raises(RuleError):
        Pseudonyms(str(home / "none.txt")).prepare()
    assert not (home / "none.txt").exists()


def test_without_a_key_nothing_is_given_another_name(home, posts):
    for transform, path in ((Pseudonyms(), default_key_file()), (Pseudonyms(str(home / "none.txt")), home / "none.txt")):
        with pytest.raises(RuleError) as refused:
            transform.apply(_table(posts, "clerk"))
        assert str(refused.value).startswith(f"pseudonyms: no key in {path} (No such file or directory); make one, outside the data: ")
        assert "\n" not in str(refused.value)


def test_a_short_key_is_refused_and_not_shown(home, monkeypatch):
    (home / "key.txt").write_text("kettle\n")
    with pytest.raises(RuleError) as refused:
        Pseudonyms(str(home / "key.txt")).prepare()
    assert str(refused.value) == f"pseudonyms: the key in {home / 'key.txt'} has 6 bytes; expected at least 16, and random ones"
    monkeypatch.setenv(VARIABLE, "kettle")
    with pytest.raises(RuleError, match=f"the environment variable {VARIABLE} has 6 bytes"):
        Pseudonyms().prepare()


def test_a_long_key_counts_to_its_end(home, posts):
    names = []
    for last in "ab":
        (home / "key.txt").write_text("k" * 200 + last)
        names.append(Pseudonyms(str(home / "key.txt")).apply(_table(posts, "clerk"))["author"].item())
    assert names[0] != names[1]
