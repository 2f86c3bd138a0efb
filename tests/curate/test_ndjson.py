import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.sources.reading import ndjson, search
from curate.sources.reading.ndjson import ROW, SHORT_LINE, Chunk, Parsed, chunks, parse_chunk
from curate.sources.reading.place import Place
from curate.sources.reading.search import can_be_searched, pick, picked

FIELDS = ("id", "subreddit", "body")


def parse(data: bytes, first_row: int = 1, names: Sequence[str] = (), fields: Sequence[str] = FIELDS) -> Parsed:
    chunk = Chunk(data, first_row, data.count(b"\n") + (not data.endswith(b"\n")))
    if names:
        found = pick(data, names)
        chunk = replace(found, first_row=first_row, rows=None if found.rows is None else [first_row + line for line in found.rows])
    return parse_chunk(chunk, fields)


def rejected(parsed: Parsed) -> list[tuple[int, str, str]]:
    """Of every rejected line its row, the reason and itself, entries that stand for several unfolded."""
    return [(reject.row + more, reject.reason, reject.line) for reject in parsed.rejects for more in range(reject.rows)]


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


def check_law(lines: list[bytes], first_row: int, parsed: Parsed) -> None:
    found = rejected(parsed)
    assert parsed.lines == len(lines) == parsed.records.height + len(found) + parsed.passed_over
    expected = {first_row + place: json.loads(line) for place, line in enumerate(lines) if is_record(line)}
    assert parsed.records[ROW].to_list() == list(expected)
    assert parsed.records["id"].to_list() == [record.get("id") for record in expected.values()]
    assert parsed.records["body"].to_list() == [record.get("body") for record in expected.values()]
    bad = {first_row + place: line for place, line in enumerate(lines) if not is_record(line)}
    assert [row for row, _, _ in found] == list(bad)
    assert [line for _, _, line in found] == [line.decode(errors="replace") for line in bad.values()]
    assert [reason == "blank line" for _, reason, _ in found] == [not line.strip() for line in bad.values()]


@settings(max_examples=300)
@given(mixtures, st.booleans(), st.integers(1, 10**12))
@example([b""], True, 1)
@example([b"", b'{"id": "a"}{"id": "b"}'], True, 1)  # as many objects as lines, and none where it should be
@example([b'{"id":', b'"split over two lines"}', b'{"id": "whole"}'], False, 1)
def test_every_line_is_a_record_or_a_reject_with_its_own_row(lines: list[bytes], last_feed: bool, first_row: int) -> None:
    if not last_feed and not lines[-1]:
        last_feed = True  # a chunk does not end in an empty line without a line feed
    parsed = parse(b"\n".join(lines) + b"\n" * last_feed, first_row)
    check_law(lines, first_row, parsed)


communities = st.sampled_from(
    ["KettleCourt", "kettlecourt", "KETTLECOURT", "kettle_court", "Kettle_Court", "KettleCourts", "Tea", "T_E_A", None]
)
community_lines = st.builds(
    lambda community, other, body, space, ending: (
        json.dumps({"id": "a", "flair": other, "subreddit": community, "body": body}, separators=(",", space), ensure_ascii=False).encode()
        + ending
    ),
    communities,
    communities,
    st.one_of(words, communities.map(lambda name: f'of "{name}"'), communities),
    st.sampled_from([":", ": ", " : "]),
    st.sampled_from([b"", b"\r", b" "]),
)


@settings(max_examples=300)
@given(
    st.lists(st.one_of(community_lines, community_lines, good_lines, blank_lines, broken_lines), min_size=1, max_size=25),
    st.lists(st.sampled_from(["KettleCourt", "kettle_court", "t_e_a", "Nowhere"]), min_size=1, max_size=3, unique=True),
    st.booleans(),
    st.integers(1, 10**6),
    st.integers(8, 90),
)
@example([b'{"subreddit":"T_E_A"}', b'{"subreddit":"T\x7fE\x7fA"}', b'{"subreddit":"T E A"}'], ["t_e_a"], True, 1, 8)
def test_picking_lines_by_their_bytes_gives_what_parsing_all_and_choosing_gives(
    lines: list[bytes], names: list[str], last_feed: bool, first_row: int, block: int
) -> None:
    """The blocks in which is searched are so small here that names lie on their seams."""
    data = b"\n".join(lines) + b"\n" * (last_feed or not lines[-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_BLOCK", block)
        patch.setattr(search, "SHORT_LINE", 1)
        found, everything = parse(data, first_row, names), parse(data, first_row)
    wanted = pl.col("subreddit").str.to_lowercase().is_in([name.lower() for name in names])
    assert found.records.filter(wanted).rows() == everything.records.filter(wanted).rows()
    assert found.lines == everything.lines == found.records.height + len(rejected(found)) + found.passed_over
    assert set(found.records[ROW]) <= set(everything.records[ROW])
    assert set(rejected(found)) <= set(rejected(everything))
    told = {row for row, _, _ in rejected(found)}
    for row, _, line in rejected(everything):
        if not (line.startswith("{") and line.endswith("}")):
            assert row in told, "a line that is no object is told, whatever is wanted"


@pytest.mark.parametrize("name", ["KettleCourt", "kettle_court", "T-E.A"])
@pytest.mark.parametrize("shift", range(-20, 4))
def test_a_name_on_the_seam_of_two_blocks_is_found_once(name: str, shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_BLOCK", 256)
    monkeypatch.setattr(search, "SHORT_LINE", 1)
    start = b'{"id":"a"}\n{"body":"'
    line = (
        start
        + b"x" * (256 + shift - len(start) - len(b'","subreddit":'))
        + b'","subreddit":"'
        + name.upper().encode()
        + b'"}\n{"id":"c"}\n'
    )
    assert abs(line.index(b'"' + name.upper().encode()) - 256) <= 21
    parsed = parse(line, 1, [name])
    assert parsed.records.select(ROW, "subreddit").rows() == [(2, name.upper())]
    assert parsed.passed_over == 2


@pytest.mark.parametrize("share", [1, 40, 60, 100])
def test_however_the_wanted_lines_are_found_they_are_the_same(share: int) -> None:
    """A chunk of which most is wanted is parsed whole."""
    rows = [(row, "KettleCourt" if row % 100 < share else "Elsewhere") for row in range(1, 1001)]
    data = b"".join(b'{"id":"%d","subreddit":"%s"}\n' % (row, name.encode()) for row, name in rows)
    parsed = parse(data, 1, ["kettlecourt"])
    found = parsed.records.filter(subreddit="KettleCourt")
    assert found[ROW].to_list() == [row for row, name in rows if name == "KettleCourt"]
    assert parsed.passed_over == (1000 - found.height if share < 50 else 0)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["KettleCourt"], True),
        (["u_odo", "a.b", "hn:top"], True),
        ([], False),
        ([f"name{number}" for number in range(search.MOST_NAMES + 1)], False),
        (["Kännchen"], False),  # may stand there as K\u00e4nnchen
        (['"'], False),
        (["a/b"], False),
    ],
)
def test_only_names_that_json_writes_in_one_way_are_searched_for(names: list[str], expected: bool) -> None:
    assert can_be_searched(names) is expected


@settings(max_examples=60)
@given(
    st.lists(st.one_of(community_lines, blank_lines, broken_lines), min_size=1, max_size=40),
    st.sampled_from([60, 200, 1000]),
    st.sampled_from([1, 300, 10**6]),
)
def test_picking_from_a_file_counts_every_line_of_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], searched: int, enough: int
) -> None:
    """Whatever the sizes in which it is searched and parsed, the rows are those of the file."""
    path = tmp_path_factory.mktemp("dump") / "dump"
    path.write_bytes(b"\n".join([b'{"id":"first"}', *lines]) + b"\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "SEARCHED", searched)
        patch.setattr(search, "_ENOUGH", enough)
        found = [parse_chunk(chunk, FIELDS) for chunk in picked(Place(str(path)), ["kettle_court"])]
    everything = [parse_chunk(chunk, FIELDS) for chunk in chunks(Place(str(path)))]
    wanted = pl.col("subreddit").str.to_lowercase() == "kettle_court"
    assert sum(parsed.lines for parsed in found) == sum(parsed.lines for parsed in everything) == len(lines) + 1
    assert (
        pl.concat(parsed.records for parsed in found).filter(wanted).rows()
        == pl.concat(parsed.records for parsed in everything).filter(wanted).rows()
    )
    for parsed in found:
        assert parsed.lines == parsed.records.height + len(rejected(parsed)) + parsed.passed_over
    told = {entry for parsed in found for entry in rejected(parsed)}
    assert told <= {entry for parsed in everything for entry in rejected(parsed)}


def test_lines_too_short_to_be_records_come_in_small_pieces_and_long_runs_of_blank_ones_as_one(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    data = b'{"id":"a"}\n' + b"\n" * 3_000_000 + b'{"id":"b"}\r\n' + b"\r\n" * 100 + b"x\n" * 300_000 + b'{"id":"c"}'
    path.write_bytes(data)
    assert len(data) // SHORT_LINE < 3_300_103
    pieces = [(chunk.first_row, chunk.lines, len(chunk.data)) for chunk in chunks(Place(str(path)))]
    assert sum(lines for _, lines, _ in pieces) == 3_300_103
    assert [row for row, _, _ in pieces] == [1 + sum(lines for _, lines, _ in pieces[:place]) for place in range(len(pieces))]
    assert max(lines for _, lines, _ in pieces[2:]) < 200_000
    parsed = [parse_chunk(chunk, ("id",)) for chunk in chunks(Place(str(path)))]
    assert [row for some in parsed for row in some.records.rows()] == [("a", 1), ("b", 3_000_002), ("c", 3_300_103)]
    entries = [(reject.row, reject.reason, reject.line, reject.rows) for some in parsed for reject in some.rejects]
    assert entries[:2] == [(2, "blank line", "", 3_000_000), (3_000_003, "blank line", "\r", 100)]
    assert {entry[1:3] for entry in entries[2:]} == {("not JSON: Expecting value", "x")}
    assert sum(entry[3] for entry in entries) == 3_300_100


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "blank line"),
        (b" \r", "blank line"),
        (b'{"id": "open', "not JSON: Unterminated string"),
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
    parsed = parse(b'{"id": "before"}\n' + line + b'\n{"id": "after"}\n', 41)
    assert parsed.records.select("id", ROW).rows() == [("before", 41), ("after", 43)]
    assert [(reject.row, reject.reason, reject.line) for reject in parsed.rejects] == [(42, reason, line.decode(errors="replace"))]


def test_values_of_every_type_become_strings_and_null_stays_null() -> None:
    fields = ("time", "flag", "none", "absent", "number", "nested", "text", "big")
    line = b'{"time":1.7e9, "flag":false, "none":null, "number": -3, "nested": {"a":[1]}, "text": "\\ud83e\\uded6", "big": 45568804275}'
    (row,) = parse(line, fields=fields).records.drop(ROW).rows(named=True)
    assert (float(row["time"]), row["flag"], row["none"], row["absent"], row["number"]) == (1.7e9, "false", None, None, "-3")
    assert (json.loads(row["nested"]), row["text"], row["big"]) == ({"a": [1]}, "🫖", "45568804275")


def test_line_separators_of_unicode_stand_inside_a_value() -> None:
    body = "one\u2028two\u2029three\x85four"
    parsed = parse(json.dumps({"body": body}, ensure_ascii=False).encode() + b"\n")
    assert (parsed.lines, parsed.records["body"].to_list()) == (1, [body])


def test_a_chunk_without_the_wanted_bytes_is_passed_over_unparsed() -> None:
    parsed = parse(b'{"id": "a", "body": "of no interest"}\n{not even JSON, but in braces as a record is}\n' * 2, names=["kettle"])
    assert (parsed.lines, parsed.records.height, parsed.rejects, parsed.passed_over) == (4, 0, [], 4)


@pytest.mark.parametrize("names", [(), ("KettleCourt",)])
def test_a_byte_order_mark_costs_no_record(tmp_path: Path, names: Sequence[str]) -> None:
    path = tmp_path / "dump"
    path.write_bytes(b'\xef\xbb\xbf{"id": "a", "subreddit": "KettleCourt"}\n{"id": "b", "subreddit": "KettleCourt"}\n')
    place = Place(str(path))
    (parsed,) = (parse_chunk(chunk, FIELDS) for chunk in (picked(place, names) if names else chunks(place)))
    assert parsed.records.select("id", ROW).rows() == [("a", 1), ("b", 2)]
    assert parsed.rejects == []


def test_bad_lines_are_not_parsed_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Halving alone took five calls a line, of which each costs as much as hundreds of good lines."""
    calls = 0
    read = ndjson._read

    def counted(chunk: bytes, schema: dict[str, type[pl.String]]) -> pl.DataFrame | None:
        nonlocal calls
        calls += 1
        return read(chunk, schema)

    monkeypatch.setattr(ndjson, "_read", counted)
    bad = [b'{"id": "%d", "body": "never' % row for row in range(2000)] + [b'{"id": "%d", "body": "a" b}' % row for row in range(2000)]
    huge = b'{"id": "a", "score": ' + b"9" * 30 + b"}"
    parsed = parse(b"\n".join([*bad, huge, b'{"id": NaN}', b'{"id": "z"}']) + b"\n")
    assert parsed.records.select("id", ROW).rows() == [("a", 4001), ("z", 4003)]
    reasons = [reject.reason for reject in parsed.rejects]
    assert reasons == ["not JSON: Unterminated string"] * 2000 + ["not JSON: Expecting ',' delimiter"] * 2000 + [
        "not JSON as its standard has it"
    ]
    assert calls < 200


def test_a_large_chunk_keeps_its_rows_when_single_lines_are_bad() -> None:
    """Large enough for the parser to cut it for several threads."""
    lines = [b'{"id": "%d", "body": "%s"}' % (row, b"tea } { " * 9) for row in range(1, 30_001)]
    for row in (1, 2, 777, 29_999):
        lines[row - 1] = b'{"id": "open'
    parsed = parse(b"\n".join(lines))
    assert [(reject.row, reject.rows) for reject in parsed.rejects] == [(1, 2), (777, 1), (29_999, 1)]
    assert parsed.records["id"].to_list() == [str(row) for row in parsed.records[ROW]]
    assert parsed.records.height == 29_996
