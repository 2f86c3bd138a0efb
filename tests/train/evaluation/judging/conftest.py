"""An adapter's description without a model, answers from files, and judges that are functions."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from formats.contract.report import stop_spec
from formats.templates.template import Template
from tests.servers.chat_completions import Says, shown_answers
from train.adapters.folder import describe
from train.bases.base_model import Base, load_tokenizer
from train.evaluation.judging.judge_prompt import Asked
from train.settings import DecodingSettings, TrainSettings

Adapters = Callable[..., Path]


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory, base: Base, template: Template) -> Path:
    """An adapter's folder with weights of rank 1, as they are before any training."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("untrained") / "adapter"
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base.location), LoraConfig(r=1, target_modules=["q_proj"]))
    model.save_pretrained(str(folder))
    tokenizer = load_tokenizer(base)
    (folder / "template.toml").write_text(template.to_toml(), encoding="utf-8")
    (folder / "stop.json").write_text(stop_spec(template, tokenizer, 1.0).to_json(), encoding="utf-8")
    settings = TrainSettings(base=base.name, max_tokens=128, quantisation="none")
    describe(folder, template, tokenizer, settings, DecodingSettings(max_new_tokens=8), "# card\n")
    return folder


@pytest.fixture
def adapters(tmp_path: Path, untrained: Path) -> Adapters:
    """Makes an adapter's folder by its path."""
    return lambda path="adapter": Path(shutil.copytree(untrained, tmp_path / path))


class FunctionJudge:
    """A judge that replies what a function says of the two answers; `asked` are the prompts that were put to it."""

    name = "function"

    def __init__(self, says: Says, until: int | None = None) -> None:
        self.says = says
        self.identity = ("function", says.__name__)
        self.asked: list[Asked] = []
        self._until = until

    def replies(self, asked: Sequence[Asked]) -> Iterator[tuple[int, str]]:
        for place, one in reversed(list(enumerate(asked))):
            if len(self.asked) == self._until:
                raise KeyboardInterrupt
            self.asked.append(one)
            yield place, self.says(*shown_answers(one.user))


def write_jsonl(file: Path, rows: Sequence[dict[str, object]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file
