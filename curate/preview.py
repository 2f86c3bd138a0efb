"""Looks at a folder of samples: some of them on the terminal, or all of them as a page."""

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.engine import Progress, silent
from curate.splits import SPLITS
from formats.errors import UserError
from formats.page.page import Shown, write_page
from formats.preview import counts, legend, preview, preview_tokens
from formats.samples import folder_template, read_split
from formats.tokens.encoding import encode_sample
from formats.tokens.text import end_token
from formats.visible import for_terminal, for_terminal_line

if TYPE_CHECKING:
    from rich.console import Console
    from transformers import PreTrainedTokenizerBase

    from formats.contract.report import ContractReport

ROWS_AT_ONCE = 4_096
"""Samples that are read together for a page: some megabytes of text."""

_HEAD = 4_096
"""Characters of a page that hold its title."""

NEXT_SAMPLE = "\f\n"
"""Between two samples that are printed plain: a line with a form feed, which no sample can hold as it is printed."""

_PAGE_COLUMNS = ("id", "community", "created_at", "score", "prompt", "completion", "num_tokens", "toxicity")


@dataclass(frozen=True)
class Reader:
    """A base model by name, and its tokenizer, by which samples are shown in tokens."""

    base: str
    tokenizer: "PreTrainedTokenizerBase"


def reader_of(base: str) -> Reader:
    """The tokenizer of a base model.

    Raises:
        UserError: there is no such base, or it has none.
    """
    from train.bases.base_model import tokenizer_of

    return Reader(base, tokenizer_of(base))


def draw_samples(folder: Path, count: int, split: str = "train", seed: int = 0) -> pl.DataFrame:
    """Samples of one split with all their columns, drawn by the seed, in the order of the file; fewer where it holds no more.

    Raises:
        UserError: the folder holds no such split.
    """
    read_split(folder, split, ["id", "prompt", "completion"], first=0)
    path = folder / f"{split}.parquet"
    rows = pl.scan_parquet(path, glob=False)
    height = int(rows.select(pl.len()).collect().item())
    chosen = sorted(random.Random(seed).sample(range(height), min(count, height)))
    return rows.with_row_index("row").filter(pl.col("row").is_in(chosen)).drop("row").collect(engine="streaming")


def find_samples(folder: Path, ids: Sequence[str]) -> pl.DataFrame:
    """The samples with these ids, of whichever split, in the order of the ids, with a column `split`.

    Raises:
        UserError: there is no such sample.
    """
    found = []
    for split in SPLITS:
        read_split(folder, split, ["id", "prompt", "completion"], first=0)
        rows = pl.scan_parquet(folder / f"{split}.parquet", glob=False).filter(pl.col("id").is_in(list(ids)))
        found.append(rows.with_columns(pl.lit(split).alias("split")).collect(engine="streaming"))
    table = pl.concat(found, how="diagonal_relaxed")
    missing = [wanted for wanted in ids if wanted not in set(table["id"])]
    if missing:
        raise UserError(f"{folder}: no sample has the id {missing[0]}; ids are those of the replies, as t1_abc")
    return pl.concat([table.filter(pl.col("id") == wanted) for wanted in dict.fromkeys(ids)])


def print_samples(
    folder: Path, samples: pl.DataFrame, reader: Reader | None = None, *, tokens: bool = False, console: "Console | None" = None
) -> None:
    """Prints samples of a folder, part by part, or token by token; with a reader also how many tokens each has."""
    from rich.console import Console
    from rich.text import Text

    template = folder_template(folder)
    end = None if reader is None else end_token(template, reader.tokenizer)
    console = console or Console(highlight=False)
    printed = []
    for sample in samples.iter_rows(named=True):
        facts, shown = _facts(sample), preview(sample["prompt"], sample["completion"], template, end)
        if reader is not None:
            encoded = encode_sample(template, sample["prompt"], sample["completion"], reader.tokenizer)
            facts.append(counts(encoded))
            shown = preview_tokens(encoded, reader.tokenizer) if tokens else shown
        elif sample.get("num_tokens") is not None:
            facts.append(f"{sample['num_tokens']:,} tokens")
        # A string would be read as markup, in which a text may say what it likes.
        printed.append((Text.assemble((for_terminal_line(sample["id"]), "bold"), (" · ".join(["", *facts]), "dim")), shown))
    console.print(Text(legend([shown for _, shown in printed], console.width), "dim"))
    for head, shown in printed:
        console.print()
        console.print(head)
        console.print(shown)


def plain(samples: pl.DataFrame) -> str:
    """The texts of samples and nothing else, a line with a form feed between two; hidden characters are shown as on any terminal."""
    texts = samples.select(pl.col("prompt") + pl.col("completion")).to_series()
    return f"\n{NEXT_SAMPLE}".join(for_terminal(text) for text in texts) + "\n"


@dataclass(frozen=True)
class PageWritten:
    """A page of samples: where it is, how many samples it has, its size in bytes, and whether the stop contract holds, if asked."""

    page: str
    samples: int
    bytes: int
    contract_holds: bool | None


def write_sample_page(folder: Path, path: Path, reader: Reader | None, max_tokens: int, progress: Progress = silent) -> PageWritten:
    """Writes all samples of a folder as one page; with a reader also their tokens and the result of the stop contract.

    Raises:
        UserError: the folder holds no samples, or the path something else than such a page.
    """
    _refuse_to_replace(path)
    template = folder_template(folder)
    total = sum(_height(folder, split) for split in SPLITS)
    if not total:
        raise UserError(f"{folder}: holds no sample to show; loosen the filters and run `lorum format` again")
    report = None if reader is None else _report(folder, reader, max_tokens)
    name = folder.resolve().name if folder.resolve().name != "samples" else folder.resolve().parent.name
    shown = Shown(name, template) if reader is None else Shown(name, template, reader.base, reader.tokenizer, report)
    rows = write_page(path, shown, _tables(folder), lambda done: progress("page", done, total))
    return PageWritten(str(path), rows, path.stat().st_size, None if report is None else report.holds)


def _refuse_to_replace(path: Path) -> None:
    """A page takes the place of an older one only: what else stands there may be the samples themselves."""
    if not path.exists():
        return
    begin = ""
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            begin = file.read(_HEAD)
    if not begin.startswith("<!doctype html>") or ": samples</title>" not in begin:
        raise UserError(f"{path}: is there and no page of samples, so it is not replaced; name another file with --html")


def _report(folder: Path, reader: Reader, max_tokens: int) -> "ContractReport":
    from curate.check import check_folder

    return check_folder(folder, reader.base, max_tokens)


def _height(folder: Path, split: str) -> int:
    read_split(folder, split, ["id", "prompt", "completion"], first=0)
    return int(pl.scan_parquet(folder / f"{split}.parquet", glob=False).select(pl.len()).collect().item())


def _tables(folder: Path) -> Iterator[pl.DataFrame]:
    """The samples of all splits, as many at once as a page takes."""
    import pyarrow.parquet

    for split in SPLITS:
        with closing(pyarrow.parquet.ParquetFile(folder / f"{split}.parquet")) as file:
            held = [name for name in _PAGE_COLUMNS if name in file.schema_arrow.names]
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=held, use_threads=False):
                table = pl.from_arrow(batch)
                assert isinstance(table, pl.DataFrame)
                yield table.with_columns(pl.lit(split).alias("split"))


def _facts(sample: dict[str, Any]) -> list[str]:
    """What is known of a sample beside its text, in words."""
    facts = [for_terminal_line(sample[name]) for name in ("split", "community") if sample.get(name)]
    if sample.get("created_at") is not None:
        facts.append(f"{sample['created_at']:%Y-%m-%d}")
    if sample.get("score") is not None:
        facts.append(f"score {sample['score']:,}")
    if isinstance(sample.get("toxicity"), float) and not math.isnan(sample["toxicity"]):
        facts.append(f"toxicity {sample['toxicity']:.2f}")
    return facts
