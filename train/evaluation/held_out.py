"""What an evaluation asks: prompts whose threads the training never saw, with the forum's own replies to them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from formats.errors import UserError
from formats.samples import read_split
from formats.templates.template import Template
from formats.tokens.encoding import Encoded, decode_reply, encode_samples

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A held-out sample: its prompt and its reply as they are rendered, the reply without its stop, and both in tokens."""

    prompt: str
    reply: str
    encoded: Encoded

    @property
    def reply_ids(self) -> list[int]:
        """The tokens of the reply alone."""
        ids: list[int] = self.encoded.input_ids[self.encoded.num_prompt : len(self.encoded.input_ids) - self.encoded.num_stop].tolist()
        return ids


@dataclass(frozen=True)
class RealReply:
    """The forum's reply to a prompt, as much of it as an answer may have; `whole`: with its stop it takes no more tokens than that."""

    text: str
    whole: bool


def held_out(samples: Path, template: Template, tokenizer: "PreTrainedTokenizerBase", max_tokens: int) -> list[HeldOut]:
    """The test split's samples, then the validation split's, without those too long for the training.

    Raises:
        UserError: there is none, or no such splits.
    """
    table = pl.concat([read_split(samples, split).select("prompt", "completion") for split in ("test", "validation")])
    prompts, completions = table["prompt"].to_list(), table["completion"].to_list()
    encoded = encode_samples(template, prompts, completions, tokenizer)
    rows = [
        HeldOut(prompt, completion.removesuffix(template.stop), row)
        for prompt, completion, row in zip(prompts, completions, encoded, strict=True)
        if len(row.input_ids) <= max_tokens
    ]
    if not rows:
        raise UserError(f"{samples}: its test and validation splits hold no sample of at most {max_tokens} tokens; hold more threads out")
    return rows


def distinct_prompts(rows: Sequence[HeldOut], count: int, seed: int) -> list[HeldOut]:
    """Rows with different prompts, drawn by the seed; fewer than asked for where there are no more."""
    distinct = list({row.prompt: row for row in rows}.values())
    return random.Random(seed).sample(distinct, min(count, len(distinct)))


def real_reply(row: HeldOut, template: Template, tokenizer: "PreTrainedTokenizerBase", max_new_tokens: int) -> RealReply:
    """The real reply under the limit of the answers: a longer one is cut there, as a longer answer is."""
    ids = row.reply_ids
    if len(ids) <= max_new_tokens:
        text = template.escaper.unescape(row.reply.strip())
        return RealReply(text, len(ids) + row.encoded.num_stop <= max_new_tokens)
    return RealReply(decode_reply(template, ids[:max_new_tokens], tokenizer), False)


def training_replies(samples: Path, template: Template) -> list[tuple[str, str]]:
    """Prompts and replies of the training split, as plain text."""
    plain = template.escaper.unescape
    return [
        (plain(prompt), plain(completion.removesuffix(template.stop))) for prompt, completion in read_split(samples, "train").iter_rows()
    ]
