import datetime
import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xxhash

from curate.posts import POSTS
from curate.sources.reading import place as places
from curate.sources.reading.place import BEGINNING, Head, Place
from curate.sources.source import Batch, Reject, Wanted
from curate.sources.tables import batches, read, recognises
from formats.errors import UserError

Row = dict[str, Any]
NOON = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)
KEYS = ("id", "thread_id", "parent_id", "kind")


def gathered(found: Iterator[Batch]) -> tuple[list[Row], list[Reject], int]:
    """The posts, the rejects, and the number of records."""
    every = list(found)
    assert all(batch.posts.schema == pl.Schema(POSTS) for batch in every)
    posts = [post for batch in every for post in batch.posts.to_dicts()]
    return posts, [reject for batch in every for reject in batch.rejects], sum(batch.lines for batch in every)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., tuple[list[Row], list[Reject], int]]:
    """Reads a file of this content."""

    def write(content: str | bytes, name: str = "kettles.csv", **columns: str) -> tuple[list[Row], list[Reject], int]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        assert recognises(Place(str(path)).head())
        return gathered(read(Place(str(path)), Wanted(), columns))

    return write


def keys(posts: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [tuple(post[name] for name in KEYS) for post in posts]


EMPTY: Row = {**dict.fromkeys(POSTS), "source": "table", "removal": "none"}


def test_a_reddit_table_becomes_posts_with_every_column(table: Callable[..., Any], tmp_path: Path) -> None:
    posts, rejects, lines = table(
        "id,name,link_id,parent_id,subreddit,author,author_fullname,body,created_utc,edited,retrieved_on,score,stickied,over_18,"
        "is_submitter,distinguished,permalink,author_flair_text\n"
        '12e5,t1_12e5,t3_s1,t3_s1,KettleCourt,Mabel,t2_m,"Order, ""order""!",1700000000,1700000060,1700000120,-4,False,True,'
        "0,moderator,/r/KettleCourt/comments/s1/_/12e5/,Clerk\n"
        "007,t1_007,t3_s1,t1_12e5,KettleCourt,[deleted],,[removed],1700000000.0,False,,,,,,,,\n"
    )
    file = str(tmp_path / "kettles.csv")
    assert posts == [
        EMPTY | {
            "id": "t1_12e5", "thread_id": "t3_s1", "parent_id": "t3_s1", "kind": "comment", "community": "KettleCourt",
            "permalink": "/r/KettleCourt/comments/s1/_/12e5/", "author": "Mabel", "author_id": "t2_m", "is_submitter": False,
            "created_at": NOON, "edited_at": NOON + datetime.timedelta(seconds=60),
            "retrieved_at": NOON + datetime.timedelta(seconds=120), "text": 'Order, "order"!', "flair": "Clerk", "score": -4,
            "nsfw": True, "stickied": False, "distinguished": "moderator", "source_file": file, "source_row": 2,
        },
        EMPTY | {
            "id": "t1_007", "thread_id": "t3_s1", "parent_id": "t1_12e5", "kind": "comment", "community": "KettleCourt",
            "created_at": NOON, "text": "[removed]", "removal": "moderator", "source_file": file, "source_row": 3,
        },
    ]  # fmt: skip
    assert (rejects, lines) == ([], 2)


def test_removals_and_quarantine_are_known_by_the_names_of_their_columns(table: Callable[..., Any]) -> None:
    posts, _, _ = table(
        "id,title,selftext,removed_by_category,quarantine\n"
        "a,Case 1,The kettle pleads.,moderator,True\n"
        "b,Case 2,[removed],,False\n"
        "c,Case 3,The kettle pleads again.,,\n"
    )
    assert [(post["removal"], post["quarantined"]) for post in posts] == [("moderator", True), ("moderator", False), ("none", None)]
    posts, _, _ = table("id,thread_id,parent_id,body,deleted\na,t,,Order!,0\nb,t,a,Objection!,1\n")
    assert [post["removal"] for post in posts] == ["none", "unknown"]


def test_submissions_and_comments_of_reddit_find_each_other_across_tables(table: Callable[..., Any]) -> None:
    submissions, _, _ = table("id,title,selftext,subreddit\nabc,Case 1,,KettleCourt\n")
    comments, _, _ = table("id,link_id,parent_id,body\nabc,t3_abc,,no parent\nd,abc,abc,bare\ne,abc,d,bare\nabc,abc,,the root\n")
    assert keys(submissions) == [("t3_abc", "t3_abc", None, "submission")]
    assert (submissions[0]["title"], submissions[0]["text"]) == ("Case 1", "")
    assert keys(comments) == [
        ("t3_abc", "t3_abc", None, "submission"), ("t1_d", "t3_abc", "t3_abc", "comment"), ("t1_e", "t3_abc", "t1_d", "comment"),
        ("t3_abc", "t3_abc", None, "submission"),
    ]  # fmt: skip


def test_a_row_with_its_thread_and_parent_is_taken_as_it_is(table: Callable[..., Any]) -> None:
    posts, rejects, lines = table(
        "id,thread_id,parent_id,text\n1,1,,root\n2,1,1,reply\n3,,,root of a thread without name\n4,,2,lost\n5,1,5,own parent\n6,1,0,zero\n"
        "7,0,0,answers zero\n8,1,2.0,float\n,1,1,no id\n9,1,1,\n"
    )
    assert keys(posts) == [
        ("1", "1", None, "submission"), ("2", "1", "1", "comment"), ("3", "3", None, "submission"), ("5", "1", None, "submission"),
        ("6", "1", None, "submission"), ("7", "0", "0", "comment"),
    ]  # fmt: skip
    assert [(reject.row, reject.reason) for reject in rejects] == [
        (5, "answers a post, but is of no thread (thread_id)"),
        (9, "parent_id is 2.0: a number with a fraction; write ids as text or whole numbers"),
        (10, "no id (id)"),
        (11, "no text (text)"),
    ]
    assert json.loads(rejects[0].line) == {"id": "4", "parent_id": "2", "text": "lost"}
    assert lines == 10


def test_without_threads_a_thread_is_the_root_that_the_parents_lead_to(table: Callable[..., Any]) -> None:
    posts, rejects, _ = table(
        "id,reply_to,message\n4,3,deep\n1,,root\n3,2,deeper\n2,1,reply\n8,99,lost\n9,8,of lost\n10,0,zero\n"
        "20,22,circle\n21,20,circle\n22,21,circle\n23,22,hangs on the circle\n30,30,itself\n1,2,same id again\n,1,no id\n"
    )
    assert keys(posts) == [
        ("4", "1", "3", "comment"), ("1", "1", None, "submission"), ("3", "1", "2", "comment"), ("2", "1", "1", "comment"),
        ("8", "99", "99", "comment"), ("9", "99", "8", "comment"), ("10", "10", None, "submission"),
        ("20", "20", "22", "comment"), ("21", "20", "20", "comment"), ("22", "20", "21", "comment"), ("23", "20", "22", "comment"),
        ("30", "30", None, "submission"), ("1", "1", "2", "comment"),
    ]  # fmt: skip
    assert [(reject.row, reject.reason) for reject in rejects] == [(15, "no id (id)")]


def test_a_table_may_count_from_zero(table: Callable[..., Any]) -> None:
    posts, _, _ = table("id,parent_id,text\n0,,root\n1,0,reply\n")
    assert keys(posts) == [("0", "0", None, "submission"), ("1", "0", "0", "comment")]


def test_a_reddit_table_without_threads(table: Callable[..., Any]) -> None:
    posts, _, _ = table("id,parent_id,body,subreddit\na,t3_x,first,K\nb,t1_a,second,K\nx,,root,K\n")
    assert keys(posts) == [("t1_a", "t3_x", "t3_x", "comment"), ("t1_b", "t3_x", "t1_a", "comment"), ("t3_x", "t3_x", None, "submission")]


def test_posts_without_parents_answer_the_one_before(table: Callable[..., Any]) -> None:
    posts, rejects, _ = table(
        "post_id;topic;message;date\n1;a;third;2020-01-03\n2;a;first;2020-01-01\n3;b;alone;2020-01-01\n4;a;;2020-01-02\n5;a;second;2020-01-02\n"
        "6;a;undated;\n7;;nowhere;2020-01-01\n;a;nobody's;2020-01-04\n"
    )
    assert keys(posts) == [
        ("1", "a", "5", "comment"), ("2", "a", None, "submission"), ("3", "b", None, "submission"), ("5", "a", "2", "comment"),
        ("6", "a", "1", "comment"),
    ]  # fmt: skip
    assert [(reject.row, reject.reason) for reject in rejects] == [(5, "no text (message)"), (8, "no thread_id (topic)"), (9, "no id")]


def test_posts_without_ids_get_some_that_stay(table: Callable[..., Any]) -> None:
    content = "thread,text\na,one\na,two\n"
    posts, _, _ = table(content)
    key = posts[0]["id"].split("_")[1]
    root, reply = (f"tb_{key}_{row}_{xxhash.xxh32_hexdigest(told.encode())}" for row, told in ((2, "a\0one"), (3, "a\0two")))
    assert keys(posts) == [(root, "a", None, "submission"), (reply, "a", root, "comment")]
    assert keys(table(content, "moved.csv")[0]) == keys(posts)
    assert keys(table(content.replace("one", "1"))[0]) != keys(posts)


@pytest.mark.parametrize("header", ["thread,text\n", "prompt,text\n"])
def test_rows_of_parts_that_begin_alike_are_told_apart(table: Callable[..., Any], header: str) -> None:
    beginning = header + "a,tea\n" * 12_000
    assert len(beginning) > BEGINNING
    ids = [{post["id"] for post in table(beginning + f"a,{end}\na,tea\n")[0]} for end in ("kettle", "mug")]
    posts = 1 if header.startswith("thread") else 2
    assert [len(some) for some in ids] == [12_002 * posts] * 2
    assert len(ids[0] & ids[1]) == 12_001 * posts


def test_a_row_of_a_question_and_its_answer_is_two_posts(table: Callable[..., Any], tmp_path: Path) -> None:
    posts, rejects, lines = table("q,a,who,n\nHow?,Boil it.,Mabel,7\nWhy?,,Odo,1\nbroken\n", text="a", prompt="q", author="who", score="n")
    key = posts[0]["id"].split("_")[1]
    pair = f"tb_{key}_2_{xxhash.xxh32_hexdigest(b'How?' + bytes(1) + b'Boil it.')}"
    root, file = f"{pair}_1", str(tmp_path / "kettles.csv")
    assert posts == [
        EMPTY | {"id": root, "thread_id": root, "kind": "submission", "text": "How?", "source_file": file, "source_row": 2},
        EMPTY | {
            "id": f"{pair}_2", "thread_id": root, "parent_id": root, "kind": "comment", "text": "Boil it.", "author": "Mabel",
            "score": 7, "source_file": file, "source_row": 2,
        },
    ]  # fmt: skip
    assert rejects == [
        Reject(3, "no text (a)", '{"prompt": "Why?", "author": "Odo", "score": "1"}', 2),
        Reject(4, "1 fields where the header has 4", "broken", 2),
    ]
    assert lines == 6


FORUM = [
    {"id": "1", "parent_id": None, "text": "root", "score": 3},
    {"id": "12e5", "parent_id": "1", "text": "reply\u2028two", "score": None},
    {"id": "007", "parent_id": "12e5", "text": "again", "score": -1},
]
FORUM_KEYS = [("1", "1", None, "submission"), ("12e5", "1", "1", "comment"), ("007", "1", "12e5", "comment")]


def _ndjson() -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in FORUM).encode()


def _arrow(kind: str) -> bytes:
    out = io.BytesIO()
    frame = pl.DataFrame(FORUM)
    {
        "parquet": lambda: frame.write_parquet(out, row_group_size=2),
        "arrow": lambda: frame.write_ipc(out, record_batch_size=2),
        "stream": lambda: frame.write_ipc_stream(out),
    }[kind]()
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "first_row"),
    [
        pytest.param(lambda: pl.DataFrame(FORUM).write_csv().encode(), 2, id="csv"),
        pytest.param(lambda: gzip.compress(pl.DataFrame(FORUM).write_csv(separator="\t").encode()), 2, id="tsv.gz"),
        pytest.param(_ndjson, 1, id="jsonl"),
        pytest.param(lambda: gzip.compress(_ndjson()), 1, id="jsonl.gz"),
        pytest.param(lambda: json.dumps(FORUM).encode(), 1, id="json"),
        pytest.param(lambda: json.dumps(FORUM, indent=2, ensure_ascii=False).encode(), 1, id="pretty json"),
        pytest.param(lambda: _arrow("parquet"), 1, id="parquet"),
        pytest.param(lambda: _arrow("arrow"), 1, id="arrow"),
        pytest.param(lambda: _arrow("stream"), 1, id="arrow stream"),
    ],
)
def test_every_format_gives_the_same_posts(table: Callable[..., Any], content: Callable[[], bytes], first_row: int) -> None:
    posts, rejects, lines = table(content())
    assert keys(posts) == FORUM_KEYS
    assert [(post["text"], post["score"], post["source_row"] - first_row) for post in posts] == [
        ("root", 3, 0), ("reply\u2028two", None, 1), ("again", -1, 2),
    ]  # fmt: skip
    assert (rejects, lines) == ([], 3)


def test_bad_elements_and_lines_of_json_are_rejects(table: Callable[..., Any]) -> None:
    array = b'[{"id": 1, "parent_id": null, "text": "root"}, 7, {"id": 12345678901234567890, "parent_id": 1, "text": "reply"},'
    array += b'{"text": "\xff"}]'
    posts, rejects, lines = table(array, "kettles.json")
    assert keys(posts) == [("1", "1", None, "submission"), ("12345678901234567890", "1", "1", "comment")]
    assert [(reject.row, reject.reason) for reject in rejects] == [(2, "JSON, but no object: int"), (4, "not UTF-8")]
    posts, rejects, lines = table(b'{"id": 1, "parent_id": null, "text": "root"}\n7\n\n{"id": 2, "parent_id": 1, "text": "reply"}\n{"id"')
    assert keys(posts) == [("1", "1", None, "submission"), ("2", "1", "1", "comment")]
    assert [reject.row for reject in rejects] == [2, 3, 5]
    assert lines == 5


def test_keys_that_not_every_object_has_are_columns(table: Callable[..., Any]) -> None:
    lines = [{"id": number, "text": "root"} for number in range(30)] + [{"id": "r", "parent_id": 3, "text": "reply"}]
    posts, _, _ = table("".join(json.dumps(line) + "\n" for line in lines))
    assert keys(posts)[-1] == ("r", "3", "3", "comment")


def test_damage_is_said_in_one_line(table: Callable[..., Any], tmp_path: Path) -> None:
    for content in (_arrow("parquet")[:-20], _arrow("arrow")[:-20], _arrow("stream")[:200]):
        with pytest.raises(UserError, match=r"kettles.csv: cannot be read \(.*\); it is truncated or damaged: fetch it again$"):
            table(content)
    with pytest.raises(UserError, match="the first version of Feather"):
        table(b"FEA1....")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet", "arrow", "stream"])
def test_a_mutated_file_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    texts = {"csv": lambda: pl.DataFrame(FORUM).write_csv().encode(), "jsonl": _ndjson, "json": lambda: json.dumps(FORUM).encode()}
    whole = texts[kind]() if kind in texts else _arrow(kind)
    chance = random.Random(kind)
    path = tmp_path / "kettles"
    for _ in range(80):
        mutated = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(mutated))
            match chance.randrange(4):
                case 0:
                    mutated[at] = chance.randrange(256)
                case 1:
                    mutated[at:at] = chance.choice([b'"', b"\n", b"\r", b",", b"\xff", b"\0", b"{", b"]", b"\\"])
                case 2:
                    del mutated[at : at + chance.randint(1, 20)]
                case _:
                    mutated[at:at] = mutated[: chance.randint(1, 50)]
        path.write_bytes(mutated)
        with suppress(UserError):
            gathered(read(Place(str(path)), Wanted(), {}))


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "stream", "frame", "lazy", "pandas"])
@pytest.mark.parametrize(
    "header",
    [("id", "thread_id", "parent_id", "text"), ("id", "parent_id", "text"), ("thread_id", "text"), ("prompt", "text"), ("id", "title")],
)
def test_a_table_without_rows_holds_no_record(tmp_path: Path, kind: str, header: Sequence[str]) -> None:
    frame = pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    path = tmp_path / "kettles"
    if kind in ("frame", "lazy", "pandas"):
        found = batches({"frame": lambda: frame, "lazy": frame.lazy, "pandas": frame.to_pandas}[kind](), {})
    else:
        write = {"csv": frame.write_csv, "parquet": frame.write_parquet, "arrow": frame.write_ipc, "stream": frame.write_ipc_stream}
        write[kind](path)
        found = read(Place(str(path)), Wanted(), {})
    assert gathered(found) == ([], [], 0)


def test_parts_of_long_rows_have_few_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curate.sources.tabular.table.SIZE", 1 << 16)
    monkeypatch.setattr("curate.sources.tabular.frames.SIZE", 1 << 16)
    rows = [{"id": str(number), "title": "tea " * 10_000} for number in range(9)]
    (tmp_path / "json").write_text(json.dumps(rows))
    pl.DataFrame(rows).write_parquet(
        tmp_path / "parquet", compression="uncompressed", use_pyarrow=True, pyarrow_options={"use_dictionary": False}
    )
    for name, heights in (("json", [2, 2, 2, 2, 1]), ("parquet", [2, 2, 2, 2, 1])):
        found = list(read(Place(str(tmp_path / name)), Wanted(), {}))
        assert [batch.posts.height for batch in found] == heights
        assert [row for batch in found for row in batch.posts["source_row"]] == list(range(1, 10))


def test_a_byte_order_mark_costs_no_row(table: Callable[..., Any]) -> None:
    for content in (_ndjson(), json.dumps(FORUM).encode(), pl.DataFrame(FORUM).write_csv().encode()):
        posts, rejects, lines = table(b"\xef\xbb\xbf" + content)
        assert (keys(posts), rejects, lines) == (FORUM_KEYS, [], 3)


def test_ids_that_pandas_made_floats_are_refused(table: Callable[..., Any]) -> None:
    import pandas as pd

    frame = pd.DataFrame({"id": [1, 2], "parent_id": [None, 1], "text": ["a", "b"]})
    with pytest.raises(UserError, match="table: the column taken for parent_id holds numbers with a fraction"):
        list(batches(frame, {}))


def _frames() -> dict[str, Callable[[], Any]]:
    columns = {name: [row[name] for row in FORUM] for name in FORUM[0]}

    def from_pandas(dtype: Any) -> Any:
        import pandas as pd

        return pd.DataFrame(columns).astype(dtype) if dtype else pd.DataFrame(columns, dtype=object)

    def from_arrow() -> Any:
        import pyarrow as pa

        return pa.table(columns)

    def from_datasets(kind: str) -> Any:
        import datasets

        whole = datasets.Dataset.from_dict(columns)
        return {
            "dataset": lambda: whole,
            "splits": lambda: datasets.DatasetDict(train=whole.select([0]), test=whole.select([1, 2])),
            "streamed": lambda: datasets.IterableDataset.from_generator(lambda: iter(FORUM)),
        }[kind]()

    return {
        "polars": lambda: pl.DataFrame(FORUM),
        "lazy": lambda: pl.LazyFrame(FORUM),
        "categories": lambda: pl.DataFrame(FORUM).with_columns(pl.col("id", "parent_id").cast(pl.Categorical)),
        "pandas": lambda: from_pandas({"score": "Int64"}),
        "objects": lambda: from_pandas(None),
        "arrow": from_arrow,
        "dataset": lambda: from_datasets("dataset"),
        "splits": lambda: from_datasets("splits"),
        "streamed": lambda: from_datasets("streamed"),
    }


@pytest.mark.parametrize("kind", _frames())
def test_tables_in_memory_are_tables_too(kind: str) -> None:
    posts, rejects, lines = gathered(batches(_frames()[kind](), {}, "forum"))
    assert keys(posts) == FORUM_KEYS
    assert [(post["text"], post["score"], post["source_file"], post["source_row"]) for post in posts] == [
        ("root", 3, "forum", 1), ("reply\u2028two", None, "forum", 2), ("again", -1, "forum", 3),
    ]  # fmt: skip
    assert (rejects, lines) == ([], 3)


def test_what_can_be_read_once_must_say_its_threads() -> None:
    with pytest.raises(UserError) as told:
        list(batches(pl.DataFrame(FORUM).to_arrow().to_reader(), {}))
    assert str(told.value) == (
        "table: has no thread_id, so that it must be read twice to find which thread a post belongs to, but a reader of batches can be "
        "read once: give its read_all()"
    )
    threaded = pl.DataFrame(FORUM).with_columns(thread_id=pl.lit("1"))
    assert keys(gathered(batches(threaded.to_arrow().to_reader(), {}))[0]) == FORUM_KEYS
    with pytest.raises(UserError, match=r"a builtins.list is no table: expected one of Polars, pandas, Arrow or datasets"):
        list(batches(FORUM, {}))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def piped(text: bytes) -> Place:
        monkeypatch.setattr(places, "_stdin", places._Stdin())
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        return Place("-")

    place = piped(b"id,thread_id,parent_id,text\n1,1,,root\n2,1,1,reply\n")
    assert recognises(place.head())
    assert keys(gathered(read(place, Wanted(), {}))[0]) == [("1", "1", None, "submission"), ("2", "1", "1", "comment")]
    with pytest.raises(UserError, match=r"must be read twice .* standard input can be read once: save it to a file first"):
        list(read(piped(b"id,parent_id,text\n1,,root\n"), Wanted(), {}))
    with pytest.raises(UserError, match="which a pipe does not let: save it to a file first"):
        list(read(piped(_arrow("parquet")), Wanted(), {}))
    place = piped(b'[{"id": "1", "title": "root"}]')
    assert keys(gathered(read(place, Wanted(), {}))[0]) == [("1", "1", None, "submission")]


def test_datasets_saved_on_disk(tmp_path: Path) -> None:
    import datasets

    whole = datasets.Dataset.from_list(FORUM)
    whole.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=whole.select([0, 1]), test=whole.select([2])).save_to_disk(tmp_path / "split")
    for name in ("one", "split"):
        place = Place(str(tmp_path / name))
        assert recognises(place.head())
        posts, _, _ = gathered(read(place, Wanted(), {}))
        assert keys(posts) == FORUM_KEYS
        assert [post["source_row"] for post in posts] == [1, 2, 3]
    (tmp_path / "one" / "state.json").write_text("{}")
    with pytest.raises(UserError, match=r"one: cannot be read \(.*\); it is truncated or damaged: fetch it again$"):
        list(read(Place(str(tmp_path / "one")), Wanted(), {}))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("hub:kettles/court", ("kettles/court", None, None, None)),
        ("hub:kettles/court@v1.0/cases:test", ("kettles/court", "cases", "test", "v1.0")),
        ("hub:kettles/court/cases", ("kettles/court", "cases", None, None)),
        ("hub:kettles/court@refs/convert/parquet/cases:train", ("kettles/court", "cases", "train", "refs/convert/parquet")),
        ("hub:kettles/court:train[:10]", ("kettles/court", None, "train[:10]", None)),
    ],
)
def test_datasets_on_the_hub(name: str, arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked = []

    def load(path: str, config: Any, *, split: Any, revision: Any, streaming: bool) -> Any:
        assert streaming
        asked.append((path, config, split, revision))
        found = datasets.Dataset.from_list(FORUM).to_iterable_dataset()
        return found if split else datasets.IterableDatasetDict(train=found)

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert recognises(Head(name, b"", b""))
    assert keys(gathered(read(Place(name), Wanted(), {}))[0]) == FORUM_KEYS
    assert asked == [arguments]


def test_a_dataset_that_is_not_there_is_said_in_one_line() -> None:
    with pytest.raises(UserError, match=r"^hub:kettles/none: cannot be opened \(.*\); check the name, the connection"):
        list(read(Place("hub:kettles/none"), Wanted(), {}))
    with pytest.raises(UserError, match=r"^hub:kettles: no dataset's name; expected hub:USER/NAME"):
        list(read(Place("hub:kettles"), Wanted(), {}))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (b"id,text\n1,a\n", True),
        (b'{"id": 1, "text": "a"}\n', True),
        (b'\n[ {"id": 1}]', True),
        (b'broken\n{"id": 1}\n', False),
        (b'{broken\n{"id": 1}\n', True),
        (b'{"lorum": "journal", "version": 1}\n', False),
        (b"[1, 2]", False),
        (b"<posts>\n<row a=1, b=2>\n", False),
        (b"Dear all, the kettle boils.\nTea, milk and sugar, and mugs, are ready.\n", False),
        (b"", False),
    ],
)
def test_it_is_told_by_the_beginning(text: bytes, is_one: bool) -> None:
    assert recognises(Head("kettles", text, text)) is is_one
    assert recognises(Head("kettles", gzip.compress(text), text)) is is_one


def test_folders_are_told_by_what_datasets_writes() -> None:
    assert recognises(Head("d", b"", b"", frozenset({"dataset_info.json", "state.json", "data.arrow"})))
    assert recognises(Head("d", b"", b"", frozenset({"dataset_dict.json", "train"})))
    assert not recognises(Head("d", b"", b"", frozenset({"dataset_info.json", "a.csv"})))


def test_nothing_heavy_is_loaded_to_recognise_a_file() -> None:
    code = (
        "import sys; from curate.sources import tables, convokit, journal; from curate.sources.reading.place import Head\n"
        "[m.recognises(Head('x', b'id,text\\n', b'id,text\\n')) for m in (tables, convokit, journal)]\n"
        "print(sorted({'pyarrow', 'pandas', 'datasets', 'zipfile.x'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ).stdout == "[]\n"
