"""Reads a folder of samples: its splits and its template."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from formats.errors import UserError
from formats.templates.template import Template, read_template

TEMPLATE_FILE = "template.toml"


def read_split(folder: Path, split: str, columns: Sequence[str] = ("prompt", "completion"), first: int | None = None) -> pl.DataFrame:
    """These columns of one split, or of its first rows, without nulls in prompt and completion.

    Raises:
        UserError: the file is missing, not Parquet, lacks a column, or has a null where a text must be.
    """
    path = folder / f"{split}.parquet"
    try:
        held = pl.read_parquet_schema(path)
        missing = [name for name in columns if name not in held]
        table = pl.read_parquet(path, columns=[name for name in columns if name in held], n_rows=first, glob=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {_instead(folder)}") from None
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{path}: not a Parquet file ({' '.join(str(error).split())}); write it again with `lorum format`") from None
    if missing:
        raise UserError(f"{path}: has no column {missing[0]!r}; write it again with `lorum format`")
    for name in {"prompt", "completion"} & set(columns):
        if table.schema[name] != pl.String or table[name].null_count():
            raise UserError(f"{path}: {name} has rows without a text; every sample needs one: write it again with `lorum format`")
    return table


def folder_template(folder: Path) -> Template:
    """The template of a samples folder, or of an adapter.

    Raises:
        UserError: it is missing or no valid template.
    """
    path = folder / TEMPLATE_FILE
    if not path.is_file():
        raise UserError(f"{path}: no such file; {_instead(folder)}")
    return read_template(path)


def _instead(folder: Path) -> str:
    """What to give in the place of a folder that holds no samples, as that of a whole run, which has them in a folder of their own."""
    if (folder / "samples" / TEMPLATE_FILE).is_file():
        return f"did you mean {folder / 'samples'}?"
    return "give a folder of samples, as `lorum format` writes it"
