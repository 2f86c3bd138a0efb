import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.tabular import json_values
from curate.sources.tabular.json_values import elements, members
from formats.errors import UserError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=3),
    max_leaves=8,
)


def cut(text: bytes, size: int) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@given(whole=st.lists(values, max_size=5), size=st.integers(1, 9), ascii_=st.booleans(), indent=st.sampled_from([None, 1]))
def test_elements_come_back_wherever_the_blocks_are_cut(whole: list[Any], size: int, ascii_: bool, indent: int | None) -> None:
    text = json.dumps(whole, ensure_ascii=ascii_, indent=indent).encode()
    assert list(elements(cut(text, size), "kettles.json")) == whole


@given(whole=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), values, max_size=5), size=st.integers(1, 9))
def test_members_come_back_wherever_the_blocks_are_cut(whole: dict[str, Any], size: int) -> None:
    text = json.dumps(whole, ensure_ascii=False).encode()
    assert dict(members(cut(text, size), "kettles.json")) == whole


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", "no JSON after 0 values: it ends, expected ["),
        (b'{"a": 1}', "no JSON after 0 values: found '{', expected ["),
        (b"[1, 2", "no JSON after 2 values: it ends, expected , or ]"),
        (b"[1 2]", "no JSON after 1 values: found '2', expected , or ]"),
        (b"[1,]", "no JSON after 2 values: Expecting value, expected a value of at most 32 MiB"),
        (b'[1, "cut o', "no JSON after 2 values: Unterminated string starting at, expected a value of at most 32 MiB"),
        (b"[" * 100_000, "no JSON after 1 values: it is nested too deep, expected a table's row"),
    ],
)
def test_what_is_no_array_is_said_in_one_line(text: bytes, found: str) -> None:
    with pytest.raises(UserError) as told:
        list(elements([text], "kettles.json"))
    assert str(told.value) == f"kettles.json: {found}; it is truncated or damaged: fetch it again"


def test_a_value_that_does_not_end_is_not_held_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "LONGEST", 1000)
    read = 0

    def endless() -> Any:
        nonlocal read
        yield b'["'
        while True:
            read += 100
            yield b"t" * 100

    with pytest.raises(UserError, match="Unterminated string"):
        list(elements(endless(), "bomb.json"))
    assert read <= 1200


def test_bytes_that_are_no_utf8_come_as_lone_surrogates() -> None:
    assert list(elements([b'\xef\xbb\xbf["caf\xff"]'], "kettles.json")) == ["caf\udcff"]
