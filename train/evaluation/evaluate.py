"""Compares an adapter with its base on held-out samples: perplexity of the replies, and how often an answer stops."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from formats.errors import UserError
from formats.samples import folder_template, read_split
from formats.templates.template import Template
from formats.tokens.encoding import Encoded, encode_samples
from train.adapters.folder import Adapter, generation_config, note_termination, read_adapter
from train.answers.generate import Reply, attach, generate
from train.bases.base_model import load_for_generation, load_tokenizer, resolve
from train.learning.batches import flatten
from train.learning.loss import token_losses
from train.settings import EvalSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

OnStage = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

LOOP_TOKENS, LOOP_TIMES = 4, 3


@dataclass(frozen=True)
class Termination:
    """How many of the answers stopped by themselves within `max_new_tokens`.

    `looped` is the share of the others in which some run of four tokens stands three times or more: a loop, not a stop never learned.
    `mean_tokens` is the length of the answers that stopped, their stop included; `empty` counts answers without any text.
    """

    prompts: int
    stopped: int
    max_new_tokens: int
    looped: float
    mean_tokens: float
    empty: int

    @property
    def rate(self) -> float:
        """Share of the answers that stopped."""
        return self.stopped / self.prompts if self.prompts else 0.0


@dataclass(frozen=True)
class Perplexity:
    """exp of the mean cross-entropy a token, over held-out replies given their prompts.

    `reply` counts the replies' own tokens only, `with_stop` those of the stop as well: a base that never stops is bad at the second.
    `stop_probability` is the mean probability of the whole stop where a reply truly ends.
    """

    reply: float
    with_stop: float
    stop_probability: float
    samples: int
    tokens: int


@dataclass(frozen=True)
class Figures:
    """What was measured of one model. `greedy` always takes the likeliest token; `shipped` decodes as the adapter's settings say."""

    perplexity: Perplexity
    greedy: Termination
    shipped: Termination


@dataclass(frozen=True)
class Example:
    """A held-out prompt, the forum's own reply, and both models' answers with the shipped decoding."""

    prompt: str
    forum: str
    base: str
    adapter: str


@dataclass(frozen=True)
class Evaluation:
    """An adapter against its base."""

    base: Figures
    adapter: Figures
    examples: tuple[Example, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, termination rates included."""
        plain = asdict(self)
        for model in ("base", "adapter"):
            for decoding in ("greedy", "shipped"):
                plain[model][decoding]["rate"] = getattr(getattr(self, model), decoding).rate
        return plain


def evaluate(
    adapter_folder: Path, samples: Path, settings: EvalSettings | None = None, *, progress: OnStage = lambda what, done, total: None
) -> Evaluation:
    """Measures an adapter and its base on the test and validation splits of a samples folder, whose threads the training never saw.

    Raises:
        UserError: the adapter, its base or the samples are not there, or the samples have another template.
    """
    settings = settings or EvalSettings()
    adapter = read_adapter(adapter_folder)
    template = folder_template(samples)
    if template != adapter.template:
        raise UserError(f"{samples}: its template is {template.name}, the adapter's is {adapter.template.name}; give the adapter's samples")
    base = resolve(adapter.base)
    tokenizer = load_tokenizer(base)
    held_out = _held_out(samples, template, tokenizer, adapter.settings.max_tokens)
    chosen = _distinct_prompts(held_out, settings)

    def measured(name: str, model: "PreTrainedModel", done: int) -> tuple[Figures, list[Reply]]:
        progress("measure base and adapter", done, 6)
        figures = perplexity(model, [row.encoded for row in held_out[: settings.perplexity_samples]])
        progress("measure base and adapter", done + 1, 6)
        answers: dict[bool, list[Reply]] = {}
        for greedy in (True, False):
            decoding = adapter.decoding.model_copy(update={"max_new_tokens": settings.max_new_tokens})
            config = generation_config(decoding, template, tokenizer, greedy=greedy)
            answers[greedy] = generate(model, tokenizer, template, [row.prompt for row in chosen], config, seed=settings.seed)
            progress("measure base and adapter", done + 2 + (not greedy), 6)
        ended = {greedy: termination(replies, settings.max_new_tokens) for greedy, replies in answers.items()}
        return Figures(figures, ended[True], ended[False]), answers[False]

    model = load_for_generation(base, adapter.settings.quantisation)
    of_base, base_answers = measured("base", model, 0)
    of_adapter, adapter_answers = measured("adapter", attach(model, adapter), 3)
    plain = template.escaper.unescape
    examples = tuple(
        Example(plain(row.prompt), plain(row.reply), before.text, after.text)
        for row, before, after in list(zip(chosen, base_answers, adapter_answers, strict=True))[: settings.shown]
    )
    evaluation = Evaluation(of_base, of_adapter, examples)
    _note_termination(adapter, evaluation)
    return evaluation


def termination(replies: Sequence[Reply], max_new_tokens: int) -> Termination:
    """Counts how the answers ended."""
    stopped = [reply for reply in replies if reply.ending == "stop"]
    others = [reply for reply in replies if reply.ending == "length"]
    return Termination(
        prompts=len(replies),
        stopped=len(stopped),
        max_new_tokens=max_new_tokens,
        looped=sum(loops(reply.token_ids) for reply in others) / len(others) if others else 0.0,
        mean_tokens=sum(len(reply.token_ids) for reply in stopped) / len(stopped) if stopped else 0.0,
        empty=sum(not reply.text for reply in replies),
    )


def loops(token_ids: Sequence[int]) -> bool:
    """Whether some run of `LOOP_TOKENS` tokens stands at least `LOOP_TIMES` times."""
    runs = Counter(tuple(token_ids[start : start + LOOP_TOKENS]) for start in range(len(token_ids) - LOOP_TOKENS + 1))
    return max(runs.values(), default=0) >= LOOP_TIMES


def perplexity(model: "PreTrainedModel", rows: Sequence[Encoded]) -> Perplexity:
    """Measures a model on encoded samples, one at a time: a sample is never joined with others, so no model needs to keep them apart."""
    reply_nats, stop_nats, stop_probabilities = 0.0, 0.0, 0.0
    reply_tokens = stop_tokens = 0
    for row in rows:
        batch = {name: value.to(model.device) if torch.is_tensor(value) else value for name, value in flatten([row]).items()}
        labels = batch.pop("labels")
        with torch.inference_mode():
            losses = token_losses(model(**batch), labels)
        in_stop = labels[1].bool()
        reply_nats += float(losses[~in_stop].sum())
        stop_nats += float(losses[in_stop].sum())
        stop_probabilities += float((-losses[in_stop].sum()).exp())
        reply_tokens += int((~in_stop).sum())
        stop_tokens += int(in_stop.sum())
    return Perplexity(
        reply=_exp(reply_nats / reply_tokens),
        with_stop=_exp((reply_nats + stop_nats) / (reply_tokens + stop_tokens)),
        stop_probability=stop_probabilities / len(rows),
        samples=len(rows),
        tokens=reply_tokens,
    )


def _exp(nats: float) -> float:
    return float(torch.tensor(nats, dtype=torch.float64).exp())


@dataclass(frozen=True)
class _HeldOut:
    prompt: str
    reply: str
    encoded: Encoded


def _held_out(samples: Path, template: Template, tokenizer: "PreTrainedTokenizerBase", max_tokens: int) -> list[_HeldOut]:
    """The test split's samples, then the validation split's, without those too long for the training."""
    splits = [read_split(samples, split).select("prompt", "completion") for split in ("test", "validation")]
    table = pl.concat(splits)
    prompts, completions = table["prompt"].to_list(), table["completion"].to_list()
    encoded = encode_samples(template, prompts, completions, tokenizer)
    rows = [
        _HeldOut(prompt, completion.removesuffix(template.stop), row)
        for prompt, completion, row in zip(prompts, completions, encoded, strict=True)
        if len(row.input_ids) <= max_tokens
    ]
    if not rows:
        raise UserError(f"{samples}: its test and validation splits hold no sample of at most {max_tokens} tokens; hold more threads out")
    return rows


def _distinct_prompts(rows: Sequence[_HeldOut], settings: EvalSettings) -> list[_HeldOut]:
    """Rows with different prompts, drawn by the seed; fewer than asked for where there are no more."""
    distinct = list({row.prompt: row for row in rows}.values())
    return random.Random(settings.seed).sample(distinct, min(settings.prompts, len(distinct)))


def _note_termination(adapter: Adapter, evaluation: Evaluation) -> None:
    """Writes the measured rates, with the shipped decoding, into the adapter's `stop.json`."""
    after = evaluation.adapter.shipped
    rate: dict[str, float | int] = {
        "base": evaluation.base.shipped.rate,
        "adapter": after.rate,
        "prompts": after.prompts,
        "max_new_tokens": after.max_new_tokens,
    }
    note_termination(adapter.folder, rate)
