"""How fast texts are scored, against `Detoxify.predict` with the same weights on the same machine, in the same run, and how exactly.

    python benchmarks/toxicity.py NAME_comments.zst [--texts 1280] [--peers 320]

Detoxify's weights are a download; here a BERT-base has its shape, random weights, and a WordPiece vocabulary of 30,522 learned from the
comments: what it costs is the same, what it says is noise. So its thresholds are quantiles of its own scores: of each label the highest
2 % are dropped. They lie close together, and a small error turns many verdicts: that is the worst case. For want of a large model that has
learned something, the cascade is fitted to the scores of `lite`, which a linear model imitates more easily than BERT's; what it spares is
measured in the time of BERT-base.
"""

import argparse
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Before this folder, where the package `filters` would be found to be filters.py.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import polars as pl
import torch
import zstandard
from detoxify import Detoxify
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from curate import store
from filters.scorers.cascade import LinearSieve
from filters.scorers.fidelity import drops, fidelity
from filters.scorers.lite import LiteScorer
from filters.scorers.scorer import Scorer
from filters.scores import LESSON
from filters.toxicity import Toxicity

CLASSES = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
LABELS = ["toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack"]
DROPPED = 0.02
SAMPLE = 60_000
"""Texts at most for the cascade to learn from."""

TEACHERS = {"toxicity": 0.8}
"""The threshold of `lite`, as whose scores the cascade learns."""


def comments_of(path: Path) -> list[str]:
    """The texts of a dump's comments, or of a store of posts, in their order."""
    if path.is_dir():
        buckets = (store.read_bucket(path, bucket, ["kind", "text"]) for bucket in store.bucket_numbers(path))
        texts = [text for posts in buckets for text in posts.filter(pl.col("kind") == "comment")["text"]]
    else:
        with path.open("rb") as file:
            reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file, read_across_frames=True)
            texts = [json.loads(line).get("body") for line in io.TextIOWrapper(reader, encoding="utf-8", newline="\n")]
    return list(dict.fromkeys(text for text in texts if text and text not in ("[removed]", "[deleted]")))


def vocabulary(texts: Sequence[str]) -> BertTokenizer:
    """A tokenizer as BERT's, from these texts."""
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.normalizer, words.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=30_522, special_tokens=special, show_progress=False))
    return BertTokenizer(vocab=words.get_vocab(), model_max_length=512)


def checkpoint(folder: Path, tokenizer: BertTokenizer, model: BertForSequenceClassification) -> Path:
    """A model as a checkpoint of Detoxify, with its config and tokenizer beside it."""
    folder.mkdir()
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    names = {"model_type": str(folder), "model_name": "BertForSequenceClassification", "tokenizer_name": "BertTokenizer"}
    args = {**names, "num_classes": len(CLASSES)}
    content = {"config": {"arch": {"args": args}, "dataset": {"args": {"classes": CLASSES}}}, "state_dict": model.state_dict()}
    torch.save(content, folder / "model.ckpt")
    return folder / "model.ckpt"


@dataclass
class Peers:
    """Texts a second of `Detoxify.predict`, in batches of 32 and one by one, and its scores."""

    batches: float
    single: float
    scores: pl.DataFrame


def peers(path: Path, texts: Sequence[str]) -> Peers:
    peer = Detoxify(checkpoint=str(path), huggingface_config_path=str(path.parent))
    peer.predict(list(texts[:2]))
    started = time.perf_counter()
    for start in range(0, len(texts), 32):
        peer.predict(list(texts[start : start + 32]))
    batches = time.perf_counter() - started
    started = time.perf_counter()
    found = [peer.predict(text) for text in texts]
    single = time.perf_counter() - started
    scores = pl.DataFrame({label: [row[label] for row in found] for label in LABELS}, schema=dict.fromkeys(LABELS, pl.Float32))
    return Peers(len(texts) / batches, len(texts) / single, scores)


def timed(score: Callable[[], object], runs: int) -> float:
    """The seconds of the fastest of some runs."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        score()
        taken.append(time.perf_counter() - started)
    return min(taken)


def show(name: str, speed: float, against: Peers, goal: str = "", exactness: str = "") -> None:
    ratios = f"{speed / against.batches:>9.1f}{speed / against.single:>9.1f}"
    print(f"{name:<36}{speed:>9.1f}{ratios}  {goal:<12}{exactness}", flush=True)


def highest(scores: pl.DataFrame, labels: Sequence[str]) -> dict[str, float]:
    """The thresholds above which lie the highest of these scores."""
    return {label: float(scores[label].quantile(1 - DROPPED, "midpoint") or 1.0) for label in labels}


def cascade(large: Scorer, texts: Sequence[str], timed_on: Sequence[str], plain: float) -> None:
    """What the cascade spares, after it has learned from scores of a random sample; `plain` is the texts a second without it."""
    sieve, seen, teacher = LinearSieve(TEACHERS), 0, LiteScorer()
    while sieve.learning and seen + LESSON <= min(SAMPLE, len(texts)):
        lesson = list(texts[seen : seen + LESSON])
        sieve.learn(lesson, teacher.score(lesson))
        seen += LESSON
    print(f"cascade: learned from {seen:,} scored texts; {sieve.sifted.to_dict()['says']}")
    if sieve.learning:
        return
    fresh = list(timed_on)

    def score() -> None:
        passes = sieve.passes(fresh, 0)
        large.score([text for text, passing in zip(fresh, passes, strict=True) if not passing])

    speed = len(fresh) / timed(score, 2)
    rest = list(texts[seen:])
    toxic, passes = drops(teacher.score(rest), TEACHERS), sieve.passes(rest, 0)
    whole = len(texts) / ((seen / plain) + len(rest) / speed)
    missed = int((toxic & passes).sum())
    print(
        f"  after that {speed:,.1f} texts/s, {speed / plain:.1f} times as many (goal 3); {passes.mean():.1%} of {len(rest):,} others pass"
    )
    print(f"  missed {missed:,} of their {int(toxic.sum()):,} toxic ones, {missed / max(1, toxic.sum()):.2%} (bound 1 %)")
    print(f"  all {len(texts):,} texts, the sample among them: {whole:,.1f} texts/s (computed), {whole / plain:.1f} times as many")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comments", type=Path, help="a dump of comments (.zst), or a folder of posts")
    parser.add_argument("--texts", type=int, default=1280, help="for our ways")
    parser.add_argument("--peers", type=int, default=320, help="of these, evenly spread, for Detoxify's own")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    draw = random.Random(0)
    all_texts = comments_of(arguments.comments.resolve())
    texts = [all_texts[place] for place in sorted(draw.sample(range(len(all_texts)), min(arguments.texts, len(all_texts))))]
    some = texts[:: max(1, len(texts) // arguments.peers)]
    tokenizer = vocabulary(draw.sample(all_texts, min(60_000, len(all_texts))))
    lengths = [len(ids) for ids in tokenizer(texts, truncation=True)["input_ids"]]
    print(
        f"{arguments.comments.name}: {len(all_texts):,} different comments; {len(texts):,} of them for ours, {len(some):,} for Detoxify's, "
        f"in their order; {np.mean(lengths):.0f} tokens on average; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before"
    )
    with tempfile.TemporaryDirectory() as folder:
        model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), num_labels=len(CLASSES))).eval()
        compare(
            checkpoint(Path(folder) / "large", tokenizer, model),
            texts,
            some,
            Path(folder) / "cache",
            draw.sample(all_texts, len(all_texts)),
        )
    print(f"load {os.getloadavg()[0]:.1f} after")


def compare(large: Path, texts: Sequence[str], some: Sequence[str], cache: Path, shuffled: Sequence[str]) -> None:
    """The table, and the cascade."""
    theirs = peers(large, some)
    print(f"\n{'BERT-base, random weights':<36}{'texts/s':>9}{'x 32s':>9}{'x single':>9}  {'goal':<12}exactness")
    show("Detoxify.predict, batches of 32", theirs.batches, theirs)
    show("Detoxify.predict, one by one", theirs.single, theirs)
    exact: tuple[pl.DataFrame, dict[str, float]] | None = None
    speeds = {}
    for name, settings, goal, exactness in (
        ("float32", {"precision": "float32"}, "", "1e-4"),
        ("the default here", {}, "20, 6", ""),
        ("ONNX Runtime float32", {"runtime": "onnx"}, "", "1e-4"),
        ("ONNX Runtime int8", {"runtime": "onnx-int8"}, "30, 10", ""),
    ):
        scorer = Toxicity(f"detoxify:{large}", **settings).load(cache)
        scorer.score(texts[:8])
        seconds = timed(lambda scorer=scorer: scorer.score(texts), 1 if name == "float32" else 2)
        speeds[name] = len(texts) / seconds
        difference = np.abs((scorer.score(some).select(LABELS) - theirs.scores).to_numpy()).max()
        said = f"{difference:.0e} from Detoxify's" + (f" (goal {exactness})" if exactness else "")
        found = scorer.score(texts)
        if exact:
            said += f"; verdicts that differ {fidelity(found, *exact).share:.2%}"
        else:
            exact = found, highest(found, LABELS)
        show(f"{name} ({scorer.key.rpartition('-')[2]})", speeds[name], theirs, goal, said)
    print()
    cascade(Toxicity(f"detoxify:{large}").load(cache), shuffled, texts, speeds["the default here"])


if __name__ == "__main__":
    main()
