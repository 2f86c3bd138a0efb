"""Samples that are to be held out though one that is learned says nearly the same, or answers the same."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.ahead import in_order
from curate.splitting.alike import BEGINNING, Index, Rows, WordPairs
from filters.tokens import tokenise

FEWEST_WORDS = 5
"""Of a reply, from which on the same one in two splits is a copy; fewer are what everybody says. Of 50,813 replies to a college forum, in
which nothing had looked for copies, 92 say the same as another: 25 of them in three or four words."""

HELD_AT_ONCE = 500_000
"""Samples that are held out are in memory together, at some 1 kB each; of more, all others are read again for each so many."""

_COLUMNS = ("id", "messages", "completion")
_MESSAGE = pl.element().struct
_ASKED = pl.col("messages").list.head(pl.col("messages").list.len() - 1)
_ASKED = _ASKED.list.eval(pl.element().filter(_MESSAGE.field("role") != "system").struct.field("content")).list.join("\n\n")
"""What people said before the reply. A prompt has the template's words too: with a long system text, all prompts would be near copies."""


@dataclass(frozen=True)
class Samples:
    """What some samples are compared by, a row each.

    Args:
        ids: of their replies.
        asked: hashes of all that they answer.
        said: hashes of the words of their replies; 0 for a reply of fewer than `FEWEST_WORDS`.
        replies: the pairs of words of their replies.
        contexts: the pairs of words of what contexts begin with, each once, however many samples it has.
        context: the row of each sample's own in `contexts`.
    """

    ids: pl.Series
    asked: NDArray[np.uint64]
    said: NDArray[np.uint64]
    replies: WordPairs
    contexts: WordPairs
    context: Rows

    def without(self, ids: pl.Series) -> "Samples":
        """Those whose id is not among these."""
        left = ~self.ids.is_in(ids.implode())
        if left.all():
            return self
        rows = left.arg_true().to_numpy().astype(np.int64)
        used, context = np.unique(self.context[rows], return_inverse=True)
        return Samples(self.ids.filter(left), self.asked[rows], self.said[rows], self.replies.take(rows), self.contexts.take(used), context)


def near_copies(parts: Mapping[str, Sequence[Path]], stop: str) -> dict[str, pl.Series]:
    """The ids of the samples, by the name of their split, that would be held out though they are known from a split before theirs.

    A sample is known where another has the same reply or answers the same: a reply of the same words (case, punctuation and quotes make no
    difference) or one that is a near copy of it as the rule `near_duplicates` has it, of `LEAST_WORDS` words and more; a context that is
    letter by letter the same, or whose first `BEGINNING` characters are a near copy. What is left out of a split itself makes no other
    sample known. The same files give the same ids; the files stay as they are.

    Args:
        parts: Parquet files with the columns id, messages and completion, by the name of their split: the first split is learned, the
            others are held out, each compared with all before it.
        stop: what ends each completion; it is no word of the reply.
    """
    names = list(parts)
    left_out = {name: pl.Series("id", [], pl.String) for name in names}
    tables: dict[str, Iterable[Samples]] = {name: _Files(paths, stop) for name, paths in parts.items()}
    if sum(_rows(parts[name]) for name in names[1:]) <= HELD_AT_ONCE:
        tables |= {name: list(tables[name]) for name in names[1:]}
    for place, name in enumerate(names[:-1]):
        held = ((later, table.without(left_out[later])) for later in names[place + 1 :] for table in tables[later])
        for chunk in _chunks(held):
            for later, ids in _known(chunk, (table.without(left_out[name]) for table in tables[name])):
                left_out[later] = pl.concat([left_out[later], ids])
    return left_out


@dataclass(frozen=True)
class _Files:
    """The samples of files, a group of rows at a time, as often as they are asked for."""

    paths: Sequence[Path]
    stop: str

    def __iter__(self) -> Iterator[Samples]:
        return in_order(lambda rows: _samples(rows, self.stop), _groups(self.paths))


def _known(held: Sequence[tuple[str, Samples]], others: Iterable[Samples]) -> list[tuple[str, pl.Series]]:
    """The ids of those that are held out, table by table, which the others make known."""
    asked = np.concatenate([samples.asked for _, samples in held])
    said = np.concatenate([samples.said for _, samples in held])
    replies = Index(WordPairs.concat([samples.replies for _, samples in held]))
    contexts = Index(WordPairs.concat([samples.contexts for _, samples in held]))
    known, known_contexts = np.zeros(len(asked), np.bool_), np.zeros(len(contexts.texts.sizes), np.bool_)
    for other in others:
        known |= np.isin(asked, other.asked) | (np.isin(said, other.said) & (said != 0)) | replies.near(other.replies)
        known_contexts |= contexts.near(other.contexts)
    first = np.cumsum([0, *(len(samples.contexts.sizes) for _, samples in held)])
    known |= known_contexts[np.concatenate([samples.context + start for (_, samples), start in zip(held, first[:-1], strict=True)])]
    ends = np.cumsum([len(samples.ids) for _, samples in held])
    return [(name, samples.ids.filter(pl.Series(part))) for (name, samples), part in zip(held, np.split(known, ends[:-1]), strict=True)]


def _chunks(tables: Iterator[tuple[str, Samples]]) -> Iterator[list[tuple[str, Samples]]]:
    chunk: list[tuple[str, Samples]] = []
    for table in tables:
        chunk.append(table)
        if sum(len(samples.ids) for _, samples in chunk) >= HELD_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _rows(paths: Sequence[Path]) -> int:
    return sum(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item() for path in paths)


def _groups(paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
    import pyarrow.parquet

    for path in paths:
        with pyarrow.parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield pl.DataFrame(file.read_row_group(group, columns=list(_COLUMNS)))


def _samples(rows: pl.DataFrame, stop: str) -> Samples:
    texts = rows.select(pl.col("completion").str.strip_suffix(stop)).to_series()
    keys, pairs = [np.zeros(0, np.uint64)], []
    for tokens in tokenise(texts):
        long = (tokens.counts() >= FEWEST_WORDS).to_numpy()
        keys.append(np.where(long, tokens.keys().fill_null(0).to_numpy(), np.uint64(0)))
        pairs.append(WordPairs.of(tokens))
    asked = rows.select(_ASKED).to_series()
    beginnings = asked.str.head(BEGINNING)
    _, first, context = np.unique(beginnings.hash().to_numpy(), return_index=True, return_inverse=True)
    contexts = WordPairs.of_texts(beginnings.gather(first))
    return Samples(rows["id"], asked.hash().to_numpy(), np.concatenate(keys), WordPairs.concat(pairs), contexts, context)
