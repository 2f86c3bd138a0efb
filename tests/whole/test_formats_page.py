"""The page on formats shows what the code says and its commands print, and its examples train with TRL."""

import re
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from docs.make_formats import EXAMPLES, PAGE, judged_forum, page
from formats.contract.report import stop_spec
from formats.templates.template import Template, built_in, load_template
from formats.tokens.encoding import NO_LOSS

TEXT = PAGE.read_text(encoding="utf-8")
TEMPLATE = load_template("comment-response")
CHAT = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
PLACES = 'MODEL, SAMPLES = "HuggingFaceTB/SmolLM2-135M-Instruct", "samples"'
STEPS = "max_steps=200"


def test_the_page_shows_what_the_code_says_and_its_commands_print() -> None:
    assert page() == TEXT, "run: python docs/make_formats.py"


def test_every_built_in_template_and_every_key_has_its_place() -> None:
    assert re.findall(r"^### (\S+)\n\n```toml$", TEXT, re.MULTILINE) == built_in()
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == set(Template.__dataclass_fields__)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples of the sample forum, short ones."""
    from curate.samples import make_samples
    from curate.splits import SplitSettings

    folder = tmp_path_factory.mktemp("forum")
    (folder / "work").mkdir()
    with judged_forum(folder):
        make_samples(folder / "work" / "judged", folder / "samples", TEMPLATE, max_turns=2, split=SplitSettings((0.02, 0.96, 0.02)))
    return folder / "samples"


@pytest.fixture(scope="module")
def tokenizer(base_folder: Path) -> PreTrainedTokenizerBase:
    """That of the base model, with a chat template."""
    found = AutoTokenizer.from_pretrained(base_folder)
    found.chat_template = CHAT
    return found


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_trains_with_trl_on_samples_as_they_are(
    path: Path, samples: Path, base_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    tokenizer.save_pretrained(tmp_path / "base")
    for file in base_folder.glob("*model*"):
        (tmp_path / "base" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "base" / "config.json").write_bytes((base_folder / "config.json").read_bytes())
    source = path.read_text(encoding="utf-8")
    assert source.count(PLACES) == source.count(STEPS) == 1
    source = source.replace(PLACES, f"MODEL, SAMPLES = {str(tmp_path / 'base')!r}, {str(samples)!r}")
    names: dict[str, Any] = {}
    exec(source.replace(STEPS, "max_steps=1, use_cpu=True, bf16=False, report_to='none'"), names)
    trainer = names["trainer"]
    assert trainer.state.global_step == 1
    end = stop_spec(TEMPLATE, tokenizer).token_id
    rows = [row for row in trainer.train_dataset if len(row["input_ids"]) < 512]
    assert len(rows) > 20
    for row in rows:
        learned = [token for token in row["labels"] if token != NO_LOSS]
        said = tokenizer.decode(learned)
        assert learned[-1] == end
        assert said.endswith("<|end|>" if path.stem == "messages" else "### END<|end|>")
        assert ("### Comment:" in said) == (path.stem == "text")
