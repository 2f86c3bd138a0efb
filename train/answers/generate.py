"""Answers prompts in batches, and says why each answer ended."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from safetensors import SafetensorError

from formats.errors import UserError
from formats.templates.template import Template
from formats.tokens.encoding import SampleEncoder
from train.adapters.folder import Adapter, filler_id
from train.answers.batch import Batch, Row, draws_of
from train.answers.decoding import answer_together, rows_at_once
from train.answers.reply import GrowingReply, Reply
from train.bases.base_model import Base

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


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
    encoder = SampleEncoder(template, tokenizer)
    limit = int(config.max_new_tokens or 0)
    rows = [Row(encoder.prompt(prompt), config, draws_of(seed, place, limit)) for place, prompt in enumerate(prompts)]
    growing = {id(row): GrowingReply(template, tokenizer, config) for row in rows}
    batches = Batch(model, filler_id(template, tokenizer))
    order = sorted(rows, key=lambda row: len(row.prompt))
    while order:
        # The longest are answered first: what does not fit into memory shows at once.
        together = rows_at_once(model, len(order[-1].prompt) + limit, batch)
        order, chosen = order[:-together], order[-together:]
        answer_together(batches, chosen, lambda row: growing[id(row)].add(row.new[-1]))
    return [growing[id(row)].reply() for row in rows]


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
