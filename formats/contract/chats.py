"""Chats as trainers read them: rendered by the tokenizer's own chat template, with or without a mask of what the assistant said."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from formats.contract.endings import Ending
from formats.contract.rows import Chats, Message
from formats.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARKS = re.compile(r"\{%-?\s*generation\s*-?%\}")

_QUESTION, _ANSWER = "kettle question", "kettle answer"


def rendered(chats: Chats, tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    """Each chat as one text.

    Raises:
        UserError: the tokenizer has no chat template, or it refuses a chat.
    """
    return [
        str(_render(tokenizer, row_id, messages, tokenize=False, return_dict=False))
        for row_id, messages in zip(chats.ids, chats.messages, strict=True)
    ]


def prompts(chats: Chats, tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """The tokens of each chat up to where its last reply begins, as a bot is asked for it.

    Raises:
        UserError: the tokenizer has no chat template, or it refuses a chat.
    """
    counts = chats.num_prompt or [len(messages) - 1 for messages in chats.messages]
    asked = [messages[:count] for messages, count in zip(chats.messages, counts, strict=True)]
    return [
        list(_render(tokenizer, row_id, messages, add_generation_prompt=True)["input_ids"]) if messages else []
        for row_id, messages in zip(chats.ids, asked, strict=True)
    ]


def tokens(chats: Chats, tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """The tokens of each chat.

    Raises:
        UserError: the tokenizer has no chat template, or it refuses a chat.
    """
    return [list(_render(tokenizer, row_id, messages)["input_ids"]) for row_id, messages in zip(chats.ids, chats.messages, strict=True)]


def assistant_masks(chats: Chats, tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """1 for each token of each chat that the assistant said, else 0, as TRL has it with `assistant_only_loss`.

    Raises:
        UserError: the chat template does not mark what the assistant says, and TRL knows no training form of it.
    """
    template = _marking_template(tokenizer)
    return [
        list(_render(tokenizer, row_id, messages, chat_template=template, return_assistant_tokens_mask=True)["assistant_masks"])
        for row_id, messages in zip(chats.ids, chats.messages, strict=True)
    ]


def chat_ending(tokenizer: "PreTrainedTokenizerBase") -> Ending:
    """What the chat template writes behind a reply: up to its end of turn, and what follows.

    Raises:
        UserError: the tokenizer has no chat template.
    """
    asked: list[Message] = [{"role": "user", "content": _QUESTION}, {"role": "assistant", "content": _ANSWER}]
    behind = str(_render(tokenizer, "a trial chat", asked, tokenize=False, return_dict=False)).rpartition(_ANSWER)[2]
    literals = sorted((str(token) for token in tokenizer.added_tokens_decoder.values()), key=len, reverse=True)
    ends = [behind.index(literal) + len(literal) for literal in literals if literal in behind]
    end = min(ends) if ends else len(behind.rstrip())
    return Ending(behind[:end], behind[end:])


def _marking_template(tokenizer: "PreTrainedTokenizerBase") -> str | None:
    """A chat template that marks what the assistant says; None where the tokenizer's own does."""
    if _MARKS.search(str(tokenizer.chat_template)):
        return None
    try:
        from trl.chat_template_utils import get_training_chat_template
    except ImportError:
        raise UserError(
            f"the chat template of {tokenizer.name_or_path} does not mark what the assistant says ({{% generation %}}); "
            "install trl, which knows such forms of common ones, or read it without --assistant-only"
        ) from None
    try:
        return cast(str, get_training_chat_template(tokenizer))
    except ValueError as error:
        raise UserError(
            f"the chat template of {tokenizer.name_or_path} has no form for training ({' '.join(str(error).split())})"
        ) from None


def _render(tokenizer: "PreTrainedTokenizerBase", row_id: str, messages: Sequence[Message], **options: Any) -> Any:
    if not tokenizer.chat_template:
        raise UserError(
            f"the tokenizer of {tokenizer.name_or_path} has no chat template, so no trainer reads messages with it; "
            "name a template with --template, or use a chat model's tokenizer"
        )
    from jinja2 import TemplateError

    try:
        return tokenizer.apply_chat_template(
            [{"role": message["role"], "content": message["content"]} for message in messages], **{"return_dict": True, **options}
        )
    except (TemplateError, ValueError, TypeError, KeyError, IndexError) as error:
        raise UserError(
            f"{row_id}: the chat template of {tokenizer.name_or_path} refuses these messages ({' '.join(str(error).split())})"
        ) from None
