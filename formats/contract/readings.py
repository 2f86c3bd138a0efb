"""How trainers read rows: which tokens each sees, which of them carry loss, and what it cuts.

Three readings. `lorum` is this project's own. `trl` is TRL 1.16's SFTTrainer without packing (`SFTTrainer._prepare_dataset`): it appends
the tokenizer's end token where a text does not end in it, tokenizes the whole text, gives loss to the completion, or to all of a text or
chat, cuts at the right, and leaves out rows without loss. `transformers` 5.23 is the stock Trainer with `tokenizer(text, truncation=True)`
and `DataCollatorForLanguageModeling(mlm=False)`: it appends nothing, and masks every pad token, also one that is the end token.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from formats.contract import chats
from formats.contract.endings import Ending, added_behind, end_literal, tails
from formats.contract.reading import NOT_KNOWN, Numbers, Read, ReadRow, joined
from formats.contract.rows import Chats, Pairs, Rows, Texts
from formats.errors import UserError
from formats.templates.template import Template
from formats.tokens.encoding import NO_LOSS, encode_samples, stop_ids
from formats.tokens.packing import pack

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TRAINERS = ("lorum", "trl", "transformers")

Reading = Callable[[Rows], Read]


def lorum(template: Template, tokenizer: "PreTrainedTokenizerBase", max_tokens: int) -> Reading:
    """This project's own reading, from the packed arrays that its trainer gets; over-long rows are left out whole.

    It raises a UserError where rows are not prompt and completion, or the tokenizer has no end token.
    """

    stop = np.array(stop_ids(template, tokenizer))

    def read(rows: Rows) -> Read:
        if not isinstance(rows, Pairs):
            raise UserError("lorum trains on prompt and completion; name the template that tells them apart with --template")
        encoded = encode_samples(template, rows.prompts, rows.completions, tokenizer)
        lengths = np.array([len(row.input_ids) for row in encoded], dtype=np.int64)
        kept = np.flatnonzero(lengths <= max_tokens)
        if not len(kept):
            return joined([], lengths.tolist())
        packed = pack([encoded[row] for row in kept])
        tokens = packed.input_ids.astype(np.int64)
        labels = np.full(len(tokens) + 1, NO_LOSS)
        # A position is kept where the token behind it carries loss, in the next sample too if the packing is wrong.
        labels[np.flatnonzero(packed.keep) + 1] = packed.labels
        # What attention takes for one sample is told by the positions alone.
        starts = np.append(np.flatnonzero(packed.position_ids == 0), len(tokens))
        ends = np.diff(starts)
        stops = np.stack([np.where(_end_in(tokens, starts, stop), ends - len(stop), ends), ends], axis=1)
        replies = np.array([encoded[row].num_prompt for row in kept], dtype=np.int64)
        return Read(tokens, labels[:-1], starts, kept, lengths, stops, replies, np.zeros(len(kept), bool))

    return read


def trl(tokenizer: "PreTrainedTokenizerBase", max_tokens: int, stop: str = "", *, assistant_only: bool = False) -> Reading:
    """TRL's reading.

    Args:
        stop: the textual stop that completions or texts end in, with or without the end token.
        assistant_only: `SFTConfig(assistant_only_loss=True)`, which is for chats.
    """
    end = end_literal(tokenizer)
    added = added_behind(tokenizer)

    def with_end(text: str) -> str:
        return text if text.endswith(end) else text + end

    def read(rows: Rows) -> Read:
        masks: list[list[int]] | None = None
        said: list[list[int]] | None = None
        merged = [0] * len(rows.ids)
        if isinstance(rows, Chats):
            ids = chats.tokens(rows, tokenizer)
            ends = tails(ids, chats.rendered(rows, tokenizer), chats.chat_ending(tokenizer), tokenizer)
            prompts = chats.prompts(rows, tokenizer)
            replies = _common(prompts, ids)
            if rows.num_prompt is not None:
                merged = _merged(prompts, replies)
                masks = _behind(replies, ids)
            if assistant_only:
                said = chats.assistant_masks(rows, tokenizer)
                masks = said if masks is None else [[min(both) for both in zip(*one, strict=True)] for one in zip(masks, said, strict=True)]
        else:
            beside = rows.texts if isinstance(rows, Pairs) else None
            whole = _whole(rows)
            # TRL appends the end token to a column text alone where that one lacks it, also when it trains on prompt and completion.
            gets_end = [True] * len(whole) if beside is None else [text.endswith(end) for text in beside]
            texts = [with_end(text) if gets else text for text, gets in zip(whole, gets_end, strict=True)]
            ids = _tokens(tokenizer, texts)
            ends = _ends(ids, texts, stop, end, tokenizer, added)
            if isinstance(rows, Pairs):
                prompts = _tokens(tokenizer, rows.prompts)
                replies = _common(prompts, ids)
                masks, merged = _behind(replies, ids), _merged(prompts, replies, len(added))
            else:
                replies = _replies(rows, ids, tokenizer)
        labels = ids if masks is None else [_masked(row, mask) for row, mask in zip(ids, masks, strict=True)]
        found = []
        for number, (row, label) in enumerate(zip(ids, labels, strict=True)):
            if any(part != NO_LOSS for part in label[:max_tokens]):
                stop_at = _stop(row, ends[number], row[:max_tokens])
                mine = said[number][:max_tokens] if said is not None else None
                is_cut = len(row) > max_tokens
                found.append(ReadRow(row[:max_tokens], label[:max_tokens], number, stop_at, replies[number], is_cut, merged[number], mine))
        return joined(found, [len(row) for row in ids])

    return read


def transformers(tokenizer: "PreTrainedTokenizerBase", max_tokens: int, stop: str = "") -> Reading:
    """The stock Trainer's reading.

    Args:
        stop: the textual stop that rows end in, with or without the end token; empty: they have none.
    """
    added = added_behind(tokenizer)
    end = end_literal(tokenizer)

    def read(rows: Rows) -> Read:
        if isinstance(rows, Chats):
            texts, special = chats.rendered(rows, tokenizer), False
        else:
            texts, special = _whole(rows), True
        whole = _tokens(tokenizer, texts, add_special_tokens=special)
        ids = _tokens(tokenizer, texts, add_special_tokens=special, truncation=True, max_length=max_tokens)
        if isinstance(rows, Chats):
            ends = tails(whole, texts, chats.chat_ending(tokenizer), tokenizer)
            replies = _common(chats.prompts(rows, tokenizer), whole)
        else:
            ends = _ends(whole, texts, stop, end, tokenizer, added) if stop else [(0, 0)] * len(whole)
            replies = _replies(rows, whole, tokenizer)
        found = []
        for number, stop_at in enumerate(ends):
            row, full, reply = ids[number], whole[number], replies[number]
            lost = len(full) - len(row)
            if tokenizer.truncation_side == "left" and reply != NOT_KNOWN:
                cut, reply = lost > reply, max(0, reply - lost)
            else:
                cut = lost > 0
            labels = [NO_LOSS if token == tokenizer.pad_token_id else token for token in row]
            found.append(ReadRow(row, labels, number, _stop(full, stop_at, row), reply, cut))
        return joined(found, [len(row) for row in whole])

    return read


def _end_in(tokens: Numbers, starts: Numbers, stop: Numbers) -> NDArray[np.bool_]:
    """Whether the last tokens of each row are these."""
    last = tokens[np.maximum(starts[1:, None] - len(stop) + np.arange(len(stop)), 0)]
    same: NDArray[np.bool_] = (last == stop).all(axis=1) & (np.diff(starts) >= len(stop))
    return same


def _whole(rows: Pairs | Texts) -> list[str]:
    if isinstance(rows, Texts):
        return list(rows.texts)
    return [prompt + reply for prompt, reply in zip(rows.prompts, rows.completions, strict=True)]


def _tokens(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], **options: Any) -> list[list[int]]:
    return list(tokenizer(list(texts), **options)["input_ids"]) if texts else []


def _replies(rows: Pairs | Texts, ids: Sequence[Sequence[int]], tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    return [NOT_KNOWN] * len(ids) if rows.prompts is None else _common(_tokens(tokenizer, rows.prompts), ids)


def _common(prompts: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[int]:
    """How many tokens each row has in common with its prompt read alone: where these part, the reply begins."""
    return [
        next((at for at, (one, other) in enumerate(zip(prompt, row, strict=False)) if one != other), min(len(prompt), len(row)))
        for prompt, row in zip(prompts, ids, strict=True)
    ]


def _merged(prompts: Sequence[Sequence[int]], replies: Sequence[int], added: int = 0) -> list[int]:
    """How many tokens of each prompt read alone the row does not have, those left out that the tokenizer puts behind every text."""
    return [max(0, len(prompt) - added - reply) for prompt, reply in zip(prompts, replies, strict=True)]


def _behind(replies: Sequence[int], ids: Sequence[Sequence[int]]) -> list[list[int]]:
    return [[0] * reply + [1] * (len(row) - reply) for reply, row in zip(replies, ids, strict=True)]


def _ends(
    ids: Sequence[Sequence[int]],
    texts: Sequence[str],
    stop: str,
    end: str,
    tokenizer: "PreTrainedTokenizerBase",
    added: Sequence[int],
) -> list[tuple[int, int]]:
    """What `tails` says of each row's stop, the end token included where the row has it behind the textual stop."""
    stop = stop.removesuffix(end)
    with_end = tails(ids, texts, Ending(stop + end), tokenizer, added)
    if not stop or all(tokens for tokens, _ in with_end):
        return with_end
    alone = tails(ids, texts, Ending(stop), tokenizer, added)
    return [one if one[0] else other for one, other in zip(with_end, alone, strict=True)]


def _masked(ids: Sequence[int], mask: Sequence[int]) -> list[int]:
    return [token if kept else NO_LOSS for token, kept in zip(ids, mask, strict=True)]


def _stop(full: Sequence[int], ending: tuple[int, int], row: Sequence[int]) -> tuple[int, int]:
    """Where the stop is in what is left of a row: nowhere where the row's last tokens are not its own any more."""
    tokens, after = ending
    if not tokens or len(row) < tokens or list(full[len(full) - tokens :]) != list(row[len(row) - tokens :]):
        return len(row), len(row)
    return len(row) - tokens, len(row) - after
