"""Lets contestants answer questions, and a judge compare their answers: each pair, on each question, in both orders."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Protocol

from formats.errors import UserError
from formats.samples import folder_template
from formats.tokens.encoding import SampleEncoder
from train.adapters.folder import Adapter, read_adapter
from train.bases.base_model import tokenizer_of
from train.evaluation.judging.contestants import answers_of, contestants
from train.evaluation.judging.judge_prompt import Asked, JudgePrompt, load_judge_prompt
from train.evaluation.judging.kept import Kept, kept_beside, key_of
from train.evaluation.judging.questions import Question, questions_of_file, questions_of_samples
from train.evaluation.judging.result import Example, JudgingResult, Meeting, example, summed_up
from train.progress import OnStage

_EQUAL = "(Both answers are the same: no judge was asked.)"
"""In the place of a judge's words."""


class Judge(Protocol):
    """Whoever replies to prompts: a local model, or one on a server."""

    name: str
    identity: tuple[str, ...]

    def replies(self, asked: Sequence[Asked]) -> Iterator[tuple[int, str]]:
        """The number of each prompt with its reply, in any order."""


@dataclass(frozen=True)
class JudgingSettings:
    """How contestants are judged.

    Args:
        prompt: a built-in judge prompt (choice, scores, forum), or a TOML file.
        questions: a file of questions; None: held-out prompts of the samples.
        count: questions at most; Vicuna's set, which the QLoRA paper judges by, has 80.
        shown: answers side by side in the result.
    """

    prompt: str = "choice"
    questions: Path | None = None
    count: int = 80
    seed: int = 0
    shown: int = 4


def judge_pairs(
    adapter: Path,
    against: Sequence[str],
    judge: Judge,
    samples: Path,
    settings: JudgingSettings | None = None,
    *,
    progress: OnStage = lambda what, done, total: None,
) -> JudgingResult:
    """Judges an adapter and those it meets, everybody against everybody.

    What was generated and what the judge said is kept in a hidden file beside the adapter, so that a judging that was killed goes on.

    Args:
        against: other adapters' folders, `base` for the adapter's base without it, or JSON-lines files of ready answers.
        samples: a samples folder, for questions and for the real replies that some judge prompts show.

    Raises:
        UserError: a contestant, the questions or the judge prompt is not there or not usable, or the judge cannot be asked.
    """
    settings = settings or JudgingSettings()
    prompt = load_judge_prompt(settings.prompt)
    players = contestants(adapter, against)
    if len(players) < 2:
        raise UserError("a judging needs somebody to meet: name another adapter, or base, with --against")
    questions = _questions(read_adapter(adapter), samples, settings, prompt)
    with Kept(kept_beside(adapter)) as kept:
        answers = [answers_of(player, questions, settings.seed, kept, progress) for player in players]
        meetings = _judged(questions, answers, prompt, judge, kept, progress)
    found = summed_up(meetings, [(player.name, player.kind) for player in players], len(questions), settings.seed)
    shown = _examples(meetings, questions, answers, [player.name for player in players], settings.shown)
    return JudgingResult(judge.name, prompt.name, prompt.about, len(questions), examples=shown, **found)


def _questions(adapter: Adapter, samples: Path, settings: JudgingSettings, prompt: JudgePrompt) -> list[Question]:
    if settings.questions is not None:
        return questions_of_file(settings.questions, settings.count, settings.seed, samples if prompt.has_references else None)
    encoder = SampleEncoder(folder_template(samples), tokenizer_of(adapter.base))

    def fits(text: str) -> bool:
        return len(encoder.prompt(text)) <= adapter.settings.max_tokens

    return questions_of_samples(samples, settings.count, settings.seed, fits, prompt.has_references)


def _judged(
    questions: Sequence[Question], answers: Sequence[Sequence[str]], prompt: JudgePrompt, judge: Judge, kept: Kept, progress: OnStage
) -> list[Meeting]:
    """Every pair on every question. Of two equal answers neither can win: they are a tie that no judge is asked about."""
    met = [(number, pair) for number in range(len(questions)) for pair in combinations(range(len(answers)), 2)]
    asked: list[Asked] = []
    meetings: list[Meeting | None] = []
    for number, (first, second) in met:
        question, one, other = questions[number], answers[first][number], answers[second][number]
        if one.strip() == other.strip():
            meetings.append(Meeting(number, (first, second), (_EQUAL, _EQUAL), ("tie", "tie"), asked=False))
            continue
        meetings.append(None)
        asked.append(prompt.ask(question.text, one, other, question.references))
        asked.append(prompt.ask(question.text, other, one, question.references))
    words = iter(_words(asked, judge, kept, progress))
    found = []
    for (number, pair), meeting in zip(met, meetings, strict=True):
        if meeting is None:
            both = next(words), next(words)
            meeting = Meeting(number, pair, both, (prompt.read(both[0]), prompt.read(both[1])))
        found.append(meeting)
    return found


def _words(asked: Sequence[Asked], judge: Judge, kept: Kept, progress: OnStage) -> list[str]:
    """What the judge replies to each prompt. Equal prompts, as where two contestants answer alike, are put to it once."""
    keys = [key_of("verdict", judge.identity, one.system, one.user, one.max_new_tokens) for one in asked]
    new = {key: one for key, one in zip(keys, asked, strict=True) if kept.get(key) is None}
    done = len(set(keys)) - len(new)
    progress("judge answers", done, len(set(keys)))
    open_keys = list(new)
    if new:
        for place, reply in judge.replies(list(new.values())):
            kept.put(open_keys[place], reply)
            done += 1
            progress("judge answers", done, len(set(keys)))
    return [kept.get(key) or "" for key in keys]


def _examples(
    meetings: Sequence[Meeting], questions: Sequence[Question], answers: Sequence[Sequence[str]], names: Sequence[str], count: int
) -> tuple[Example, ...]:
    """The first questions, with each of the pairs in turn."""
    pairs = len(names) * (len(names) - 1) // 2
    chosen = [meeting for place, meeting in enumerate(meetings) if place % pairs == meeting.question % pairs][:count]
    return tuple(
        example(
            meeting,
            questions[meeting.question].text,
            questions[meeting.question].category,
            (names[meeting.pair[0]], names[meeting.pair[1]]),
            (answers[meeting.pair[0]][meeting.question], answers[meeting.pair[1]][meeting.question]),
        )
        for meeting in chosen
    )
