import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.reading import xml_rows
from curate.sources.reading.xml_rows import Rows, count_rows, read_rows, root_of
from curate.sources.source import Reject
from formats.errors import UserError

PROLOG = b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\r\n<posts>\r\n'


def document(*rows: bytes, prolog: bytes = PROLOG, end: bytes = b"</posts>") -> bytes:
    return prolog + b"".join(b"  " + row + b"\r\n" for row in rows) + end


def row(number: int, text: str = "tea") -> bytes:
    return f'<row Id="{number}" Body="{text}" />'.encode()


def read(data: bytes, size: int | None = None) -> Rows:
    """All rows of a document that comes in chunks of so many bytes."""
    size = size or len(data) or 1
    found = list(read_rows((data[start : start + size] for start in range(0, len(data), size)), "posts", "Posts.xml"))
    assert sum(rows.count for rows in found) == sum(len(rows.numbers) + len(rows.rejects) for rows in found)
    return Rows(
        sum(rows.count for rows in found),
        [number for rows in found for number in rows.numbers],
        [attributes for rows in found for attributes in rows.attributes],
        [reject for rows in found for reject in rows.rejects],
    )


@pytest.mark.parametrize("size", [None, 1, 7, 64])
def test_rows_are_read_however_the_document_is_cut(size: int | None) -> None:
    body = "&lt;p&gt;hot &amp;amp; &quot;sweet&quot;&lt;/p&gt;&#xA;  &#x2028;naïve\u2029 a /> b"
    data = document(row(1, body), b"<row\n Id='2'\n\tTitle='a \"lid\"'/>", b'<row Id="3"></row>', b"<row/>")
    assert read(data, size) == Rows(
        4,
        [1, 2, 3, 4],
        [{"Id": "1", "Body": '<p>hot &amp; "sweet"</p>\n  \u2028naïve\u2029 a /> b'}, {"Id": "2", "Title": 'a "lid"'}, {"Id": "3"}, {}],
        [],
    )


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b'<row Id="2" Body="cut off />', "not XML: "),
        (b'<row Id="2" Body="milk < tea" />', "not XML: "),
        (b'<row Id="2" Body="milk & tea" />', "not XML: "),
        (b'<row Id="2" Id="3" />', "not XML: Attribute Id redefined"),
        (b'<row Id="2" Body="&lol9;" />', "not XML: Entity 'lol9' not defined"),
        (b'<row Id="2" Body="&#xD800;" />', "not XML: xmlParseCharRef: invalid xmlChar value 55296"),
        (b'<row Id="2" Body="&#0;" />', "not XML: xmlParseCharRef: invalid xmlChar value 0"),
        (b'<row Id="2" Body="\0" />', "not XML: "),
        (b'<row Id="2" Body="\xff" />', "not XML: "),
        (b'<row Id="2">', "not XML: "),
        (b'<row Id="2"><p/></row>', "not a row"),
        (b'<row Id="2">tea</row>', "not a row"),
        (b'<row Id="2"><![CDATA[', "not XML: "),
        (b"<row Id=2 />", "not XML: "),
    ],
)
@pytest.mark.parametrize("size", [None, 5])
def test_a_broken_row_is_told_with_its_number_and_spares_the_others(broken: bytes, reason: str, size: int | None) -> None:
    found = read(document(row(1), broken, row(3)), size)
    assert (found.numbers, found.attributes) == ([1, 3], [{"Id": "1", "Body": "tea"}, {"Id": "3", "Body": "tea"}])
    (reject,) = found.rejects
    assert (reject.row, reject.line) == (2, broken.decode(errors="replace"))
    assert reject.reason.startswith(reason)
    assert "\n" not in reject.reason


@pytest.mark.parametrize("garbage", [b'row Id="2" />', b"tea", b"<tea/>", b"<!-- tea -->", b"</posts><posts>", b'<Row Id="2"/>', b"\0\0"])
def test_what_stands_between_rows_is_a_reject_of_its_own(garbage: bytes) -> None:
    found = read(document(row(1), garbage, row(3)))
    assert [attributes["Id"] for attributes in found.attributes] == ["1", "3"]
    assert (found.numbers, found.rejects) == ([1, 3], [Reject(2, "not a row", garbage.decode())])
    before = read(document(garbage, row(2)))
    assert ([reject.row for reject in before.rejects], before.numbers) == ([1], [2])
    after = read(document(row(1)) + b"\n" + garbage)
    assert (after.numbers, after.rejects[0].row) == ([1], 2)


def test_entities_of_a_dtd_are_never_resolved() -> None:
    lols = b'<!ENTITY lol0 "lol">' + b"".join(b'<!ENTITY lol%d "%s">' % (n, b"&lol%d;" % (n - 1) * 10) for n in range(1, 10))
    prolog = b'<?xml version="1.0"?><!DOCTYPE posts [%s<!ENTITY file SYSTEM "file:///etc/hostname">]>\n<posts>\n' % lols
    found = read(document(row(1, "&lol9;"), row(2, "&file;"), row(3), prolog=prolog))
    assert found.numbers == [3]
    assert [(reject.row, reject.reason) for reject in found.rejects] == [
        (1, "not XML: Entity 'lol9' not defined"),
        (2, "not XML: Entity 'file' not defined"),
    ]


@pytest.mark.parametrize("data", [PROLOG + b"</posts>", b"<posts></posts>", b"<posts/>", b'<posts version="1" />', b"<posts>\n</posts>\n"])
@pytest.mark.parametrize("size", [None, 1])
def test_a_document_without_rows_is_empty(data: bytes, size: int | None) -> None:
    assert read(data, size) == Rows(0)


@pytest.mark.parametrize("cut", [b"", b"  <row", b'  <row Id="3', b'  <row Id="3" />', b'  <row Id="3" />\r\n</post'])
def test_a_document_that_ends_before_its_root_is_cut_off(cut: bytes) -> None:
    rows = read_rows([document(row(1), row(2), end=cut)], "posts", "Posts.xml")
    assert next(rows).numbers[0] == 1
    with pytest.raises(UserError, match=re.escape("Posts.xml: ends without </posts>: it is cut off; fetch it again")):
        list(rows)


@pytest.mark.parametrize("data", [b"", b"<posts", b'{"id": 1}', b'<comments><row Id="1"/></comments>', b'<row Id="1"/></posts>'])
def test_another_document_is_told_by_how_it_begins(data: bytes) -> None:
    begins = data[:40].decode().partition("<row")[0]
    with pytest.raises(UserError, match=re.escape(f"Posts.xml: begins with {begins!r}; expected the element <posts> of a data dump")):
        read(data)


@pytest.mark.parametrize("size", [None, 1000])
@pytest.mark.parametrize("last", [True, False])
def test_a_row_too_long_is_dropped_and_no_more_than_its_beginning_held(
    size: int | None, last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xml_rows, "LONGEST_ROW", 2000)
    long = row(2, "x" * 50_000)
    found = read(document(row(1), long) if last else document(row(1), long, row(3)), size)
    assert found.numbers == ([1] if last else [1, 3])
    (reject,) = found.rejects
    assert (reject.row, reject.reason, len(reject.line)) == (2, "a row of more than 2,000 bytes", 500)


def test_an_endless_row_takes_bounded_memory() -> None:
    def chunks() -> Iterator[bytes]:
        yield document(row(1), end=b'<row Id="2" Body="')
        for _ in range(100):
            yield bytes(1 << 20)
        yield b'"/>' + row(3) + b"</posts>"

    found = list(read_rows(chunks(), "posts", "Posts.xml"))
    assert [number for rows in found for number in rows.numbers] == [1, 3]
    assert [reject.reason for rows in found for reject in rows.rejects] == ["a row of more than 8,388,608 bytes"]


def test_rows_come_in_batches_and_are_numbered_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_rows, "BATCH", 3)
    data = document(*(row(number) if number % 4 else b"<row" for number in range(1, 9)))
    found = list(read_rows([data], "posts", "Posts.xml"))
    assert [rows.numbers for rows in found] == [[1, 2, 3], [5, 6], [7], []]
    assert [[reject.row for reject in rows.rejects] for rows in found] == [[], [4], [], [8]]
    assert list(count_rows([data], "posts", "Posts.xml")) == [3, 3, 1, 1]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30), max_size=8), st.integers(1, 50), st.data())
def test_no_row_is_lost_whatever_is_put_between(texts: list[str], size: int, data: st.DataObject) -> None:
    rows = [row(n, text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")) for n, text in enumerate(texts)]
    junk = st.binary(max_size=20).map(lambda raw: raw.replace(b"<", b"").replace(b"/>", b""))
    between = [data.draw(junk) for _ in rows]
    found = read(document(*(line for pair in zip(rows, between, strict=True) for line in pair)), size)
    assert [attributes["Body"] for attributes in found.attributes] == texts
    assert len(found.rejects) == sum(1 for raw in between if raw.strip(b" \t\r\n"))


@pytest.mark.parametrize(
    ("data", "root"),
    [
        (PROLOG, "posts"),
        (b"\n <!-- kettles -->\n<comments a='b'>", "comments"),
        (b"<users/>", "users"),
        (b"<posts", None),
        (b"posts>", None),
        (b"<HTML>", None),
        (b'{"a": "<posts>"}', None),
        (b"", None),
    ],
)
def test_the_root_is_told_by_the_beginning(data: bytes, root: str | None) -> None:
    assert root_of(data) == root
