import csv
import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.reading.ndjson import ROW
from curate.sources.reading.place import Place
from curate.sources.source import Reject
from curate.sources.tabular import delimited
from curate.sources.tabular.delimited import read
from curate.sources.tabular.dialect import Dialect, sniff
from curate.sources.tabular.table import Part


def parts(path: Path, text: bytes) -> list[Part]:
    path.write_bytes(text)
    dialect = sniff(text)
    assert dialect is not None
    return list(read(Place(str(path)), dialect, {name: name for name in dialect.header}))


def rows(found: list[Part]) -> list[tuple[object, ...]]:
    return pl.concat(part.frame for part in found).rows()


def rejects(found: list[Part]) -> list[Reject]:
    return [reject for part in found for reject in part.rejects]


def test_quoted_fields_hold_delimiters_line_feeds_and_quotes(tmp_path: Path) -> None:
    found = parts(tmp_path / "t.csv", b'id,text\n1,"a, ""b""\nand\r\nc"\r\n2,5" of tea\n3,\n4,""\n007,"\xc3\xa9\xe2\x80\xa8\x00"')
    assert rows(found) == [
        ("1", 'a, "b"\nand\r\nc', 2), ("2", '5" of tea', 3), ("3", None, 4), ("4", None, 5), ("007", "é\u2028\0", 6),
    ]  # fmt: skip
    assert rejects(found) == []


def test_a_broken_record_costs_its_own_line_only(tmp_path: Path) -> None:
    text = b'id,text\n1,good\n2,"never closed\n3,"good, too"\n4,"a" tail\n5\n6,x,y\n\n \t\n'
    text += b'7,caf\xff\n8,"two\nlines \xff"\n9,good\n10,"open at the end\n11,last\n12,a\rb'
    found = parts(tmp_path / "t.csv", text)
    assert rows(found) == [("1", "good", 2), ("3", "good, too", 4), ("9", "good", 12), ("11", "last", 14)]
    assert rejects(found) == [
        Reject(3, "a quote within a quoted field is not doubled", '2,"never closed'),
        Reject(5, "a quote within a quoted field is not doubled", '4,"a" tail'),
        Reject(6, "1 fields where the header has 2", "5"),
        Reject(7, "3 fields where the header has 2", "6,x,y"),
        Reject(8, "blank line", "", 2),
        Reject(10, "not UTF-8", "7,caf\ufffd"),
        Reject(11, "not UTF-8", '8,"two\nlines \ufffd"'),
        Reject(13, "a quoted field is not closed", '10,"open at the end'),
        Reject(15, "a carriage return outside quotes", "12,a\rb"),
    ]


def test_a_quote_that_nobody_closes_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "LONGEST_RECORD", 200)
    monkeypatch.setattr(delimited, "read_lines", _lines)
    text = b'id,text\n1,"open\n' + b"".join(b"%d,tea\n" % number for number in range(2, 100))
    found = parts(tmp_path / "t.csv", text)
    assert rejects(found) == [Reject(2, "a quoted field is not closed", '1,"open')]
    assert rows(found) == [(str(number), "tea", number + 1) for number in range(2, 100)]


def _lines(place: Place) -> Iterator[bytes]:
    """Every line as a chunk of its own."""
    return iter(Path(place.name).read_bytes().splitlines(keepends=True))


cells = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(['"', '""', '",', "\n", "\r\n", '"\n"', ",", " "])


@given(table=st.lists(st.tuples(cells, cells, cells), max_size=8), ending=st.sampled_from(["\n", "\r\n"]), by_line=st.booleans())
def test_what_a_writer_of_csv_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str, str]], ending: str, by_line: bool
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *table])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(out.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        if by_line:
            patch.setattr(delimited, "read_lines", _lines)
        found = list(read(Place(str(path)), Dialect(b",", header=("a", "b", "c")), {"a": "a", "b": "b", "c": "c"}))
    assert rejects(found) == []
    assert rows(found) == [(*(cell or None for cell in row), number) for number, row in enumerate(table, 2)]


@given(text=st.binary(max_size=60) | st.text('ab,"\n\\', max_size=60).map(str.encode))
def test_whatever_follows_the_header_is_counted_and_numbered(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(b"a,b\n" + text)
    found = list(read(Place(str(path)), Dialect(b",", header=("a", "b")), {"a": "a", "b": "b"}))
    numbers = [row for part in found for row in part.frame[ROW]]
    numbers += [reject.row + more for reject in rejects(found) for more in range(reject.rows)]
    assert sorted(numbers) == list(range(2, 2 + len(numbers)))
    assert sum(part.rows for part in found) == len(numbers)


@pytest.mark.parametrize(
    ("text", "dialect", "header"),
    [
        (b"id,text\n1,a\n", Dialect(b","), ("id", "text")),
        (b"\xef\xbb\xbfid;text\n1;a\n", Dialect(b";"), ("id", "text")),
        (b"id|text, or so\n1|a\n", Dialect(b"|"), ("id", "text, or so")),
        (b'"id","te""xt"\n1,a\n', Dialect(b","), ("id", 'te"xt')),
        (b",id,id\n0,1,2\n", Dialect(b","), ("column_1", "id", "id_3")),
        (b"id\ttext\n1\ta\n", Dialect(b"\t"), ("id", "text")),
        (b'id\ttext\n1\t"kettle" he said\n', Dialect(b"\t", quotes=False), ("id", "text")),
        (b'id,text\n1,"she said \\"tea\\", twice"\n2,b\n', Dialect(b",", escape=b"\\"), ("id", "text")),
        (b'id,text\n1,"C:\\"\n2,"b"\n', Dialect(b","), ("id", "text")),
    ],
)
def test_the_dialect_is_told_by_the_beginning(text: bytes, dialect: Dialect, header: tuple[str, ...]) -> None:
    assert sniff(text) == Dialect(dialect.delimiter, dialect.quotes, dialect.escape, header)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"one column\n1\n",
        b"Dear all, hello\nthe kettle boils\nand tea, milk, sugar are ready\n",
        b"<a>,<b>\n",
        b"\xff\xfea\x00,\x00",
        b"x = {1, 2}\n",
    ],
)
def test_prose_and_programs_are_no_tables(text: bytes) -> None:
    assert sniff(text) is None


def test_a_backslash_may_stand_before_a_quote(tmp_path: Path) -> None:
    found = parts(tmp_path / "t.csv", b'id,text\n1,"she said \\"tea\\", twice"\n2,b\n')
    assert rows(found) == [("1", 'she said "tea", twice', 2), ("2", "b", 3)]


def test_a_tab_separated_file_may_know_no_quoting(tmp_path: Path) -> None:
    found = parts(tmp_path / "t.tsv", b'id\ttext\n1\t"kettle" he said\n2\t"open\n3\tb\n')
    assert rows(found) == [("1", '"kettle" he said', 2), ("2", '"open', 3), ("3", "b", 4)]
