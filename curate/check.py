"""Checks the stop contract: of a folder of samples, of anybody's dataset, or of a finished adapter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from curate.dataset_rows import open_dataset
from curate.splits import SPLITS
from formats.contract.checking import OutputRowOf, Trainer, check
from formats.contract.report import ContractReport
from formats.contract.rows import ASSISTANTS, Chats, Pairs, Rows
from formats.errors import ContractError, UserError
from formats.rendering.render import Turn, render_prompt
from formats.samples import TEMPLATE_FILE, folder_template, read_split
from formats.templates.template import BOT, Template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAIR = ("prompt", "completion")

OF_OTHERS = 1024
"""Tokens: the limit of TRL's `SFTConfig` (`max_length`) where none is set."""


@dataclass(frozen=True)
class Asked:
    """What is checked and how: the options of `lorum check`.

    What is None is decided by what is checked: a folder of samples has its template, and is read as Lorum's trainer reads it; anything
    else is read as TRL does. Each trainer has its own limit of tokens.
    """

    base: str
    max_tokens: int | None = None
    template: Template | None = None
    trainer: str | None = None
    split: str | None = None
    columns: Sequence[str] = ()
    assistant_only: bool = False


def check_any(name: str, asked: Asked) -> ContractReport:
    """The stop contract over a folder of samples, or over anybody's dataset: a file, a folder of files, or `hub:USER/NAME`.

    Raises:
        UserError: there are no rows of that name, or they cannot be read as asked.
    """
    from train.settings import TrainSettings

    folder = Path(name)
    ours = (folder / TEMPLATE_FILE).is_file()
    template = asked.template or (folder_template(folder) if ours else None)
    trainer = asked.trainer or ("lorum" if ours else "trl")
    if ours and not asked.columns:
        parts = _own_rows(folder, [asked.split] if asked.split else SPLITS)
    else:
        parts = open_dataset(name, asked.split, asked.columns)
    usual = TrainSettings().max_tokens if trainer == "lorum" else OF_OTHERS
    reads = Trainer(trainer, asked.max_tokens or usual, asked.assistant_only)
    tokenizer, row = _base(asked.base)
    return check(_rendered(parts, template), reads, tokenizer, template, row)


def check_folder(samples: Path, base: str, max_tokens: int) -> ContractReport:
    """The stop contract over the rows of all splits of a folder of samples, as Lorum's trainer reads them.

    Raises:
        UserError: the folder holds no samples, or the base cannot be found.
    """
    template = folder_template(samples)
    tokenizer, row = _base(base)
    return check(_own_rows(samples, SPLITS), Trainer("lorum", max_tokens), tokenizer, template, row)


def require_contract(samples: Path, base: str, max_tokens: int) -> ContractReport:
    """The report of a contract that holds.

    Raises:
        ContractError: it does not hold.
        UserError: the folder holds no samples, or the base cannot be found.
    """
    report = check_folder(samples, base, max_tokens)
    if not report.holds:
        raise ContractError(f"the stop contract does not hold, so nothing was trained: {'; '.join(report.problems)}")
    return report


def _base(name: str) -> tuple["PreTrainedTokenizerBase", OutputRowOf]:
    """The tokenizer of a base, and what says whether the base can put out a token."""
    from train.base_model import load_tokenizer, resolve
    from train.output_row import output_row

    base = resolve(name)
    return load_tokenizer(base), partial(output_row, base)


def _own_rows(folder: Path, splits: Sequence[str]) -> Iterator[Rows]:
    for split in splits:
        read_split(folder, split, ["id", *PAIR], first=1)
        yield from open_dataset(str(folder / f"{split}.parquet"), columns=PAIR)


def _rendered(parts: Iterator[Rows], template: Template | None) -> Iterator[Rows]:
    """Chats as prompts and completions where there is a template to render them with."""
    for part in parts:
        yield _pairs(part, template) if template and isinstance(part, Chats) else part


def _pairs(chats: Chats, template: Template) -> Pairs:
    prompts, completions = [], []
    for row_id, messages in zip(chats.ids, chats.messages, strict=True):
        if not messages or messages[-1]["role"] not in ASSISTANTS:
            raise UserError(f"{row_id}: its last message is not the assistant's, so there is no reply to learn; leave this row out")
        turns = [Turn(BOT if message["role"] in ASSISTANTS else "Speaker_0", message["content"]) for message in messages[:-1]]
        prompts.append(render_prompt(template, turns))
        completions.append(messages[-1]["content"].strip() + template.stop)
    return Pairs(chats.ids, prompts, completions)
