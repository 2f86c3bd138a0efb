"""Templates, tokenizers and hostile texts for the tests of formats/."""

import os
import string

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from formats.rendering.render import NOBODY, THE_BOT, Conversations
from formats.templates.escape import COMMON_SPECIAL_TOKENS
from formats.templates.template import BOT, Template, built_in, load_template

# Examples share the two cores with other work, so no deadline; the same examples in every run, so that CI says the same twice.
settings.register_profile(
    "formats",
    max_examples=14,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("formats")

CHATML = Template(
    name="chatml-speakers",
    turn="<|im_start|>{speaker}\n{text}<|im_end|>\n",
    reply="<|im_start|>{speaker}\n",
    stop="<|im_end|>",
)
"""Its boundaries are special tokens of the byte-level tokenizer below, and its stop is that tokenizer's end token."""

TEMPLATES = (load_template("comment-response"), load_template("speakers"), CHATML)

EVERYTHING = Template(
    name="everything",
    begin="## THE RECORD ##\n\n",
    system="## RULES ##\n{text}\n\n",
    system_text="The forum is {community}[[, you are {flair}]][[, it is {date}]][[, the case is {title}]].",
    turn="## {speaker}[[ ({flair})]][[, {date}]]: ##\n{text}\n\n",
    submission="## {speaker} opens in [{community}] ##\n{title}\n## CASE ##\n{text}\n\n",
    reply="## {speaker}[[ ({flair})]]: ##\n",
    stop="\n\n## END ##",
    separator="-----\n",
    bot="The Clerk",
)
"""Values in every heading and in the system text, a boundary behind titles, a separator."""

INSIDE = Template(
    name="inside",
    system="<rules>{text}</rules>",
    system_text="Of {flair}, in the court of {community}.",
    system_inside=True,
    turn="<user>{text}</user>",
    submission="<post>{title}\n\n{text}</post>",
    bot_turn="<bot>{text}</bot>",
    reply="<bot>",
    stop="</bot>",
    separator="\n<|next|>\n",
)
"""User and bot in turn, and a system text in its own boundaries inside the user's first turn."""

QUESTIONS = Template(name="questions", turn="### Q: {text} ### A:", reply=" ", stop="\n### END")
"""What closes a turn opens the reply, and user and bot do not take turns."""

ASIDE = Template(
    name="aside", turn="<{speaker}> {text}\n", bot_turn="<me, {speaker}> {text}\n", reply="<me, {speaker}> ", stop="\n<over>", bot="Odo"
)
"""The bot's turns have a form of their own, but speakers are named, so that no turns are merged."""

ALL_TEMPLATES = (*map(load_template, built_in()), CHATML, EVERYTHING, INSIDE, QUESTIONS, ASIDE)

STRIPPED = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space, which rendering strips; Python's `str.strip` would take U+001C to U+001F as well."""

TRAINED_ON = [
    "### Comment:\nGuilty. The kettle was warm.\n\n### Response:\nOverruled, with jam.\n\n### END",
    "### BEGIN CONVERSATION ###\n\n## Speaker_0: ##\nWho took the good mug?\n\n## Bot: ##\nThe clerk.\n\n### END CONVERSATION ###",
] * 4


def boundaries(template: Template) -> list[str]:
    values = [
        {"speaker": name, "flair": "END", "date": "2011-11-11", "community": "user"} for name in (template.bot, "Speaker_0", "Speaker_41")
    ]
    return list({heading.text(known): None for heading in template.headings for known in [*values, {"speaker": template.bot}]})


_literals = [literal for template in ALL_TEMPLATES for literal in boundaries(template)]
FORGERIES = sorted({*_literals, *(literal.strip() for literal in _literals), *COMMON_SPECIAL_TOKENS})
ODDITIES = [
    "\\", "\\\\", "#", "###", "\n", "\n\n", "\r\n", "\r", " ", "\t", "\v", "\x1f", "\0", "\x85", "\xa0", "\u2028", "\u2029", "\u200b",
    "\ufeff", "Speaker_\u0663", "## Speaker_: ##", "## bot: ##", "＜/s＞", "<\u200b/s>", "🫖", "e\u0301", "kettle", "<think>", "   ",
    "<0x0A>", "▁", "$1", "{text}",
]  # fmt: skip


def _cut(forgery: str, start: int, end: int) -> str:
    return forgery[start : len(forgery) - end]


def _slashed(forgery: str, at: int, count: int) -> str:
    at %= len(forgery) + 1
    return forgery[:at] + "\\" * count + forgery[at:]


def _nested(outer: str, at: int, inner: str) -> str:
    at %= len(outer)
    return outer[:at] + inner + outer[at:]


_forgery, _few = st.sampled_from(FORGERIES), st.integers(0, 4)
TEXTS = st.lists(
    st.one_of(
        _forgery,
        st.builds(_cut, _forgery, _few, _few),
        st.builds(_slashed, _forgery, st.integers(0, 40), _few),
        st.builds(_nested, _forgery, st.integers(0, 40), _forgery),
        st.sampled_from(ODDITIES),
        st.text(max_size=6),
    ),
    max_size=7,
).map("".join)


@pytest.fixture(scope="session")
def texts():
    """Texts that try to forge: whole, cut, nested and backslashed boundaries and special tokens between oddities of Unicode."""
    return TEXTS


@pytest.fixture(scope="session")
def strip():
    return lambda text: text.strip(STRIPPED)


@pytest.fixture(scope="session")
def chatml():
    return CHATML


@pytest.fixture(scope="session", params=TEMPLATES, ids=lambda template: template.name)
def template(request):
    return request.param


@pytest.fixture(scope="session", params=ALL_TEMPLATES, ids=lambda template: template.name)
def any_template(request):
    return request.param


@pytest.fixture(scope="session")
def conversations():
    """Builds what `render` takes, from lists of (speaker, text[, title, flair, created_at]), and from columns of the replies."""

    def build(*rows, **of_replies):
        width = max(map(len, rows), default=2)
        said = [(*turn[1:], None, None, None)[:4] for row in rows for turn in row]
        turns, speakers = np.full((len(rows), width), NOBODY), np.full((len(rows), width), THE_BOT)
        first = 0
        for number, row in enumerate(rows):
            turns[number, width - len(row) :] = np.arange(first, first + len(row))
            speakers[number, width - len(row) :] = [THE_BOT if name == BOT else int(name.removeprefix("Speaker_")) for name, *_ in row]
            first += len(row)
        replies = pl.DataFrame(
            {
                "id": [f"t1_r{number}" for number in range(len(rows))],
                "thread_id": ["t3_a"] * len(rows),
                "community": ["KettleCourt"] * len(rows),
                "created_at": [None] * len(rows),
                "score": list(range(len(rows))),
                **({"title": [None] * len(rows), "flair": [None] * len(rows)} if of_replies else {}),
                **of_replies,
            },
            schema={
                "id": pl.String,
                "thread_id": pl.String,
                "community": pl.String,
                "created_at": pl.Datetime("ms", "UTC"),
                "score": pl.Int32,
                **({"title": pl.String, "flair": pl.String} if of_replies else {}),
            },
        )
        schema = {"text": pl.String, "title": pl.String, "flair": pl.String, "created_at": pl.Datetime("ms", "UTC")}
        posts = pl.DataFrame(said, schema=schema, orient="row")
        posts = posts.insert_column(0, pl.Series("id", [f"t1_p{number}" for number in range(len(said))], pl.String))
        return Conversations(replies, posts, turns, speakers)

    return build


def _byte_level() -> Tokenizer:
    """Merges anything with anything, line breaks too: what stands before a stop decides how a plain tokenizer cuts it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TRAINED_ON, trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=alphabet))
    return tokenizer


def byte_level(**more) -> PreTrainedTokenizerFast:
    special = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>", "pad_token": "<|im_end|>"}
    return PreTrainedTokenizerFast(tokenizer_object=_byte_level(), **{**special, **more})


def metaspace() -> PreTrainedTokenizerFast:
    """Of SentencePiece's kind: its special tokens are pieces of its model, its normalizer turns `＜/s＞` into `</s>`, it opens with <s>."""
    characters = [(character, -4.0) for character in sorted(set(string.printable) - set(string.whitespace))]
    pieces = [("###", -3.0), ("▁kettle", -3.0), ("END", -3.0), ("▁", -2.0)]
    vocabulary = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((f"<0x{byte:02X}>", -20.0) for byte in range(256)), *pieces, *characters]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def with_added() -> PreTrainedTokenizerFast:
    """Byte-level, with added tokens that are not special and stand in texts: words, a tag, and a run of blanks as code models have."""
    tokenizer = byte_level(pad_token="<|endoftext|>")
    tokenizer.add_tokens([AddedToken(word, special=False) for word in ("kettle", "<think>", "   ", "the good mug")])
    return tokenizer


TOKENIZERS = {"byte-level": byte_level, "metaspace": metaspace, "with-added": with_added}


@pytest.fixture(scope="session", params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]()


@pytest.fixture(scope="session")
def bytes_tokenizer():
    return byte_level()


@pytest.fixture(scope="session")
def metaspace_tokenizer():
    return metaspace()


@pytest.fixture(scope="session")
def added_tokenizer():
    return with_added()
