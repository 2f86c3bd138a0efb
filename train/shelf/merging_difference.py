"""How far a merged model is from the adapter as it was trained: measured on the logits of whole conversations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM

from formats.errors import UserError
from formats.rendering.render import Turn, render_prompt
from formats.tokens.encoding import Encoded, encode_samples
from train.adapters.folder import Adapter, read_adapter
from train.answers.voices import Voices
from train.bases.base_model import device, load_for_generation, load_tokenizer, quieten, resolve
from train.evaluation.held_out import drawn, held_out

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TEXTS = 32
_POSITIONS = 512
"""Positions whose logits are kept, at most: those of a vocabulary of 128 thousand tokens take 260 MB."""

_SAID = (
    ("The kettle has whistled through three hearings.", "Then the kettle is in contempt. Adjourned for tea."),
    ("Who put the milk in first?", "The statute says after. The clerk says nothing, and the clerk was near the jug."),
    ("Is a biscuit evidence once it has been dunked?", "Only the dry half. The rest is hearsay."),
    ("My neighbour borrows sugar and returns salt.", "A reasonable defence would be soup. Did you try soup?"),
    ("How long may a teabag stay in the cup?", "Four minutes. After that it is a tenant, and has rights."),
    ("The spoon asks for a lawyer.", "The fork is busy. Would the spoon take a ladle?"),
    ("I found a mug at the back of the cupboard that nobody remembers.", "Finders wash. That is the whole of the law."),
    ("Does toast land on the buttered side by nature or by malice?", "The court has seen enough floors to suspect malice."),
)
"""Comments and replies, for where no held-out samples are at hand."""


@dataclass(frozen=True)
class Difference:
    """What merging did to the logits, over the positions at which a token of a reply or its stop follows.

    Args:
        texts: conversations, `held out` whether they are of the adapter's own samples.
        positions: at which logits were compared.
        spread: standard deviation of the trained logits over the vocabulary, mean over positions.
        mean: mean difference of a logit; `largest` is the largest. Both are absolute, in logits.
        kl: mean Kullback-Leibler divergence of the merged from the trained distribution, in nats.
        greedy: share of positions at which both find the same token likeliest.
    """

    texts: int
    held_out: bool
    positions: int
    spread: float
    mean: float
    largest: float
    kl: float
    greedy: float


def measure_difference(adapter_folder: Path, merged: Path, samples: Path | None = None) -> Difference:
    """Compares a merged model with the adapter as trained: its quantised base with the adapter beside it, in the precision of the training.

    One after the other is in memory. The merged model computes in the precision in which it is stored.

    Args:
        samples: the adapter's samples, whose held-out conversations are taken; None for built-in ones.

    Raises:
        UserError: the adapter, its base or the samples cannot be read.
    """
    adapter = read_adapter(adapter_folder)
    texts = _texts(adapter, samples)
    trained = list(_trained(adapter, texts))
    return _compared(trained, _merged(merged, texts), held_out=samples is not None)


def _texts(adapter: Adapter, samples: Path | None) -> list[Encoded]:
    """Conversations with their replies, as many as there is room for."""
    template, tokenizer = adapter.template, load_tokenizer(resolve(adapter.base))
    if samples is not None:
        rows = drawn(held_out(samples, template, tokenizer, adapter.settings.max_tokens), _TEXTS, seed=0)
        texts = [row.encoded for row in rows]
    else:
        prompts = [render_prompt(template, [Turn("Speaker_0", comment)]) for comment, _ in _SAID]
        texts = encode_samples(template, prompts, [reply + template.stop for _, reply in _SAID], tokenizer)
    room = _POSITIONS
    kept: list[Encoded] = []
    for text in texts:
        room -= len(text.input_ids) - text.num_prompt
        if room < 0 and kept:
            break
        kept.append(text)
    return kept


def _trained(adapter: Adapter, texts: Sequence[Encoded]) -> Iterator[torch.Tensor]:
    base = resolve(adapter.base)
    model = load_for_generation(base, adapter.settings.quantisation)
    voices = Voices(model)
    voices.add("adapter", adapter)
    with voices.speaking([{"adapter": 1.0}]):
        yield from _logits(model, texts)


def _merged(folder: Path, texts: Sequence[Encoded]) -> Iterator[torch.Tensor]:
    with _loaded(folder) as model:
        yield from _logits(model, texts)


@contextmanager
def _loaded(folder: Path) -> Iterator["PreTrainedModel"]:
    quieten()
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", device_map={"": device()}, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: the merged model cannot be loaded ({' '.join(str(error).split())[:200]})") from None
    model.train(False)
    yield model


def _logits(model: "PreTrainedModel", texts: Sequence[Encoded]) -> Iterator[torch.Tensor]:
    """Of each text the logits before each token of the reply and its stop, (positions, vocabulary), float32 on the CPU."""
    causal: Any = model
    with torch.inference_mode():
        for text in texts:
            ids = torch.tensor(text.input_ids[None, :], dtype=torch.long, device=model.device)
            learned = len(text.input_ids) - text.num_prompt
            yield causal(input_ids=ids, use_cache=False, logits_to_keep=learned + 1).logits[0, :-1].float().cpu()


def _compared(trained: Sequence[torch.Tensor], merged: Iterator[torch.Tensor], held_out: bool) -> Difference:
    total = spread = apart = diverged = 0.0
    largest, positions, same = 0.0, 0, 0
    for ours, theirs in zip(trained, merged, strict=True):
        differs = (ours - theirs).abs()
        apart += float(differs.sum(dtype=torch.float64))
        total += differs.numel()
        largest = max(largest, float(differs.max()))
        spread += float(ours.std(dim=1).sum())
        logs = torch.log_softmax(ours, 1), torch.log_softmax(theirs, 1)
        diverged += float(torch.nn.functional.kl_div(logs[1], logs[0], reduction="sum", log_target=True))
        same += int((ours.argmax(1) == theirs.argmax(1)).sum())
        positions += len(ours)
    return Difference(
        len(trained), held_out, positions, spread / positions, apart / total, largest, max(0.0, diverged / positions), same / positions
    )
