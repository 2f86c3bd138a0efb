"""A tokenizer as llama.cpp reads it: its tokens and their kinds, how it cuts a text into words, and what it joins first."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import gguf

from formats.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SIGNS_AND_BLANKS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_AHEAD = r"[^\r\n\p{L}\p{N}]?"

WORDS: Mapping[tuple[str, bool], str] = {
    (rf"{_CONTRACTIONS}|{_AHEAD}\p{{L}}+|\p{{N}}{{1,3}}|{_SIGNS_AND_BLANKS}", True): "llama-bpe",
    (rf"{_CONTRACTIONS}|{_AHEAD}\p{{L}}+|\p{{N}}{{1,3}}|{_SIGNS_AND_BLANKS}", False): "smaug-bpe",
    (rf"{_CONTRACTIONS}|{_AHEAD}\p{{L}}+|\p{{N}}|{_SIGNS_AND_BLANKS}", False): "qwen2",
    (
        rf"{_AHEAD}{_UPPER}*{_LOWER}+|{_AHEAD}{_UPPER}+{_LOWER}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        True,
    ): "tekken",
}
"""llama.cpp's names (src/llama-vocab.cpp) of the regular expressions with which tokenizers cut texts into words: of Llama 3, Qwen 2 and
Mistral Nemo. The second of a key: whether a word that is a token is taken whole, before anything is joined (`ignore_merges`)."""

_BYTE = re.compile("<0x[0-9A-F]{2}>")
_BLANK = "▁"


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer's tokens, by their ids, and how it uses them.

    Args:
        model: gpt2: byte-level BPE, joined in the order of `merges`; llama: SentencePiece's BPE, joined by the highest of `scores`.
        words: llama.cpp's name of how it cuts a text into words.
        kinds: a `gguf.TokenType` for each token.
        begins: whether it puts its opening token before a text; `ends`: its end token behind it.
        adds_space: whether it puts a blank before a text.
    """

    model: Literal["gpt2", "llama"]
    words: str
    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]
    scores: tuple[float, ...]
    begins: bool
    ends: bool
    adds_space: bool


def vocabulary_of(tokenizer: "PreTrainedTokenizerBase", rows: int) -> Vocabulary:
    """A tokenizer as llama.cpp reads it.

    Args:
        rows: of the embedding; those beyond the tokenizer's tokens are named as unused.

    Raises:
        UserError: llama.cpp has no name for how it cuts texts, or has no such tokenizer.
    """
    fast: Any = tokenizer
    backend = getattr(fast, "backend_tokenizer", None)
    if backend is None:
        raise UserError(f"the tokenizer {type(tokenizer).__name__} is none of the library tokenizers, which GGUF is written from")
    spec: dict[str, Any] = json.loads(backend.to_str())
    model = spec["model"]
    if model["type"] != "BPE":
        raise UserError(f"a tokenizer of the type {model['type']}: GGUF is written of BPE alone")
    if len(tokenizer) > rows:
        raise UserError(f"the tokenizer has {len(tokenizer):,} tokens, the model's embedding {rows:,} rows; is it another model's?")
    tokens, kinds = _tokens(spec, rows)
    begins, ends = _adds(tokenizer)
    if model.get("byte_fallback"):
        scores = _scores(tokens, model["merges"])
        return Vocabulary("llama", "default", tokens, kinds, (), scores, begins, ends, _adds_space(spec))
    return Vocabulary("gpt2", _words(spec), tokens, kinds, tuple(map(_joined, model["merges"])), (), begins, ends, False)


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """Writes a vocabulary; which tokens begin and end a text is written apart."""
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.words)
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.kinds))
    if vocabulary.merges:
        writer.add_token_merges(list(vocabulary.merges))
    if vocabulary.scores:
        writer.add_token_scores(list(vocabulary.scores))
    writer.add_add_bos_token(vocabulary.begins)
    writer.add_add_eos_token(vocabulary.ends)
    writer.add_add_space_prefix(vocabulary.adds_space)


def _tokens(spec: dict[str, Any], rows: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The tokens by their ids, and their kinds."""
    model, kind = spec["model"], gguf.TokenType
    told = {number: (text, kind.NORMAL) for text, number in model["vocab"].items()}
    if model.get("byte_fallback"):
        told |= {number: (text, kind.BYTE) for number, (text, _) in told.items() if _BYTE.fullmatch(text)}
    for added in spec["added_tokens"]:
        told[added["id"]] = (added["content"], kind.CONTROL if added["special"] else kind.USER_DEFINED)
    if model.get("unk_token") is not None and model.get("byte_fallback"):
        unknown = model["vocab"][model["unk_token"]]
        told[unknown] = (model["unk_token"], kind.UNKNOWN)
    whole = [told.get(number, (f"[PAD{number}]", kind.UNUSED)) for number in range(rows)]
    return tuple(text for text, _ in whole), tuple(int(kind) for _, kind in whole)


def _words(spec: dict[str, Any]) -> str:
    """llama.cpp's name of how a byte-level tokenizer cuts texts into words."""
    cuts = spec["pre_tokenizer"] or {}
    steps: list[dict[str, Any]] = cuts["pretokenizers"] if cuts.get("type") == "Sequence" else [cuts]
    normalised = (spec["normalizer"] or {"type": "NFC"})["type"] == "NFC"
    if normalised and steps[-1].get("type") == "ByteLevel" and not steps[-1]["add_prefix_space"]:
        before, by_regex = steps[:-1], steps[-1].get("use_regex", True)
        if by_regex and not before:
            return "gpt-2"
        if by_regex and len(before) == 1 and before[0] == {"type": "Digits", "individual_digits": True}:
            return "smollm"
        if not by_regex and len(before) == 1 and before[0]["type"] == "Split":
            split = before[0]
            known = (split["pattern"].get("Regex"), bool(spec["model"].get("ignore_merges")))
            if known in WORDS and split["behavior"] == "Isolated" and not split["invert"]:
                return WORDS[known]
    types = " and ".join(str(step.get("type")) for step in steps)
    raise UserError(f"the tokenizer cuts texts into words ({types}) in a way that llama.cpp has no name for; use the transformers export")


def _joined(merge: str | list[str]) -> str:
    """A merge as GGUF has it: both parts with a blank between them; a blank inside of one is the byte-level alphabet's."""
    return merge if isinstance(merge, str) else " ".join(part.replace(" ", "Ġ") for part in merge)


def _scores(tokens: Sequence[str], merges: Sequence[str | list[str]]) -> tuple[float, ...]:
    """A score for each token: the earlier it is joined, the higher.

    `tokenizers` joins by the rank of a pair, SentencePiece by the score of what comes out; the two are the same where all pairs that
    become one token follow one another, as in every tokenizer that was converted from SentencePiece.
    """
    ranks: dict[str, int] = {}
    last = None
    for merge in merges:
        left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
        whole = left + right
        if whole != last and whole in ranks:
            raise UserError(f"the tokenizer joins {whole!r} at several ranks, which llama.cpp's SentencePiece cannot do")
        ranks.setdefault(whole, len(ranks))
        last = whole
    return tuple(-float(ranks.get(token, len(ranks))) for token in tokens)


def _adds_space(spec: dict[str, Any]) -> bool:
    """Whether a SentencePiece tokenizer puts a blank before a text."""
    normalizer, cuts = spec["normalizer"] or {}, spec["pre_tokenizer"] or {}
    steps = normalizer.get("normalizers", [normalizer])
    if any(step.get("type") == "Prepend" and step["prepend"] == _BLANK for step in steps):
        return True
    return cuts.get("type") == "Metaspace" and cuts["prepend_scheme"] != "never"


def _adds(tokenizer: "PreTrainedTokenizerBase") -> tuple[bool, bool]:
    """Whether the tokenizer puts its opening token before a text, and its end token behind."""
    plain, whole = (list(tokenizer("a", add_special_tokens=special)["input_ids"]) for special in (False, True))
    if plain == whole:
        return False, False
    return whole[0] == tokenizer.bos_token_id, whole[-1] == tokenizer.eos_token_id
