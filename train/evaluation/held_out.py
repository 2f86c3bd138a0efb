"""What an evaluation asks: prompts whose threads the training never saw, with the forum's own replies to them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from formats.errors import UserError
from formats.samples import read_split
from formats.templates.template import Template
from formats.tokens.encoding import Encoded, decode_reply, encode_samples
from train.evaluation.intervals import Threads

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A held-out sample: its prompt and its reply as they are rendered, the reply without its stop, and both in tokens.

    `split` is where it comes from, test or validation; `thread` the id of its thread, None where the samples name none.
    """

    prompt: str
    reply: str
    encoded: Encoded
    split: str
    thread: str | None

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
    table = pl.concat([_with_threads(samples, split) for split in ("test", "validation")])
    encoded = encode_samples(template, table["prompt"].to_list(), table["completion"].to_list(), tokenizer)
    rows = [
        HeldOut(prompt, completion.removesuffix(template.stop), row, split, thread)
        for (prompt, completion, thread, split), row in zip(table.iter_rows(), encoded, strict=True)
        if len(row.input_ids) <= max_tokens
    ]
    if not rows:
        raise UserError(f"{samples}: its test and validation splits hold no sample of at most {max_tokens} tokens; hold more threads out")
    return rows


def _with_threads(samples: Path, split: str) -> pl.DataFrame:
    """Prompt, completion, thread and split of each sample; samples of another program may have no column of threads."""
    table = read_split(samples, split)
    if "thread_id" in pl.read_parquet_schema(samples / f"{split}.parquet"):
        table = read_split(samples, split, ("prompt", "completion", "thread_id"))
    else:
        table = table.with_columns(thread_id=pl.lit(None))
    return table.select("prompt", "completion", pl.col("thread_id").cast(pl.String), pl.lit(split).alias("split"))


def drawn(rows: Sequence[HeldOut], count: int, seed: int, test_first: bool = False) -> list[HeldOut]:
    """So many rows, drawn by the seed; all where there are no more. Those of a smaller `count` are the first of a larger one's.

    Rows lie thread by thread, so the first ones would be of a few threads only.

    Args:
        test_first: take rows of the validation split only where the test split has no more.
    """
    order = list(rows)
    random.Random(seed).shuffle(order)
    if test_first:
        order.sort(key=lambda row: row.split != "test")
    return order[:count]


def distinct_prompts(rows: Sequence[HeldOut], count: int, seed: int, test_first: bool = False) -> list[HeldOut]:
    """Rows with different prompts, drawn as `drawn` does."""
    first: dict[str, HeldOut] = {}
    for row in rows:
        first.setdefault(row.prompt, row)
    return drawn(list(first.values()), count, seed, test_first)


def threads_of(rows: Sequence[HeldOut]) -> Threads:
    """The number of each row's thread; a row whose thread is not known is one of its own."""
    numbers: dict[str | int, int] = {}
    return np.array(
        [numbers.setdefault(place if row.thread is None else row.thread, len(numbers)) for place, row in enumerate(rows)], np.int64
    )


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
