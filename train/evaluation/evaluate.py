"""Compares an adapter with its base, and both with the forum, on held-out samples."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from formats.errors import UserError
from formats.samples import folder_template
from train.adapters.folder import EVALUATION, Adapter, generation_config, note_termination, read_adapter
from train.answers.generate import attach, generate, refuse_beyond_context
from train.answers.reply import Reply
from train.bases.base_model import load_for_generation, load_tokenizer, resolve
from train.evaluation.comparing import Measured, compared
from train.evaluation.figures import Evaluation
from train.evaluation.held_out import distinct_prompts, drawn, held_out
from train.evaluation.noted import BESIDE, noted
from train.evaluation.perplexity import losses
from train.evaluation.toxicity import ToxicityMeter
from train.files import write_whole
from train.progress import OnStage
from train.settings import EvalSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PARTS = 7


def evaluate(
    adapter_folder: Path, samples: Path, settings: EvalSettings | None = None, *, progress: OnStage = lambda what, done, total: None
) -> Evaluation:
    """Measures an adapter and its base on the test and validation splits of a samples folder, whose threads the training never saw.

    Where the training chose its weights by the validation split, the test split comes first and the other only fills up.
    Writes `eval.json` and the termination rates of `stop.json` into the adapter's folder.

    Raises:
        UserError: the adapter, its base or the samples are not there, the samples have another template, or a prompt with its answer is
            longer than the base reads.
        RuleError: there is no such scorer of toxicity.
    """
    settings = settings or EvalSettings()
    adapter = read_adapter(adapter_folder)
    template = folder_template(samples)
    if template != adapter.template:
        raise UserError(f"{samples}: its template is {template.name}, the adapter's is {adapter.template.name}; give the adapter's samples")
    meter = None if settings.toxicity == "none" else ToxicityMeter(settings.toxicity)
    base = resolve(adapter.base)
    tokenizer = load_tokenizer(base)
    rows = held_out(samples, template, tokenizer, adapter.settings.max_tokens)
    test_first = adapter.settings.eval_every > 0
    chosen = distinct_prompts(rows, settings.prompts, settings.seed, test_first)
    scored = drawn(rows, settings.perplexity_samples, settings.seed, test_first)
    refuse_beyond_context(base, max(row.encoded.num_prompt for row in chosen), settings.max_new_tokens)
    decoding = adapter.decoding.model_copy(update={"max_new_tokens": settings.max_new_tokens})

    def measured(model: "PreTrainedModel", done: int) -> Measured:
        progress("measure base and adapter", done, _PARTS)
        found = losses(model, [row.encoded for row in scored])
        progress("measure base and adapter", done + 1, _PARTS)
        answers: dict[bool, list[Reply]] = {}
        for greedy in (True, False):
            config = generation_config(decoding, template, tokenizer, greedy=greedy)
            answers[greedy] = generate(model, tokenizer, template, [row.prompt for row in chosen], config, seed=settings.seed)
            progress("measure base and adapter", done + 2 + (not greedy), _PARTS)
        return Measured(found, answers[True], answers[False])

    model = load_for_generation(base, adapter.settings.quantisation)
    of_base = measured(model, 0)
    of_adapter = measured(attach(model, adapter), 3)
    evaluation = compared(adapter, samples, settings, chosen, scored, of_base, of_adapter, meter, tokenizer)
    progress("measure base and adapter", _PARTS, _PARTS)
    _note(adapter, evaluation)
    _note_termination(adapter, evaluation)
    return evaluation


def _note(adapter: Adapter, evaluation: Evaluation) -> None:
    """Writes the adapter's `eval.json`; what else was measured of the same adapter stays there."""
    found = {name: value for name, value in evaluation.to_dict().items() if name != "examples"}
    kept = {name: held for name in BESIDE if (held := noted(adapter.folder, name)) is not None}
    write_whole(adapter.folder / EVALUATION, json.dumps({**found, **kept}, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


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
