"""Checks the stop contract: of a folder of samples, of anybody's dataset, or of a finished adapter."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from curate.dataset_rows import open_dataset
from curate.splits import SPLITS
from formats.contract.checking import Trainer, check
from formats.contract.report import ContractReport, OutputRow
from formats.contract.rows import ASSISTANTS, Chats, Pairs, Rows
from formats.errors import ContractError, UserError
from formats.rendering.render import Turn, render_prompt
from formats.samples import TEMPLATE_FILE, folder_template, read_split
from formats.templates.template import BOT, Template

if TYPE_CHECKING:
    from train.bases.base_model import Base
    from train.settings import TrainSettings

PAIR = ("prompt", "completion")

OF_OTHERS = 1024
"""Tokens: the limit of TRL's `SFTConfig` (`max_length`) where none is set."""

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")


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


def check_any(name: str, asked: Asked, say: Callable[[str], None] = lambda line: None) -> ContractReport:
    """The stop contract over a folder of samples, or over anybody's dataset: a file, a folder of files, or `hub:USER/NAME`.

    Messages are rendered with a template for Lorum alone: other trainers render them with the base's own chat template.

    Args:
        asked: its base may be a folder with a tokenizer and nothing else; then the output row is not judged.
        say: is told in a line what of the samples' folder does not count.

    Raises:
        UserError: there are no rows of that name, they cannot be read as asked, or a template is named that the trainer does not read
            messages by.
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
    # Only our trainer trains an end token's rows without being told to.
    train_stop = TrainSettings().train_stop if trainer == "lorum" else "never"
    reads = Trainer(trainer, asked.max_tokens or usual, asked.assistant_only)
    first = next(parts, None)
    if first:
        parts = chain([first], parts)
    if isinstance(first, Chats) and template and trainer != "lorum":
        if asked.template:
            raise UserError(
                f"{trainer} renders messages with the base's own chat template, so nothing is made with {template.name}: "
                "leave --template out, or take --trainer lorum"
            )
        say(f"the folder's template ({template.name}) does not count: {trainer} renders messages with the base's own chat template")
        template = None
    return _checked(_rendered(parts, template), reads, template, _tokenizer_alone(asked.base) or _base(asked.base), train_stop)


def check_folder(samples: Path, base: str, max_tokens: int, train_stop: str = "auto") -> ContractReport:
    """The stop contract over the rows of all splits of a folder of samples, as Lorum's trainer reads them.

    Raises:
        UserError: the folder holds no samples, or the base cannot be found.
    """
    return _checked(_own_rows(samples, SPLITS), Trainer("lorum", max_tokens), folder_template(samples), _base(base), train_stop)


def require_contract(samples: Path, base: str, max_tokens: int, train_stop: str = "auto") -> ContractReport:
    """The report of a contract that holds.

    Args:
        train_stop: that of the training's settings: where it trains the end token's rows, a base that never did so is no obstacle.

    Raises:
        ContractError: it does not hold.
        UserError: the folder holds no samples, or the base cannot be found.
    """
    report = check_folder(samples, base, max_tokens, train_stop)
    if not report.holds:
        raise ContractError(f"the stop contract does not hold, so nothing was trained: {'; '.join(report.problems)}")
    return report


def require_fitting(settings: "TrainSettings") -> None:
    """Refuses settings of a training that its base or what is installed here does not allow, before any weight is loaded.

    Raises:
        UserError: they do not fit, or the base cannot be found.
    """
    from train.bases.fitting import check_fits
    from train.requirements import require_installed

    require_installed(settings)
    check_fits(settings, _base(settings.base).config)


def _checked(parts: Iterator[Rows], trainer: Trainer, template: Template | None, base: "Base", train_stop: str) -> ContractReport:
    from train.bases.base_model import load_tokenizer
    from train.bases.end_tokens import end_tokens

    return check(parts, trainer, load_tokenizer(base), template, partial(_output_row, base, train_stop), end_tokens(base))


def _output_row(base: "Base", train_stop: str, token: int) -> OutputRow:
    """What is known of a token's row, and whether the training will train it."""
    from train.bases.output_row import output_row

    row = output_row(base, token)
    return replace(row, to_train=train_stop == "always" or (train_stop == "auto" and row.trained is False))


def _base(name: str) -> "Base":
    from train.bases.base_model import resolve

    return resolve(name)


def _tokenizer_alone(name: str) -> "Base | None":
    """A base of which only the tokenizer is at hand, in a folder of this computer; None where it is anything else."""
    folder = Path(name)
    if (folder / "config.json").exists() or not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        return None
    from transformers import PreTrainedConfig

    from train.bases.base_model import Base, quieten

    quieten()
    location = str(folder.resolve())
    return Base(name, location, location, PreTrainedConfig())


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
        if any(message["role"] == "system" for message in messages):
            raise UserError(
                f"{row_id}: has a system message, which no sample of ours would have: there the system text is the template's; "
                "leave it out, or take another --trainer"
            )
        turns = [Turn(BOT if message["role"] in ASSISTANTS else "Speaker_0", message["content"]) for message in messages[:-1]]
        prompts.append(render_prompt(template, turns))
        completions.append(messages[-1]["content"].strip() + template.stop)
    return Pairs(chats.ids, prompts, completions)
