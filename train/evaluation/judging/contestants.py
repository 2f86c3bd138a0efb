"""Who is judged: adapters, a base model without one, and answers from a file."""

import datetime
import gc
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from formats.errors import UserError
from formats.rendering.render import render_prompt
from formats.templates.template import Template
from formats.templates.values import Values
from formats.tokens.encoding import SampleEncoder
from train.adapters.folder import Adapter, generation_config, read_adapter
from train.answers.generate import attach, generate, refuse_beyond_context
from train.bases.base_model import load_for_generation, load_tokenizer, resolve
from train.evaluation.judging.kept import Kept, key_of
from train.evaluation.judging.questions import Question, lines_of, read_object
from train.progress import OnStage

BASE = "base"
"""In the place of a contestant's path: the adapter's base model without the adapter."""


@dataclass(frozen=True)
class Contestant:
    """Somebody who answers: `kind` says where the answers come from, `path` the adapter (of a base: the adapter's) or the file."""

    name: str
    kind: Literal["adapter", "base", "file"]
    path: Path


def contestants(adapter: Path, against: Sequence[str]) -> list[Contestant]:
    """The adapter, and those it meets, under names of their own: as much of the end of their paths as tells them apart.

    Args:
        against: adapter folders, `base`, or JSON-lines files of ready answers.

    Raises:
        UserError: one of them is not there, is no adapter, or is named twice.
    """
    read_adapter(adapter)
    kinds: list[tuple[Literal["adapter", "base", "file"], Path]] = [("adapter", adapter)]
    for name in against:
        path = Path(name)
        if name == BASE:
            kinds.append(("base", adapter))
        elif path.is_dir():
            read_adapter(path)
            kinds.append(("adapter", path))
        elif path.is_file():
            kinds.append(("file", path))
        else:
            raise UserError(f"--against {name}: no such adapter or file; give an adapter's folder, {BASE}, or a JSON-lines file of answers")
    places = [BASE if kind == "base" else str(path.resolve()) for kind, path in kinds]
    twice = next((place for index, place in enumerate(places) if place in places[:index]), None)
    if twice is not None:
        raise UserError(f"--against {twice}: is named twice, or is the adapter itself; name each contestant once")
    for parts in range(1, max(len(Path(place).parts) for place in places) + 1):
        names = ["/".join(Path(place).parts[-parts:]).removesuffix(".jsonl") for place in places]
        if len(set(names)) == len(names):
            break
    return [Contestant(name, kind, path) for name, (kind, path) in zip(names, kinds, strict=True)]


def answers_of(contestant: Contestant, questions: Sequence[Question], seed: int, kept: Kept, progress: OnStage) -> list[str]:
    """The contestant's answers, one to each question in their order.

    Models answer with the decoding that the adapter ships; a base decodes as its adapter does. What was generated is kept under a key of
    weights, decoding, prompts and seed.

    Raises:
        UserError: a question has no answer in the file, or is longer than the model can read.
    """
    if contestant.kind == "file":
        return _ready(contestant.path, questions)
    adapter = read_adapter(contestant.path)
    prompts = [prompt_of(question, adapter.template) for question in questions]
    of_adapter = _digest(adapter.folder) if contestant.kind == "adapter" else None
    key = key_of("answers", adapter.base, of_adapter, adapter.template.to_toml(), adapter.decoding.model_dump(), prompts, seed)
    before = kept.get(key)
    if before is not None:
        progress(f"answers of {contestant.name}", len(questions), len(questions))
        return list(json.loads(before))
    progress(f"answers of {contestant.name}", 0, len(questions))
    texts = _generated(adapter, prompts, seed, without=contestant.kind == "base")
    kept.put(key, json.dumps(texts))
    progress(f"answers of {contestant.name}", len(questions), len(questions))
    return texts


def prompt_of(question: Question, template: Template) -> str:
    """The question in a template; word for word as in the samples where they have the same one."""
    if question.prompt is not None and question.template == template:
        return question.prompt
    return render_prompt(template, question.turns, Values(date=datetime.date.today()))


def _generated(adapter: Adapter, prompts: Sequence[str], seed: int, without: bool) -> list[str]:
    base = resolve(adapter.base)
    tokenizer = load_tokenizer(base)
    config = generation_config(adapter.decoding, adapter.template, tokenizer)
    encoder = SampleEncoder(adapter.template, tokenizer)
    refuse_beyond_context(base, max(len(encoder.prompt(prompt)) for prompt in prompts), adapter.decoding.max_new_tokens)
    loaded = load_for_generation(base, adapter.settings.quantisation)
    model = loaded if without else attach(loaded, adapter)
    try:
        replies = generate(model, tokenizer, adapter.template, prompts, config, seed=seed)
    finally:
        del model, loaded
        free_memory()
    return [reply.text for reply in replies]


def free_memory() -> None:
    """Gives back what a model held that nobody refers to any more, before the next one is loaded."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _digest(folder: Path) -> str:
    """Of an adapter's weights and their settings."""
    digest = hashlib.sha256()
    for file in (folder / "adapter_config.json", folder / "adapter_model.safetensors"):
        if file.is_file():
            with file.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


def _ready(file: Path, questions: Sequence[Question]) -> list[str]:
    """Answers of a file: JSON lines with `question_id` and `text`, as Vicuna's answer files have, or `answer`."""
    answers: dict[str, str] = {}
    for number, line in lines_of(file):
        value: dict[str, Any] = read_object(file, number, line)
        text = value.get("text") if value.get("text") is not None else value.get("answer")
        if "question_id" not in value or not isinstance(text, str):
            raise UserError(f"{file} line {number}: has no question_id, or no text; an answer needs both")
        answers[str(value["question_id"])] = text.strip()
    missing = [question.id for question in questions if question.id not in answers]
    if missing:
        raise UserError(f"{file}: has no answer to {len(missing)} of the {len(questions)} questions, such as question_id {missing[0]}")
    return [answers[question.id] for question in questions]
