import pytest

from curate.sources.tabular.columns import SYNONYMS, Columns, match
from formats.errors import UserError


@pytest.mark.parametrize(
    ("found", "asked", "names", "shape", "reddit"),
    [
        (["id", "thread_id", "parent_id", "text"], {}, ["id", "thread_id", "parent_id", "text"], "threads", False),
        (["ID", "parentId", "Body", "UserName"], {}, ["ID", "parentId", "Body", "UserName"], "parents", False),
        (["topic_id", "poster", "message", "post date"], {}, ["topic_id", "message", "poster", "post date"], "order", False),
        (["question", "answer", "id"], {}, ["id", "answer", "question"], "pairs", False),
        (["id", "title", "selftext"], {}, ["id", "selftext", "title"], "roots", True),
        (["a", "b"], {"prompt": "a", "text": "b"}, ["b", "a"], "pairs", False),
        # our own name goes before synonyms, and what is asked for before both
        (["thread", "text", "body"], {}, ["thread", "text"], "order", False),
        (["thread", "text", "body"], {"text": "body"}, ["thread", "body"], "order", False),
        # an empty name leaves a column out
        (["id", "parent_id", "thread_id", "text"], {"parent_id": ""}, ["id", "thread_id", "text"], "order", False),
        # of columns that tell nothing about who answers whom the likeliest is taken
        (["id", "parent_id", "body", "created", "created_utc"], {}, ["id", "parent_id", "body", "created_utc"], "parents", False),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_names(found: list[str], asked: dict[str, str], names: list[str], shape: str, reddit: bool) -> None:
    matched = match("kettles.csv", found, asked)
    assert sorted(matched.names.values()) == sorted(names)
    assert (matched.shape, matched.reddit) == (shape, reddit)


def test_all_columns_of_a_reddit_table_are_known() -> None:
    found = ["author", "body", "created_utc", "id", "link_id", "parent_id", "score", "subreddit", "controversiality"]
    assert match("rc.csv", found, {}) == Columns(
        {
            "id": "id", "thread_id": "link_id", "parent_id": "parent_id", "text": "body", "author": "author",
            "created_at": "created_utc", "community": "subreddit", "score": "score",
        },
        "threads",
        True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "asked", "line"),
    [
        (
            ["Nr", "Parnt", "Txt"],
            {},
            "t.csv: cannot tell its columns: found Nr, Parnt, Txt; still needed: text, id, parent_id (or thread_id; or prompt, for a table "
            "of questions and answers); say it with --map text=Txt --map id=COLUMN --map parent_id=Parnt",
        ),
        (
            ["id", "parent_id", "content", "body"],
            {},
            "t.csv: cannot tell its columns: found id (id), parent_id (parent_id), content, body; text is body or content?; "
            "say it with --map text=body",
        ),
        (
            ["parent_id", "message no", "body"],
            {},
            "t.csv: cannot tell its columns: found parent_id (parent_id), message no, body (text); still needed: id; "
            'say it with --map id="message no"',
        ),
        (["id", "body"], {"text": "bdy"}, "--map text=bdy: t.csv has no column bdy; did you mean text=body? it has id, body"),
        (["id", "body"], {"text": "zzz"}, "--map text=zzz: t.csv has no column zzz; it has id, body"),
        (
            ["id", "body"],
            {"boddy": "body"},
            f"--map boddy=body: posts have no column boddy; did you mean text=body? they have {', '.join(SYNONYMS)}",
        ),
    ],
)
def test_what_stays_open_is_asked_in_one_line_with_what_to_add(found: list[str], asked: dict[str, str], line: str) -> None:
    with pytest.raises(UserError) as told:
        match("t.csv", found, asked)
    assert str(told.value) == line


def test_no_name_stands_for_two_of_ours() -> None:
    names = [name for ours, others in SYNONYMS.items() for name in (ours, *others)]
    assert len(names) == len(set(names))
