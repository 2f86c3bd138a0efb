"""ConvoKit corpora: a folder or .zip of `utterances.jsonl` (and `conversations.json`), with old and new names of the fields.

A corpus of Reddit has bare ids; they get Reddit's prefixes here. Ids of other corpora become `ck_CORPUS_ID`, as corpora number their
utterances alike. `source` of these posts is `convokit`. The text is taken as it is.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import polars as pl

from curate.ahead import in_order
from curate.posts import POSTS
from curate.sources.convokit_files import UTTERANCES, ZIP, Corpus, names_in_zip, open_corpus
from curate.sources.reading.ndjson import ROW, Chunk, parse_chunk, refused
from curate.sources.reading.place import Head, Place
from curate.sources.source import Batch, Reject, Wanted
from curate.sources.tabular.json_values import members
from curate.sources.tabular.values import cast, removed_by, written_by
from formats.errors import UserError

SOURCE = "convokit"

_FIELDS = ("id", "speaker", "user", "conversation_id", "root", "reply_to", "reply-to", "timestamp", "text")
_META = ("score", "permalink", "top_level_comment", "retrieved_on", "stickied", "author_flair_text", "subreddit", "over_18")
_OF_CONVERSATION = ("title", "subreddit", "num_comments")

_PREFIXED = r"^t[13]_"

MOST_TITLES = 1 << 30
"""Characters of titles and ids held at most; ten times what a subreddit of a million posts has."""

_MOST = 0.9
"""The share of a chunk's ids that look like Reddit's, if they are: there are odd ones in every corpus."""


def recognises(head: Head) -> bool:
    """Whether a folder or archive holds utterances, or a file's first line is one."""
    if head.entries is not None:
        return not head.entries.isdisjoint(UTTERANCES)
    if head.raw.startswith(ZIP):
        with suppress(UserError):
            return any(name.endswith(UTTERANCES) for name in names_in_zip(Place(head.name).path))
        return False
    line = head.text.removeprefix(b"[").split(b"\n", 1)[0].strip().rstrip(b",]")
    with suppress(ValueError, RecursionError):
        first = json.loads(line)
        if isinstance(first, dict) and {"id", "text"} <= first.keys():
            return bool({"speaker", "user"} & first.keys()) and bool({"reply-to", "reply_to"} & first.keys())
    return False


def read(place: Place, wanted: Wanted, columns: Mapping[str, str]) -> Iterator[Batch]:
    """The utterances of a corpus, in bounded memory but for the titles and communities of its conversations.

    Raises:
        UserError: it has no utterances, is encrypted, truncated or damaged.
    """
    corpus = open_corpus(place)
    conversations = _conversations(corpus, place.name)
    chunks = corpus.utterances()
    first = next(chunks, None)
    if first is None:
        return
    is_reddits = _is_reddits(_records(first)[0], conversations)

    def all_chunks() -> Iterator[Chunk]:
        yield first
        yield from chunks

    yield from in_order(lambda chunk: _batch(chunk, place.name, corpus.name, conversations, is_reddits), all_chunks())


def _conversations(corpus: Corpus, file: str) -> pl.DataFrame:
    """What the conversations say of their roots, by `thread`."""
    known: dict[str, list[str | None]] = {name: [] for name in ("thread", *_OF_CONVERSATION)}
    size = 0
    for thread, value in members(corpus.conversations(), file) if corpus.conversations else ():
        meta = value.get("meta", value) if isinstance(value, dict) else {}
        told = [_text(meta.get(name)) for name in _OF_CONVERSATION] if isinstance(meta, dict) else []
        if not any(told):
            continue
        for name, text in zip(known, [thread, *told], strict=True):
            known[name].append(text)
        size += len(thread) + sum(len(text) for text in told if text)
        if size > MOST_TITLES:
            raise UserError(f"{file}: its conversations.json has over {MOST_TITLES >> 20} Mi characters of titles; leave that file out")
    frame = pl.DataFrame(known, dict.fromkeys(known, pl.String))
    return frame.unique("thread", keep="last", maintain_order=True)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value.encode(errors="replace").decode() if value else None
    return json.dumps(value)


def _records(chunk: Chunk) -> tuple[pl.DataFrame, list[Reject]]:
    """The utterances of a chunk, all fields as text, those of `meta` among them; and the lines that are none."""
    parsed = parse_chunk(chunk, _FIELDS)
    data = chunk.data
    if parsed.rejects:
        lines = data.split(b"\n")
        data = b"\n".join(lines[row - chunk.first_row] for row in parsed.records[ROW])
    return parsed.records.hstack(_meta(data)), parsed.rejects


def _meta(lines: bytes) -> pl.DataFrame:
    struct = pl.Struct(dict.fromkeys(_META, pl.String))
    if not lines:
        return pl.DataFrame(schema=struct.to_schema())
    try:
        metas = pl.read_ndjson(lines, schema={"meta": struct})["meta"]
    except pl.exceptions.PolarsError:  # some are no objects
        found = [json.loads(line).get("meta") for line in lines.split(b"\n") if line.strip()]
        texts = [{name: _text(meta.get(name)) for name in _META} if isinstance(meta, dict) else None for meta in found]
        metas = pl.Series("meta", texts, struct)
    return metas.struct.unnest()


def _is_reddits(records: pl.DataFrame, conversations: pl.DataFrame) -> bool:
    """Whether a corpus is Reddit's: its utterances or conversations have what only Reddit's have, and no ids of another make."""
    marks = records.select(
        pl.col("top_level_comment").is_not_null().any()
        | pl.col("subreddit").is_not_null().any()
        | pl.col("permalink").str.contains("/comments/").any()
    ).item()
    shaped = records.select(pl.col("id").str.contains(r"^(t[13]_)?[0-9a-z]{2,13}$").mean()).item() or 0
    return shaped > _MOST and (bool(marks) or conversations["subreddit"].null_count() < conversations.height)


def _batch(chunk: Chunk, file: str, corpus: str, conversations: pl.DataFrame, is_reddits: bool) -> Batch:
    records, rejects = _records(chunk)
    frame = pl.DataFrame(
        [
            *(records[name] for name in ("id", ROW, "permalink", "score", "stickied")),
            records.select(pl.coalesce("conversation_id", "root").alias("thread_id")).to_series(),
            records.select(pl.coalesce("reply_to", "reply-to").alias("parent_id")).to_series(),
            records.select(pl.coalesce("speaker", "user").alias("author")).to_series(),
            records["timestamp"].alias("created_at"),
            records["retrieved_on"].alias("retrieved_at"),
            records["over_18"].alias("nsfw"),
            records["author_flair_text"].alias("flair"),
            records["subreddit"],
            records["text"],
            records["top_level_comment"],
        ]
    )
    frame = cast(frame, file).join(conversations, left_on="thread_id", right_on="thread", how="left", maintain_order="left")
    faults = frame.select(_fault()).to_series()
    posts = _to_posts(frame.filter(faults.is_null()), file, corpus, is_reddits)
    return Batch(chunk.lines, posts, sorted([*rejects, *refused(records, faults)], key=lambda reject: reject.row))


def _fault() -> pl.Expr:
    """Why an utterance cannot become a post; null where it can."""
    lost = pl.col("thread_id").is_null() & pl.col("parent_id").is_not_null()
    return pl.coalesce(
        pl.when(pl.col("id").is_null()).then(pl.lit("no id")),
        pl.when(lost).then(pl.lit("answers an utterance, but is of no conversation (conversation_id)")),
        pl.when(pl.col("text").is_null() & pl.col("title").is_null()).then(pl.lit("no text")),
        pl.lit(None, pl.String),
    ).alias("reason")


def _to_posts(rows: pl.DataFrame, file: str, corpus: str, is_reddits: bool) -> pl.DataFrame:
    own, parent = pl.col("id"), pl.col("parent_id")
    thread = pl.coalesce("thread_id", "id")
    root = ((parent.is_null() | (parent == own)) & (~pl.lit(is_reddits) | (own == thread))) & pl.col("top_level_comment").is_null()
    if is_reddits:
        bare_thread, bare_parent = thread.str.replace(_PREFIXED, ""), parent.str.replace(_PREFIXED, "")
        answered = pl.when(bare_parent == bare_thread).then("t3_" + bare_parent).otherwise("t1_" + bare_parent)
        keys = {
            "id": pl.when(root).then(pl.lit("t3_")).otherwise(pl.lit("t1_")) + own.str.replace(_PREFIXED, ""),
            "thread_id": "t3_" + bare_thread,
            "parent_id": pl.when(~root).then(pl.coalesce(answered, "t3_" + bare_thread)),
        }
    else:
        prefix = pl.lit(f"ck_{corpus}_")
        keys = {"id": prefix + own, "thread_id": prefix + thread, "parent_id": pl.when(~root).then(prefix + parent)}
    community = corpus.removeprefix("subreddit-")
    columns = keys | {
        "kind": pl.when(root).then(pl.lit("submission")).otherwise(pl.lit("comment")),
        "source": pl.lit(SOURCE),
        "community": pl.coalesce("subreddit", "subreddit_right", pl.lit(community)),
        "author": written_by(),
        "title": pl.when(root).then(pl.col("title")),
        "text": pl.col("text").fill_null(""),
        "num_replies": pl.when(root).then(pl.col("num_comments").cast(pl.Float64, strict=False)),
        "flair": pl.when(~root).then(pl.col("flair")),
        "removal": removed_by(),
        "source_file": pl.lit(file),
        "source_row": pl.col(ROW),
    }
    rows = rows.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in POSTS.items() if name not in rows.columns)
    return rows.select(columns.get(name, pl.col(name)).cast(dtype).alias(name) for name, dtype in POSTS.items())
