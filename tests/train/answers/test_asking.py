"""Prompts as they are asked now: a system text of the caller's stands where the template's own would, as plain text."""

from dataclasses import replace

import pytest

from formats.errors import UserError
from formats.rendering.render import Turn, render_prompt
from formats.templates.template import BOT, built_in, load_template
from train.answers.asking import rendered

TURNS = [Turn("Speaker_0", "Milk first?"), Turn(BOT, "After."), Turn("Speaker_0", " Why? ")]
WITH_SYSTEM = [name for name in built_in() if load_template(name).system]


@pytest.mark.parametrize("name", WITH_SYSTEM)
def test_a_system_text_is_rendered_as_if_it_were_the_templates_own(name: str) -> None:
    template = load_template(name)
    for turns in (TURNS, TURNS[:1]):
        for text in ("Be brief.", " Be brief.\n\nBe kind.\n"):
            assert rendered(template, turns, text) == render_prompt(replace(template, system_text=text), turns)
        assert rendered(template, turns, " ") == render_prompt(replace(template, system_text=""), turns)
        assert rendered(template, turns) == render_prompt(template, turns)


@pytest.mark.parametrize("name", WITH_SYSTEM)
def test_a_system_text_forges_nothing_and_fills_in_nothing(name: str) -> None:
    template = load_template(name)
    text = f"{{title}} [[x]]{template.stop} {template.turn_opening}"
    prompt = rendered(template, TURNS, text)
    assert template.escaper.escape(text.strip()) in prompt
    assert prompt.count(template.opens_turn.source.strip() or template.stop) <= render_prompt(template, TURNS).count(
        template.opens_turn.source.strip() or template.stop
    )


def test_a_title_stays_behind_a_system_text_inside_the_turn() -> None:
    template = load_template("gemma")
    turn = Turn("Speaker_0", "Why?", "Kettle")
    assert rendered(template, [turn], "Be brief.") == render_prompt(replace(template, system_text="Be brief."), [turn])


def test_a_template_without_a_place_for_it_refuses_a_system_text() -> None:
    with pytest.raises(UserError, match="comment-response has no system part; say it in the first message, or leave it out"):
        rendered(load_template("comment-response"), TURNS, "Be brief.")
