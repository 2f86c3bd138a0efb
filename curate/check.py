"""Checks the stop contract on a folder of samples with a base model's tokenizer."""

from pathlib import Path

import polars as pl

from curate.splits import SPLITS
from formats.contract import ContractReport, check_samples
from formats.errors import ContractError
from formats.samples import folder_template, read_split


def check_folder(samples: Path, base: str, max_tokens: int) -> ContractReport:
    """The stop contract over the rows of all splits; see `formats.contract.check_samples`.

    Raises:
        UserError: the folder holds no samples, or the base cannot be found.
    """
    from train.base_model import load_tokenizer, resolve

    template = folder_template(samples)
    rows = pl.concat(read_split(samples, split, ["id", "prompt", "completion"]) for split in SPLITS)
    ids, prompts, completions = (rows[name].to_list() for name in ("id", "prompt", "completion"))
    return check_samples(ids, prompts, completions, template, load_tokenizer(resolve(base)), max_tokens)


def require_contract(samples: Path, base: str, max_tokens: int) -> ContractReport:
    """The report of a contract that holds.

    Raises:
        ContractError: it does not hold.
    """
    report = check_folder(samples, base, max_tokens)
    if not report.holds:
        raise ContractError(f"the stop contract does not hold, so nothing was trained: {'; '.join(report.problems)}")
    return report
