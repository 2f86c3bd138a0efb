import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.sources.ndjson import ROW, Parsed, parse_chunk

FIELDS = ("id", "subreddit", "body")

# What JSON's standard and Python's reader agree on: no surrogate halves, no line feed.
words = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=12)
good_lines = st.builds(
    lambda id_, body, other, ascii_, space: (
        space
        + json.dumps({"id": id_, "body": body, "other": other}, ensure_ascii=ascii_).encode()
        + space.replace(b"\t", b"")
        + b"\r" * len(space)
    ),
    words,
    words,
    st.one_of(
        st.integers(-(10**30), 10**30),
        st.booleans(),
        st.none(),
        words,
        st.lists(words, max_size=2),
        st.dictionaries(words, words, max_size=2),
    ),
    st.booleans(),
    st.sampled_from([b"", b" ", b"\t"]),
)
blank_lines = st.sampled_from([b"", b"\r", b" ", b"\t \r", b"\x0b", b"\x0c"])
broken_lines = st.one_of(
    st.sampled_from(
        [
            b'{"id": "never closed',
            b'{"id": "no brace"',
            b'"id": "no opening"}',
            b'{"id": "two"}{"id": "objects"}',
            b'{"id": "two"} {"id": "objects"}',
            b'{"id": "comma"},',
            b'[{"id": "in a list"}]',
            b'{"id": NaN}',
            b'{"id": 01}',
            b"{'id': 'python'}",
            b'{"id": "\xff not utf-8"}',
            b'{"id": "raw \x00 nul"}',
            b'{"id": "raw \t tab"}',
            b'\xef\xbb\xbf{"id": "byte order mark"}',
            b"null",
            b"17",
            b'"text"',
            b"{",
            b"}",
            b"id,author,body",
            b"<!DOCTYPE html>",
            b'{"a":' * 3000 + b"1" + b"}" * 3000,
        ]
    ),
    good_lines.map(lambda line: line.strip()[:-1]),
    st.binary(min_size=1, max_size=20).filter(lambda line: b"\n" not in line and not line.lstrip().startswith(b"{") and line.strip()),
)
mixtures = st.lists(st.one_of(good_lines, good_lines, blank_lines, broken_lines), min_size=1, max_size=30)


def is_record(line: bytes) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return isinstance(json.loads(line.decode(), parse_constant=refuse), dict)
    except (ValueError, RecursionError):
        return False


def check_law(lines: list[bytes], last_feed: bool, first_row: int, parsed: Parsed) -> None:
    assert parsed.lines == len(lines) == parsed.records.height + len(parsed.rejects) + parsed.passed_over
    expected = {first_row + place: json.loads(line) for place, line in enumerate(lines) if is_record(line)}
    assert parsed.records[ROW].to_list() == list(expected)
    assert parsed.records["id"].to_list() == [record.get("id") for record in expected.values()]
    assert parsed.records["body"].to_list() == [record.get("body") for record in expected.values()]
    rejected = {first_row + place: line for place, line in enumerate(lines) if not is_record(line)}
    assert [reject.row for reject in parsed.rejects] == list(rejected)
    assert [reject.line for reject in parsed.rejects] == [line.decode(errors="replace") for line in rejected.values()]
    assert [reject.reason == "blank line" for reject in parsed.rejects] == [not line.strip() for line in rejected.values()]


@settings(max_examples=300)
@given(mixtures, st.booleans(), st.integers(1, 10**12))
@example([b""], True, 1)
@example([b"", b'{"id": "a"}{"id": "b"}'], True, 1)  # as many objects as lines, and none where it should be
@example([b'{"id":', b'"split over two lines"}', b'{"id": "whole"}'], False, 1)
def test_every_line_is_a_record_or_a_reject_with_its_own_row(lines: list[bytes], last_feed: bool, first_row: int) -> None:
    if not last_feed and not lines[-1]:
        last_feed = True  # a chunk does not end in an empty line without a line feed
    parsed = parse_chunk(b"\n".join(lines) + b"\n" * last_feed, FIELDS, first_row)
    check_law(lines, last_feed, first_row, parsed)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.one_of(good_lines, blank_lines, broken_lines), st.booleans()), min_size=1, max_size=30), st.integers(1, 10**6))
def test_with_a_pattern_every_line_is_a_record_a_reject_or_passed_over(pairs: list[tuple[bytes, bool]], first_row: int) -> None:
    """Whether lines are picked or the whole chunk is parsed is a matter of speed; lines with the pattern fare the same either way."""
    lines = [line.rstrip() + b' "KettleCourt"' if marked and is_record(line) else line for line, marked in pairs]
    lines = [re.sub(rb'\} "KettleCourt"$', b', "subreddit": "KettleCourt"}', line) for line in lines]
    wanted = re.compile(b'"KettleCourt"')
    parsed = parse_chunk(b"\n".join(lines) + b"\n", FIELDS, first_row, wanted)
    assert parsed.lines == len(lines) == parsed.records.height + len(parsed.rejects) + parsed.passed_over
    told = {*parsed.records[ROW], *(reject.row for reject in parsed.rejects)}
    assert len(told) == parsed.records.height + len(parsed.rejects)
    for place, line in enumerate(lines):
        if wanted.search(line):
            assert first_row + place in (set(parsed.records[ROW]) if is_record(line) else {reject.row for reject in parsed.rejects})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "blank line"),
        (b" \r", "blank line"),
        (b'{"id": "open', "not JSON: Unterminated string starting at"),
        (b'{"id": "a"},', "not JSON: Extra data"),
        (b'{"id": "a"}{"id": "b"}', "not JSON: Extra data"),
        (b'{"id": NaN}', "not JSON as its standard has it"),
        (b'\xef\xbb\xbf{"id": "a"}', "not JSON as its standard has it"),
        (b'{"id": "\xe9t\xe9"}', "not UTF-8"),
        (b"[1, 2]", "JSON, but no object: list"),
        (b"null", "JSON, but no object: NoneType"),
        (b"id,author,body", "not JSON: Expecting value"),
    ],
)
def test_a_bad_line_is_told_with_its_reason_and_its_neighbours_survive(line: bytes, reason: str) -> None:
    parsed = parse_chunk(b'{"id": "before"}\n' + line + b'\n{"id": "after"}\n', FIELDS, 41)
    assert parsed.records.select("id", ROW).rows() == [("before", 41), ("after", 43)]
    assert [(reject.row, reject.reason, reject.line) for reject in parsed.rejects] == [(42, reason, line.decode(errors="replace"))]


def test_values_of_every_type_become_strings_and_null_stays_null() -> None:
    fields = ("time", "flag", "none", "absent", "number", "nested", "text", "big")
    line = b'{"time":1.7e9, "flag":false, "none":null, "number": -3, "nested": {"a":[1]}, "text": "\\ud83e\\uded6", "big": 45568804275}'
    (row,) = parse_chunk(line, fields, 1).records.drop(ROW).rows(named=True)
    assert (float(row["time"]), row["flag"], row["none"], row["absent"], row["number"]) == (1.7e9, "false", None, None, "-3")
    assert (json.loads(row["nested"]), row["text"], row["big"]) == ({"a": [1]}, "🫖", "45568804275")


def test_line_separators_of_unicode_stand_inside_a_value() -> None:
    body = "one\u2028two\u2029three\x85four"
    parsed = parse_chunk(json.dumps({"body": body}, ensure_ascii=False).encode() + b"\n", FIELDS, 1)
    assert (parsed.lines, parsed.records["body"].to_list()) == (1, [body])


def test_a_chunk_without_the_wanted_bytes_is_passed_over_unparsed() -> None:
    parsed = parse_chunk(b'{"id": "a"}\n{not even JSON}\n{}\n', FIELDS, 1, re.compile(b"kettle"))
    assert (parsed.lines, parsed.records.height, parsed.rejects, parsed.passed_over) == (3, 0, [], 3)


def test_a_large_chunk_keeps_its_rows_when_single_lines_are_bad() -> None:
    """Large enough for the parser to cut it for several threads."""
    lines = [b'{"id": "%d", "body": "%s"}' % (row, b"tea } { " * 9) for row in range(1, 30_001)]
    for row in (1, 2, 777, 29_999):
        lines[row - 1] = b'{"id": "open'
    parsed = parse_chunk(b"\n".join(lines), FIELDS, 1)
    assert [reject.row for reject in parsed.rejects] == [1, 2, 777, 29_999]
    assert parsed.records["id"].to_list() == [str(row) for row in parsed.records[ROW]]
    assert parsed.records.height == 29_996
