"""Answers prompts in batches, and says why each answer ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import StoppingCriteria

from formats.errors import UserError
from formats.templates.template import Template
from formats.tokens.encoding import decode_reply, encode_prompt, end_ids, stop_ids
from train.adapters.folder import Adapter, filler_id
from train.answers.decoding import answer_together, rows_at_once
from train.bases.base_model import Base

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

Ending = Literal["stop", "other end", "length"]
"""Why an answer ended: by the template's whole stop; by an end token alone, where the stop has text before it, or by another end token
of the tokenizer; or by the limit of tokens."""


@dataclass(frozen=True)
class Reply:
    """An answer: its text without the stop, the tokens it took (those of the stop included), and why it ended."""

    text: str
    token_ids: tuple[int, ...]
    ending: Ending


class TextualStop(StoppingCriteria):
    """Ends an answer whose last tokens spell the template's stop, however they were cut into tokens."""

    def __init__(self, template: Template, tokenizer: "PreTrainedTokenizerBase", num_prompt: int) -> None:
        self._stop = template.stop
        self._tokenizer = tokenizer
        self._num_prompt = num_prompt
        # A stop spelled in single characters, at worst a byte each, still lies within so many tokens.
        self._window = len(template.stop.encode())

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any) -> torch.Tensor:
        """Whether each row, shape (batch, tokens), has spelled the stop: (batch,)."""
        tails = input_ids[:, max(self._num_prompt, input_ids.shape[1] - self._window) :]
        texts = self._tokenizer.batch_decode(tails, clean_up_tokenization_spaces=False)
        return torch.tensor([self._stop in text for text in texts], device=input_ids.device)


def generate(
    model: "PreTrainedModel | PeftModel",
    tokenizer: "PreTrainedTokenizerBase",
    template: Template,
    prompts: Sequence[str],
    config: "GenerationConfig",
    *,
    seed: int = 0,
    batch: int = 64,
) -> list[Reply]:
    """Answers rendered prompts, in their order.

    An answer ends at an end token, at the textual stop, or at `config.max_new_tokens`; nothing else is forced on it. Prompts of
    like length are answered together, at most `batch` of them. What is drawn depends on the seed and a prompt's place alone: more
    prompts, or a higher limit, leave it as it is.
    """
    if not prompts:
        return []
    encoded = [encode_prompt(template, prompt, tokenizer) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda index: len(encoded[index]))
    steps = int(config.max_new_tokens or 0)
    draws = torch.from_numpy(np.stack([np.random.default_rng([seed, place]).random(steps, np.float32) for place in range(len(prompts))]))
    filler = filler_id(template, tokenizer)
    replies: dict[int, Reply] = {}
    while order:
        # The longest are answered first: what does not fit into memory shows at once.
        together = rows_at_once(model, len(encoded[order[-1]]) + steps, batch)
        order, chosen = order[:-together], order[-together:]
        stop = TextualStop(template, tokenizer, len(encoded[chosen[-1]]))
        with torch.inference_mode():
            answers = answer_together(model, [encoded[index] for index in chosen], draws[chosen], config, filler, stop)
        replies.update(zip(chosen, (read_reply(answer, template, tokenizer) for answer in answers), strict=True))
    return [replies[index] for index in range(len(prompts))]


def refuse_beyond_context(base: Base, longest: int, max_new_tokens: int) -> None:
    """Refuses prompts, the longest of `longest` tokens, whose answers would run on beyond what the base reads, where its config says that.

    Raises:
        UserError: the longest prompt and an answer of `max_new_tokens` have more tokens than the base has positions.
    """
    room = getattr(base.config, "max_position_embeddings", None)
    if room is not None and longest + max_new_tokens > room:
        wanted = f"{longest:,} tokens, and up to {max_new_tokens:,} of an answer"
        raise UserError(f"{base.name}: reads {room:,} tokens, the longest prompt has {wanted}; leave it out, or answer with fewer tokens")


def attach(model: "PreTrainedModel", adapter: Adapter) -> "PreTrainedModel":
    """The model with an adapter merged into its weights, for answers at the base's own speed; the model given is used up.

    Where the model is still in 4 bit (a GPU), the adapter stays beside it: merging would round it away.

    Raises:
        UserError: the adapter's weights are damaged or belong to another base.
    """
    try:
        joined: Any = PeftModel.from_pretrained(model, str(adapter.folder))
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(f"{adapter.folder}: does not fit the base {adapter.base} ({' '.join(str(error).split())[:200]})") from None
    merged: PreTrainedModel = joined if getattr(model, "is_quantized", False) else joined.merge_and_unload()
    merged.train(False)
    return merged


def read_reply(ids: Sequence[int], template: Template, tokenizer: "PreTrainedTokenizerBase") -> Reply:
    """The reply in generated tokens: cut behind its stop, which is an end token or the textual stop, whichever comes first."""
    kept = list(ids)
    ends = end_ids(template, tokenizer)
    at_end = next((place for place, token in enumerate(kept) if token in ends), None)
    if at_end is not None:
        kept = kept[: at_end + 1]
    spelled = template.stop in str(tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False))
    if spelled and at_end is None:
        kept = _up_to_textual_stop(kept, template, tokenizer)
    ending: Ending = "stop" if spelled else "length" if at_end is None else "other end"
    return Reply(decode_reply(template, kept, tokenizer), tuple(kept), ending)


def _up_to_textual_stop(ids: list[int], template: Template, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The fewest tokens from the beginning whose text holds the textual stop."""
    usual = stop_ids(template, tokenizer)[:-1]
    for count in range(len(usual), len(ids)):
        if template.stop in str(tokenizer.decode(ids[:count], clean_up_tokenization_spaces=False)):
            return ids[:count]
    return ids
