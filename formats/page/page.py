"""Writes samples as one HTML page that needs nothing but itself: style, code and all samples are in it, and it can load nothing else.

The samples stand behind the code as compressed chunks, so that a browser shows the first ones while it still reads the rest. Texts come
to the page as text nodes only: `marked` in `text.js` does for them what `formats.visible.for_page` does for what is written here.
"""

import json
import re
import shutil
import tempfile
import unicodedata
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib import resources
from pathlib import Path
from string import Template as Form
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from formats.contract.report import ContractReport
from formats.page.chunks import TokenTable, cut_into_chunks, packed, sample_chunk
from formats.page.columns import Columns
from formats.page.sections import contract_section, template_section
from formats.templates.template import Template
from formats.tokens.text import end_token
from formats.visible import HIDDEN, for_page, for_terminal_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WORKERS = 4
"""Threads that compress: zlib works without Python's lock."""

SCRIPTS = ("data", "text", "search", "charts", "filters", "state", "tokens", "view", "inputs", "main")
"""The page's own code, in the order in which it stands there: one file a subject."""

_FILES = resources.files("formats.page")


@dataclass(frozen=True)
class Shown:
    """What a page is about.

    `name` is that of the samples. `base` names the base model whose tokenizer cuts them, and `tokenizer` is it: without it there is no
    view of tokens. `report` is that of the stop contract, where it was checked.
    """

    name: str
    template: Template
    base: str | None = None
    tokenizer: "PreTrainedTokenizerBase | None" = None
    report: ContractReport | None = None


def write_page(path: Path, shown: Shown, samples: Iterable[pl.DataFrame], told: Callable[[int], None] = lambda rows: None) -> int:
    """Writes the page, and gives the number of its samples.

    Args:
        samples: tables with id, prompt, completion, and where known split, community, score, created_at, num_tokens, toxicity. They are
            taken as they come; beside one of them and its compressed chunks, some 30 bytes for each sample are held.
        told: called with the number of samples so far.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    columns, table = Columns(), None if shown.tokenizer is None else TokenTable(shown.template, shown.tokenizer)
    unfinished = path.with_name(f".{path.name}.tmp")
    with tempfile.TemporaryFile(mode="w+", encoding="ascii", dir=path.parent) as rest:
        starts, rows, first = list[int](), 0, ""
        for part_rows, element in _elements(samples, shown.template, table, columns):
            if starts:
                rest.write(element)
            else:
                first = element
            starts.append(rows)
            rows += part_rows
            told(rows)
        if table is not None:
            rest.write(_block("token-table", packed(table.to_json().encode())))
        rest.seek(0)
        try:
            with unfinished.open("w", encoding="utf-8", newline="\n") as file:
                file.write(_head(shown, columns, starts, rows, first))
                shutil.copyfileobj(rest, file, 1 << 20)
                file.write("</body></html>\n")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return rows


def script() -> str:
    """The page's code: its files in one scope, in which they share what they declare."""
    parts = [(_FILES / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


def _elements(samples: Iterable[pl.DataFrame], template: Template, table: TokenTable | None, columns: Columns) -> Iterator[tuple[int, str]]:
    """The rows and the HTML of each chunk, in order; the columns and the tokens' numbers are taken on the way, in that order too."""
    under_way: deque[tuple[int, list[Future[str]]]] = deque()
    number = 0

    def done() -> tuple[int, str]:
        nonlocal number
        rows, parts = under_way.popleft()
        names = ("samples", "tokens")[: len(parts)]
        html = "".join(_block(f"{name}-{number}", part.result()) for name, part in zip(names, parts, strict=True))
        number += 1
        return rows, html

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="page") as pool:
        for rows in samples:
            encoded = None if table is None else table.encode(rows)
            columns.add(rows, None if encoded is None else np.array([len(row.input_ids) for row in encoded], np.int64))
            begin = 0
            for part in cut_into_chunks(rows):
                parts = [pool.submit(sample_chunk, part, template)]
                if table is not None and encoded is not None:
                    parts.append(pool.submit(packed, table.numbered(encoded[begin : begin + part.height])))
                begin += part.height
                under_way.append((part.height, parts))
                if len(under_way) > 2 * WORKERS:
                    yield done()
        while under_way:
            yield done()


def _head(shown: Shown, columns: Columns, starts: list[int], rows: int, first_chunk: str) -> str:
    """All that stands before the other chunks."""
    known = dict(columns.known()) if rows else {}
    style, code = (_FILES / "page.css").read_text(encoding="utf-8"), script()
    facts = [
        f"{rows:,} {'sample' if rows == 1 else 'samples'}",
        f"template {for_page(shown.template.name)}",
        *([f"tokens of {for_page(shown.base)}"] if shown.base else []),
    ]
    meta = {
        "rows": rows,
        "starts": starts,
        "columns": list(known),
        "labels": columns.labels(),
        "base": shown.base,
        "end": end_token(shown.template, shown.tokenizer),
        "hidden": hidden_in_javascript(),
        "names": hidden_names(),
    }
    return Form((_FILES / "page.html").read_text(encoding="utf-8")).substitute(
        policy=_policy(style, code),
        title=escape(for_terminal_line(f"{shown.name}: samples")),
        heading=for_page(shown.name),
        summary=" · ".join(facts),
        style=style,
        facts=contract_section(shown.report, shown.base) + template_section(shown.template),
        meta=json.dumps(meta, ensure_ascii=True).replace("<", "\\u003c"),
        columns="".join(_block(f"column-{name}", packed(values.astype("<i4").tobytes())) for name, values in known.items()),
        first_chunk=first_chunk,
        script=code,
    )


def _policy(style: str, code: str) -> str:
    """Only this style and this code: by their hashes, so that nothing that gets into the page can run, and nothing can be loaded."""
    hashes = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (style, code)]
    return f"default-src 'none'; style-src {hashes[0]}; script-src {hashes[1]}; base-uri 'none'; form-action 'none'"


def _block(name: str, data: str) -> str:
    """Data of the page, which a browser does not run; Base64 holds nothing that could end the element."""
    return f'<script type="application/octet-stream" id="{name}">{data}</script>\n'


def hidden_in_javascript() -> str:
    """`formats.visible.HIDDEN` in the language of JavaScript, flag `u`."""
    return re.sub(r"\\U0*([0-9a-f]+)", r"\\u{\1}", HIDDEN.pattern)


def hidden_names() -> dict[str, str]:
    """The Unicode names of hidden characters, by their code points."""
    codes = (code for code in (*range(0x20, 0x10000), *range(0xE0000, 0xE1000)) if HIDDEN.match(chr(code)))
    return {f"{code:04X}": name for code in codes if (name := unicodedata.name(chr(code), ""))}
