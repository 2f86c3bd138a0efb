"""What contestants are asked: held-out prompts of the samples, or questions from a file."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from formats.errors import UserError
from formats.rendering.conversations import Turn
from formats.rendering.parsing import parse
from formats.samples import folder_template, read_split
from formats.templates.template import BOT, Template
from formats.visible import cut

REFERENCES = 4
"""Real replies that a judge is shown where its prompt asks for them."""

_LONGEST_REFERENCE = 600
"""Characters of such a reply."""


@dataclass(frozen=True)
class Question:
    """A question: `turns` as anybody may render them, and `prompt`, rendered with `template`, where it comes from samples.

    `references` are real replies to other prompts of the same forum.
    """

    id: str
    turns: tuple[Turn, ...]
    category: str = ""
    prompt: str | None = None
    template: Template | None = None
    references: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The question as a judge reads it; in a conversation, every turn begins with who speaks."""
        texts = [f"{turn.title}\n\n{turn.text}".strip() if turn.title else turn.text for turn in self.turns]
        if len(texts) == 1:
            return texts[0]
        named = ("The one who is to answer" if turn.speaker == BOT else turn.speaker.replace("Speaker_", "Speaker ") for turn in self.turns)
        return "\n\n".join(f"{name}: {text}" for name, text in zip(named, texts, strict=True))


def questions_of_samples(
    folder: Path, count: int, seed: int, fits: Callable[[str], bool] = lambda prompt: True, references: bool = False
) -> list[Question]:
    """Different prompts of the test and validation splits, whose threads the training never saw, drawn by the seed.

    Args:
        fits: whether a contestant can read the prompt, which is left out otherwise.
        references: draw real replies as well.

    Raises:
        UserError: there are no such splits, or no prompt in them that fits.
    """
    template, rows = folder_template(folder), _held_out(folder)
    drawn = random.Random(seed)
    order = drawn.sample(range(rows.height), rows.height)
    seen: set[str] = set()
    found: list[Question] = []
    for place in order:
        name, prompt, _ = rows.row(place)
        if len(found) == count:
            break
        turns = tuple(parse(prompt, template)) if prompt not in seen and fits(prompt) else ()
        seen.add(prompt)
        if turns:
            shown = draw_references(rows, template, drawn, prompt) if references else ()
            found.append(Question(name, turns, prompt=prompt, template=template, references=shown))
    if not found:
        raise UserError(f"{folder}: its test and validation splits hold no prompt that the contestants can read; hold more threads out")
    return found


def questions_of_file(file: Path, count: int, seed: int, samples: Path | None = None) -> list[Question]:
    """Questions of a file: JSON lines with `text` (or `turns`, of which the first is taken), `question_id` and `category`, or plain lines.

    JSON lines are what Vicuna's question.jsonl and MT-Bench's have. Of more than `count`, so many are drawn, in the file's order.

    Args:
        samples: where real replies are drawn from; None: they are not wanted.

    Raises:
        UserError: the file is missing or empty, or a line of it is no question.
    """
    questions = list(_read_questions(file))
    if not questions:
        raise UserError(f"{file}: holds no question; write one in each line")
    ids = [question.id for question in questions]
    twice = next((name for place, name in enumerate(ids) if name in ids[:place]), None)
    if twice is not None:
        raise UserError(f"{file}: question_id {twice} stands there twice; give each question its own")
    drawn = random.Random(seed)
    if len(questions) > count:
        questions = [questions[place] for place in sorted(drawn.sample(range(len(questions)), count))]
    if samples is None:
        return questions
    template, rows = folder_template(samples), _held_out(samples)
    return [replace(one, references=draw_references(rows, template, drawn)) for one in questions]


def draw_references(rows: pl.DataFrame, template: Template, drawn: random.Random, but: str | None = None) -> tuple[str, ...]:
    """Real replies of held-out samples as text, none of them to the prompt `but`: that would show the judge what to look for."""
    replies = rows.filter(pl.col("prompt") != but)["completion"] if but is not None else rows["completion"]
    chosen = drawn.sample(range(len(replies)), min(REFERENCES, len(replies)))
    plain = template.escaper.unescape
    return tuple(cut(plain(replies[place].removesuffix(template.stop)), _LONGEST_REFERENCE) for place in chosen)


def lines_of(file: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not empty, with their numbers.

    Raises:
        UserError: there is no such file, or it is no text.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise UserError(f"{file}: is no text in UTF-8") from None
    return ((number, line.strip()) for number, line in enumerate(lines, 1) if line.strip())


def read_object(file: Path, number: int, line: str) -> dict[str, Any]:
    """The JSON object in a line.

    Raises:
        UserError: there is none.
    """
    try:
        value = json.loads(line)
    except ValueError as error:
        raise UserError(f"{file} line {number}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{file} line {number}: expected a JSON object, found {type(value).__name__}")
    return value


def _read_questions(file: Path) -> Iterator[Question]:
    is_json: bool | None = None
    for number, line in lines_of(file):
        is_json = line.startswith("{") if is_json is None else is_json
        if not is_json:
            yield Question(str(number), (Turn("Speaker_0", line),))
            continue
        value = read_object(file, number, line)
        turns = value.get("turns")
        text = value.get("text") if value.get("text") is not None else turns[0] if isinstance(turns, list) and turns else None
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"{file} line {number}: has no `text`; a question needs one")
        yield Question(str(value.get("question_id", number)), (Turn("Speaker_0", text.strip()),), str(value.get("category") or ""))


def _held_out(folder: Path) -> pl.DataFrame:
    """Id, prompt and completion of the test split's samples, then of the validation split's."""
    splits = []
    for split in ("test", "validation"):
        rows = read_split(folder, split, ("prompt", "completion"))
        has_ids = "id" in pl.read_parquet_schema(folder / f"{split}.parquet")
        ids = read_split(folder, split, ("id",))["id"] if has_ids else pl.Series("id", [f"{split} {row}" for row in range(rows.height)])
        splits.append(rows.select(ids.cast(pl.String).alias("id"), "prompt", "completion"))
    return pl.concat(splits)
