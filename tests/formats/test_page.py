import base64
import datetime
import hashlib
import json
import re
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.contract.report import ContractReport, Point, StopSpec
from formats.page import chunks
from formats.page.chunks import TokenTable, cut_into_chunks, sample_chunk, variable_length
from formats.page.columns import UNKNOWN, Columns, toxicity
from formats.page.page import SCRIPTS, Shown, hidden_in_javascript, hidden_names, write_page
from formats.page.sections import contract_section, template_section
from formats.templates.template import load_template
from formats.tokens.encoding import encode_sample

COMMENTS, SPEAKERS = load_template("comment-response"), load_template("speakers")
FORGED = "</script><script>alert(1)</script>"


def table(*texts, **columns):
    rows = {
        "id": [f"t1_{number}" for number in range(len(texts))],
        "prompt": [f"### Comment:\n{text}\n\n### Response:\n" for text in texts],
        "completion": [f"So says the {number}th kettle.\n\n### END" for number in range(len(texts))],
    }
    return pl.DataFrame(rows | columns)


def unpacked(text):
    return zlib.decompress(base64.b64decode(text))


def block(page, name):
    return re.search(rf'<script type="application/octet-stream" id="{name}">([^<]*)</script>', page)[1]


def integers(data):
    values, value, place = [], 0, 0
    for byte in data:
        value |= (byte & 127) << place
        place += 7
        if byte < 128:
            values.append(value)
            value, place = 0, 0
    return values


@given(st.lists(st.integers(0, 2**35 - 1), max_size=40))
def test_variable_length_integers_can_be_read_back(values):
    assert integers(variable_length(np.array(values, np.int64))) == values


def test_a_chunk_holds_each_text_once_and_every_sample_whole():
    samples = table("Guilty.", "Guilty.", "Warm.")
    chunk = json.loads(unpacked(sample_chunk(samples, COMMENTS)))
    assert chunk["ids"] == ["t1_0", "t1_1", "t1_2"]
    assert len(chunk["texts"]) == len(set(chunk["texts"]))
    whole = ["".join(chunk["texts"][place] for place in row[1::2]) for row in chunk["rows"]]
    assert whole == (samples["prompt"] + samples["completion"]).to_list()
    assert chunk["rows"][0][::2] == [0, 5, 0, 3, 2]


def test_speakers_have_their_numbers_in_a_chunk():
    prompt = "### BEGIN CONVERSATION ###\n\n## Speaker_0: ##\nA.\n\n## Bot: ##\nB.\n\n## Speaker_3: ##\nC.\n\n## Bot: ##\n"
    samples = pl.DataFrame({"id": ["a"], "prompt": [prompt], "completion": ["D."]})
    assert json.loads(unpacked(sample_chunk(samples, SPEAKERS)))["rows"][0][::2] == [0, 6, 0, 4, 0, 9, 0, 3]


@pytest.mark.parametrize(("rows", "characters", "heights"), [(2, 10**6, [2, 2, 1]), (100, 1, [1] * 5), (100, 10**6, [5])])
def test_chunks_end_after_so_many_rows_or_characters(monkeypatch, rows, characters, heights):
    monkeypatch.setattr(chunks, "ROWS", rows)
    monkeypatch.setattr(chunks, "CHARACTERS", characters)
    samples = table(*"abcde")
    cut = list(cut_into_chunks(samples))
    assert [part.height for part in cut] == heights
    assert pl.concat(cut).equals(samples)
    assert list(cut_into_chunks(samples[:0])) == []


def test_token_numbers_stand_for_the_tokens_of_each_sample(bytes_tokenizer):
    samples = table("Guilty.", "Not at all, 🫖.")
    numbers = TokenTable(COMMENTS, bytes_tokenizer)
    encoded = numbers.encode(samples)
    values = integers(numbers.numbered(encoded)) + integers(numbers.numbered(encoded[1:]))
    named = json.loads(numbers.to_json())
    one, other = (encode_sample(COMMENTS, *row, bytes_tokenizer) for row in samples.select("prompt", "completion").iter_rows())
    for row, shape in ((one, values[:3]), (other, values[3:6])):
        assert shape == [len(row.input_ids), row.num_prompt, row.num_stop]
    both = len(one.input_ids) + len(other.input_ids)
    assert [named["ids"][number] for number in values[6 : 6 + both]] == [*one.input_ids, *other.input_ids]
    assert [named["ids"][number] for number in values[6 + both + 3 :]] == list(other.input_ids)
    assert values[6] == 0  # numbered as they appear
    assert [named["texts"][number] for number in named["special"]] == ["<|im_end|>"]


def test_columns_are_numbers_with_a_sign_for_what_is_unknown():
    noon = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)
    columns = Columns()
    columns.add(
        table("é", "b", community=["KettleCourt", None], score=[-3, None], created_at=[noon, None], toxicity=[0.25, float("nan")]), None
    )
    columns.add(table("c", community=["Teapots"], score=[2**40], created_at=[None], toxicity=[None]), None)
    known = {name: values.tolist() for name, values in columns.known()}
    assert known == {
        "characters": [62, 62, 62],
        "score": [-3, UNKNOWN, 2**31 - 1],
        "toxicity": [2500, UNKNOWN, UNKNOWN],
        "created": [1714564800, UNKNOWN, UNKNOWN],
        "community": [0, 1, 2],
        "split": [0, 0, 0],
    }
    assert columns.labels() == {"community": ["KettleCourt", "", "Teapots"], "split": [""]}


def test_tokens_are_counted_by_the_tokenizer_or_the_column():
    columns = Columns()
    columns.add(table("a", "b", num_tokens=[7, None]), None)
    assert dict(columns.known())["tokens"].tolist() == [7, UNKNOWN]
    columns = Columns()
    columns.add(table("a", "b", num_tokens=[7, None]), np.array([20, 30]))
    assert dict(columns.known())["tokens"].tolist() == [20, 30]


def test_of_several_labels_of_toxicity_the_highest_counts():
    scores = pl.Series("toxicity", [{"toxicity": 0.1, "insult": 0.6}, {"toxicity": None, "insult": 0.2}, None])
    assert toxicity(table("a", "b", "c").with_columns(scores)).to_list() == [0.6, 0.2, None]
    assert toxicity(table("a")).to_list() == [None]


def test_a_page_holds_all_samples_and_lets_nothing_else_run(tmp_path, bytes_tokenizer):
    parts = [table(FORGED, "b"), table("c")]
    told = []
    rows = write_page(tmp_path / "page.html", Shown(FORGED, COMMENTS, "kettle-135m", bytes_tokenizer), parts, told.append)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (rows, told) == (3, [2, 3])
    meta = json.loads(re.search(r'id="meta">(.*?)</script>', page)[1])
    assert (meta["rows"], meta["starts"], meta["end"]) == (3, [0, 2], "<|im_end|>")
    assert [json.loads(unpacked(block(page, f"samples-{number}")))["ids"] for number in (0, 1)] == [["t1_0", "t1_1"], ["t1_0"]]
    assert np.frombuffer(unpacked(block(page, "column-tokens")), "<i4").tolist() == [
        len(encode_sample(COMMENTS, *row, bytes_tokenizer).input_ids) for row in pl.concat(parts).select("prompt", "completion").iter_rows()
    ]
    policy = re.search(r'content="(default-src [^"]*)"', page)[1]
    for tag, name in (("style", "style-src"), ("script", "script-src")):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert "alert(1)" not in page.replace("&lt;script&gt;alert(1)", "").replace(FORGED.replace("<", "\\u003c"), "")
    assert not re.search(r'(src|href)="(?!#)', page.split("<script>")[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html"]


def test_a_page_without_samples_or_tokenizer_is_a_page(tmp_path):
    assert write_page(tmp_path / "page.html", Shown("none", COMMENTS), []) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '"rows": 0' in page
    assert "token-table" not in page.split("<script>")[0]


def test_one_sample_is_one_sample(tmp_path):
    write_page(tmp_path / "page.html", Shown("one", COMMENTS), [table("a")])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<p class="dim">1 sample · template' in page


def test_the_page_is_left_out_when_its_samples_fail(tmp_path):
    def failing():
        yield table("a")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_page(tmp_path / "page.html", Shown("none", COMMENTS), failing())
    assert list(tmp_path.iterdir()) == []


def test_the_contract_is_told_point_by_point_and_what_fails_comes_first():
    points = (
        Point("one stop", True, 9, 9, "the stop is the same in all"),
        Point("loss", False, 7, 9, "the stop carries loss", "t1_x: <b>", "format again"),
        Point("row", None, 0, 0, "no weights"),
    )
    stop = StopSpec("<|im_end|>", 2, ("\n\n### END",), "### Response:\n")
    html = contract_section(ContractReport(9, 1, stop, (5, 2), 77, points), "kettle-135m")
    assert '<details id="contract" open>' in html
    assert "✗ 1 of 2 points fails" in html
    assert html.index("the stop carries loss") < html.index("the stop is the same")
    assert "t1_x: &lt;b&gt;" in html
    assert "7 of 9" in html
    assert 'The stop is <code><bdi dir="auto">↵↵### END&lt;|im_end|&gt;</bdi></code>, the tokens 5, 2' in html
    assert "1 of 9 samples are too long: training leaves them out" in html.split("</summary>")[0]
    holds = contract_section(ContractReport(9, 1, stop, (5, 2), 77, points[:1]), "kettle-135m")
    assert "✓ holds in all 1 points" in holds
    assert " open" not in holds
    alone = ContractReport(9, 0, StopSpec("<|im_end|>", 2, ("<|im_end|>",), ""), (2,), 77, points[:1])
    assert 'auto">&lt;|im_end|&gt;</bdi></code>, the tokens 2' in contract_section(alone, "kettle-135m")
    assert "too long" not in contract_section(alone, "kettle-135m")
    cut = ContractReport(9, 1, stop, (5, 2), 77, points[:1], trainer="trl")
    assert "1 of 9 samples are too long: training cuts them" in contract_section(cut, "kettle-135m")
    assert "--base" in contract_section(None, None)


def test_the_template_is_shown_as_its_file():
    html = template_section(COMMENTS)
    assert "↵↵### END" in html
    assert "name = &quot;comment-response&quot;" in html


def test_hidden_characters_are_the_same_in_both_languages():
    assert "\\U" not in hidden_in_javascript()
    assert "\\u{e0000}-\\u{e0fff}" in hidden_in_javascript()
    assert hidden_names()["202E"] == "RIGHT-TO-LEFT OVERRIDE"
    assert hidden_names()["200D"] == "ZERO WIDTH JOINER"
    assert "0041" not in hidden_names()


def test_the_code_is_small_and_loads_nothing():
    texts = [Path(chunks.__file__).with_name(f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    assert sum(text.count("\n") for text in texts) < 1000
    assert not re.search(
        r"innerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|XMLHttpRequest|import\s|https?://(?!www\.w3\.org)", "".join(texts)
    )
