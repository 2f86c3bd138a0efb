"""Templates derived from chat templates; these are minimal ones of the known families."""

from copy import deepcopy

import pytest

from formats.errors import UserError
from formats.rendering.render import Turn, render_prompt
from formats.templates.chat_template import template_of
from formats.templates.template import BOT

NAMED = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEFAULT = "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are Kettle.<|im_end|>\n' }}{% endif %}" + NAMED
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}"
    "{% set first = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}"
    "{% else %}{% set rest = messages %}{% set first = '' %}{% endif %}{% for message in rest %}{% if message['role'] == 'user' %}"
    "{{ '<s>[INST] ' + (first if loop.first else '') + message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + ' </s>' }}"
    "{% endif %}{% endfor %}"
)
DATED = (
    "{% if messages[0]['role'] == 'system' %}{% set said = messages[0]['content'] %}{% set messages = messages[1:] %}{% else %}"
    "{% set said = '' %}{% endif %}{{ '<|start_header_id|>system<|end_header_id|>\n\nToday: 26 Jul 2024\n\n' + said + '<|eot_id|>' }}"
    "{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' "
    "+ message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\n' "
    "+ message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
PHI3 = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
LAST_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set said = messages[0]['content'] + '\n\n' %}{% else %}"
    "{% set rest = messages %}{% set said = '' %}{% endif %}{% for message in rest %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + (said if loop.index >= rest | length - 1 else '') + message['content'] + '[/INST]' }}{% else %}"
    "{{ ' ' + message['content'] + '</s>' }}{% endif %}{% endfor %}"
)
THINKING = NAMED.replace("'<|im_start|>assistant\n' }}", "'<|im_start|>assistant\n<think>\n' }}")
FAMILIES = {"named": NAMED, "default": DEFAULT, "llama2": LLAMA2, "dated": DATED, "gemma": GEMMA, "phi3": PHI3, "last-system": LAST_SYSTEM}
SAID = ("Who took\nthe good mug?", "The clerk.", "And the jam?", "Also.")


@pytest.fixture(scope="module")
def with_template(metaspace_tokenizer):
    def build(source):
        tokenizer = deepcopy(metaspace_tokenizer)
        tokenizer.name_or_path, tokenizer.chat_template = "kettle", source
        return tokenizer

    return build


def rendered(template, said):
    turns = [Turn(BOT if place % 2 else "Speaker_0", text) for place, text in enumerate(said[:-1])]
    return render_prompt(template, turns) + said[-1] + template.stop


def applied(tokenizer, said, system=None):
    messages = [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(said)]
    messages = messages if system is None else [{"role": "system", "content": system}, *messages]
    return tokenizer.apply_chat_template(messages, tokenize=False).removeprefix("<s>")


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_derived_template_renders_what_the_chat_template_renders(family, count, with_template):
    tokenizer = with_template(FAMILIES[family])
    template, expected = template_of(tokenizer), applied(tokenizer, SAID[:count])
    sample = rendered(template, SAID[:count])
    assert template.name == "chat"
    assert expected.startswith(sample)
    assert expected[len(sample) :].strip() in ("", "</s>")


@pytest.mark.parametrize("family", ["named", "default", "llama2", "dated", "phi3"])
def test_a_system_text_of_ones_own_takes_the_place_of_the_models(family, with_template):
    tokenizer = with_template(FAMILIES[family])
    template = template_of(tokenizer, "You are the clerk.\n\nBe brief.")
    sample = rendered(template, SAID)
    assert applied(tokenizer, SAID, "You are the clerk.\n\nBe brief.").startswith(sample)
    assert "Kettle." not in sample


def test_chatml_falls_into_its_parts(with_template):
    template = template_of(with_template(DEFAULT))
    assert (template.begin, template.turn, template.bot_turn) == (
        "",
        "<|im_start|>user\n{text}<|im_end|>\n",
        "<|im_start|>assistant\n{text}<|im_end|>\n",
    )
    assert (template.reply, template.stop) == ("<|im_start|>assistant\n", "<|im_end|>")
    assert (template.system, template.system_text) == ("<|im_start|>system\n{text}<|im_end|>\n", "You are Kettle.")


def test_a_token_that_opens_every_turn_of_the_user_stands_behind_the_reply_before_it(with_template):
    template = template_of(with_template(LLAMA2))
    assert (template.begin, template.turn, template.bot_turn, template.reply, template.stop) == (
        "",
        "[INST] {text} [/INST]",
        " {text} </s><s>",
        " ",
        " </s>",
    )
    assert (template.system, template.system_inside) == ("<<SYS>>\n{text}\n<</SYS>>\n\n", True)


def test_what_stands_in_the_place_of_an_empty_system_text_becomes_the_beginning(with_template):
    template = template_of(with_template(DATED))
    assert (template.begin, template.system) == ("<|start_header_id|>system<|end_header_id|>\n\nToday: 26 Jul 2024\n\n<|eot_id|>", "")


def test_what_is_not_said_of_the_end_of_a_conversation_is_no_part_of_the_stop(with_template):
    assert template_of(with_template(PHI3)).stop == "<|end|>"


@pytest.mark.parametrize(
    ("source", "own", "reason"),
    [
        (None, "", "the tokenizer of kettle has no chat template; give one of the built-in templates (alpaca, chatml,"),
        ("{{ strftime_now('%d') }}" + NAMED, "", "the chat template of kettle writes today's date into conversations; give one of"),
        (THINKING, "", "the chat template of kettle asks for a reply with '"),
        (
            NAMED.replace("message['content']", "message['content'] | upper"),
            "",
            "the chat template of kettle tells 4 messages in another order",
        ),
        (
            NAMED.replace("message['content']", "message['content'] | replace('\n', ' ')"),
            "",
            "the chat template of kettle does more than put fixed text around turns: behind",
        ),
        (GEMMA, "Be brief.", "the chat template of kettle has no place for a system text before the first turn; give"),
        (LAST_SYSTEM, "Be brief.", "the chat template of kettle has no place for a system text before the first turn; give"),
        (
            "{{ raise_exception('no chats') }}",
            "",
            "the chat template of kettle fails for user and assistant and user and assistant ('no chats'); ",
        ),
        (
            "{% for message in messages %}{{ message['content'] + '\n' }}{% endfor %}",
            "",
            "the chat template of kettle turn opening '' is no",
        ),
    ],
)
def test_a_chat_template_that_no_template_can_express_is_refused_with_the_reason(source, own, reason, with_template):
    with pytest.raises(UserError) as refused:
        template_of(with_template(source), own)
    assert str(refused.value).startswith(reason)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith("or a file of your own")
