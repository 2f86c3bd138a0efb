"""The built-in templates against the published chat templates, rendered by transformers."""

from dataclasses import replace

import pytest

from formats.rendering.render import Turn, render_prompt
from formats.templates.examples import example
from formats.templates.template import BOT, Template, built_in, load_template, provenance, read_template

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
    "{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA3 = (
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{% set first = messages[0]['content'] + '\n\n' %}{% set loop_messages = messages[1:] %}"
    "{% else %}{% set first = '' %}{% set loop_messages = messages %}{% endif %}"
    "{% for message in loop_messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + (first if loop.first else '') + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
ZEPHYR = (
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
)
VICUNA = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}"
    '{% set loop_messages = messages %}{% set system_message = "A chat between a curious user and an artificial intelligence assistant. '
    "The assistant gives helpful, detailed, and polite answers to the user's questions.\" %}{% endif %}{{ system_message }}"
    "{% for message in loop_messages %}{% if loop.index0 == 0 %}{{ ' ' }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
MISTRAL_V3 = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}{%- set loop_messages = messages[1:] %}"
    "{%- else %}{%- set loop_messages = messages %}{%- endif %}{{- bos_token }}{%- for message in loop_messages %}"
    "{%- if message['role'] == 'user' %}{%- if loop.first and system_message is defined %}"
    "{{- '[INST] ' + system_message + '\n\n' + message['content'] + '[/INST]' }}{%- else %}"
    "{{- '[INST] ' + message['content'] + '[/INST]' }}{%- endif %}"
    "{%- else %}{{- ' ' + message['content'] | trim + eos_token }}{%- endif %}{%- endfor %}"
)
MISTRAL_V1 = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token + ' ' }}{% endif %}{% endfor %}"
)
PUBLISHED = {
    "chatml": CHATML, "llama2": LLAMA2, "llama3": LLAMA3, "gemma": GEMMA, "zephyr": ZEPHYR, "vicuna": VICUNA, "mistral": MISTRAL_V3,
}  # fmt: skip
SAID = ("Who took the good mug?", "The clerk.\n\nI saw it.", "And the jam?", "Also the clerk.")


def published(source, tokenizer, system, said, **options):
    """A chat template's text without the tokenizer's own token at its beginning."""
    messages = [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(said)]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    text = tokenizer.apply_chat_template(messages, chat_template=source, tokenize=False, **options)
    return text.removeprefix("<s>")


def ours(template, said):
    return render_prompt(template, [Turn(BOT if place % 2 else "Speaker_0", text) for place, text in enumerate(said)])


def test_the_library_holds_the_templates_of_the_documentation():
    assert built_in() == [
        "alpaca", "chatml", "comment-reply-end", "comment-response", "gemma", "llama2", "llama3", "mistral", "speakers", "vicuna", "zephyr",
    ]  # fmt: skip


@pytest.mark.parametrize("system", [None, "You are the clerk.\n\nBe brief."])
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_rendered_is_what_the_published_chat_template_renders(name, count, system, metaspace_tokenizer):
    template, said = load_template(name), SAID[:count]
    template = template if system is None else replace(template, system_text=system)
    expected = published(PUBLISHED[name], metaspace_tokenizer, system, said)
    sample = ours(template, said[:-1]) + said[-1] + template.stop
    assert expected.startswith(sample)
    assert expected[len(sample) :].strip() == ""
    asked = published(PUBLISHED[name], metaspace_tokenizer, system, said[:-1], add_generation_prompt=True)
    assert ours(template, said[:-1]).rstrip(" ") == asked.rstrip(" ")


def test_what_the_comment_of_mistral_says_of_v1_is_so(metaspace_tokenizer):
    template = replace(load_template("mistral"), turn="[INST] {text} [/INST]", bot_turn=" {text}</s> ")
    expected = published(MISTRAL_V1, metaspace_tokenizer, None, SAID)
    assert ours(template, SAID[:-1]) + SAID[-1] + template.stop == expected.rstrip()


def test_alpaca_to_the_letter():
    assert ours(load_template("alpaca"), SAID[:1]) == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nWho took the good mug?\n\n### Response:\n"
    )


def test_comment_reply_end_to_the_letter():
    template = load_template("comment-reply-end")
    assert ours(template, SAID[:1]) + "The clerk." + template.stop == (
        "### Comment:\nWho took the good mug?\n\n### REPLY:\nThe clerk.\n\n### END."
    )


@pytest.mark.parametrize("name", built_in())
def test_every_built_in_template_says_where_it_comes_from_and_shows_an_example(name, tmp_path):
    assert len(provenance(name)) > 60
    template = load_template(name)
    assert template.name == name
    assert "\nname" not in provenance(name)
    shown = example(template)
    assert shown.endswith(f"Then the kettle is in contempt. Adjourned for tea.{template.stop}")
    assert "The Crown v. Spout\n\nIt has whistled since the first act." in shown
    (tmp_path / "template.toml").write_text(template.to_toml(), encoding="utf-8")
    assert read_template(tmp_path / "template.toml") == template


def test_an_example_tells_all_that_a_template_speaks_of():
    template = Template(
        "own",
        "## {speaker}, {community}: ##\n{text}\n\n",
        "## {speaker}[[ ({flair})]] ##\n",
        "\n\n## END ##",
        system="## RULES ##\n{text}\n\n",
        system_text="{date}: {title}",
        submission="## {speaker} asks ##\n{title}\n-- TEXT --\n{text}\n\n",
    )
    assert example(template) == (
        "## RULES ##\n2011-11-11: The Crown v. Spout\n\n"
        "## Speaker_0 asks ##\nThe Crown v. Spout\n-- TEXT --\nIt has whistled since the first act. What does the court advise?\n\n"
        "## Bot, KettleCourt: ##\nHas the witness tried to take it off the stove?\n\n"
        "## Speaker_1, KettleCourt: ##\nThe witness has a point of order: there is no stove.\n\n"
        "## Bot (Clerk) ##\nThen the kettle is in contempt. Adjourned for tea.\n\n## END ##"
    )
