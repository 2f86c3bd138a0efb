"""A judge that is a local model: asked through its own chat template, in batches."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from jinja2 import TemplateError

from formats.errors import UserError
from formats.tokens.pieces import PieceTokenizer
from train.bases.base_model import device, load_for_generation, load_tokenizer, resolve
from train.evaluation.judging.contestants import free_memory
from train.evaluation.judging.judge_prompt import Asked

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BATCH = 8
_HERE = "\ue000the user's turn\ue000"
"""Stands for the user's turn while the chat template is rendered; private-use characters, so that no template has them."""


class LocalJudge:
    """A causal model by any name that `resolve` knows. On a GPU it is loaded in 4 bit, on a CPU as it is.

    Raises:
        UserError: there is no such model.
    """

    def __init__(self, name: str) -> None:
        self._base = resolve(name)
        self._tokenizer = load_tokenizer(self._base)
        self.name = name
        self.identity = ("local", self._base.location)
        """What makes this judge another than others."""

    def replies(self, asked: Sequence[Asked]) -> Iterator[tuple[int, str]]:
        """The number of each prompt with the judge's reply, greedily decoded, in the order in which they are done.

        Raises:
            UserError: a prompt is longer than the judge can read.
        """
        encoded = judge_tokens(self._tokenizer, asked)
        self._refuse_too_long(asked, encoded)
        order = sorted(range(len(asked)), key=lambda place: (asked[place].max_new_tokens, len(encoded[place])))
        model: Any = load_for_generation(self._base, "nf4" if device() == "cuda" else "none")
        try:
            for start in range(0, len(order), _BATCH):
                chosen = order[start : start + _BATCH]
                most = max(asked[place].max_new_tokens for place in chosen)
                yield from zip(chosen, self._answered(model, [encoded[place] for place in chosen], most), strict=True)
        finally:
            del model
            free_memory()

    def _answered(self, model: Any, encoded: Sequence[list[int]], max_new_tokens: int) -> list[str]:
        from transformers import GenerationConfig

        ends, filler = end_tokens(model, self._tokenizer)
        longest = max(map(len, encoded))
        rows = torch.tensor([[filler] * (longest - len(ids)) + ids for ids in encoded], device=model.device)
        mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in encoded], device=model.device)
        settings: Any = GenerationConfig
        config = settings(do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=ends or None, pad_token_id=filler)
        with torch.inference_mode():
            output = model.generate(input_ids=rows, attention_mask=mask, generation_config=config, use_cache=True)
        said = self._tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [str(text).strip() for text in said]

    def _refuse_too_long(self, asked: Sequence[Asked], encoded: Sequence[list[int]]) -> None:
        room = getattr(self._base.config, "max_position_embeddings", None)
        needed = max((len(ids) + one.max_new_tokens for one, ids in zip(asked, encoded, strict=True)), default=0)
        if room is not None and needed > room:
            raise UserError(
                f"judge {self.name}: reads {room:,} tokens, and its longest prompt with its reply takes {needed:,}; take a judge with a "
                "longer context, or a judge prompt with a smaller max_new_tokens"
            )


def judge_tokens(tokenizer: "PreTrainedTokenizerBase", asked: Sequence[Asked]) -> list[list[int]]:
    """The prompts in the judge's chat template; in the user's turn every text is plain, whatever special tokens it spells.

    A tokenizer without a chat template gets both texts as they are, with an empty line between and behind them.
    """
    reader = PieceTokenizer(tokenizer)
    frames = {system: _frame(tokenizer, system) for system in {one.system for one in asked}}
    encoded = []
    for one in asked:
        before, after = frames[one.system]
        ids = [*reader.boundary(before, True)] if before else []
        ids += reader.contents([one.user], first=not before)[0].tolist()
        encoded.append([*ids, *(reader.boundary(after) if after else [])])
    return encoded


def end_tokens(model: Any, tokenizer: "PreTrainedTokenizerBase") -> tuple[list[int], int]:
    """At which tokens the judge's turn ends, as its model says, else its tokenizer; and the token that fills shorter rows."""
    told = model.generation_config.eos_token_id
    ends = [told] if isinstance(told, int) else list(told or ())
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ends:
        ends.append(int(tokenizer.eos_token_id))
    filler = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[0] if ends else 0
    return ends, int(filler)


def _frame(tokenizer: "PreTrainedTokenizerBase", system: str) -> tuple[str, str]:
    """What stands before and after the user's turn."""
    if tokenizer.chat_template is None:
        return f"{system}\n\n", "\n\n"
    turns = [{"role": "system", "content": system}, {"role": "user", "content": _HERE}]
    # Some families know no system role; Gemma's template raises, others pass it over in silence.
    together = [{"role": "user", "content": f"{system}\n\n{_HERE}"}]
    for messages in (turns, together):
        try:
            whole = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        except TemplateError:
            continue
        before, here, after = whole.partition(_HERE)
        if here and system in before:
            return before, after
    raise UserError(f"the chat template of {tokenizer.name_or_path} shows no user's turn; take another judge")
