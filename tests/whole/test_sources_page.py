"""The page on sources shows what its commands print, and its recipe is valid."""

import re
import tomllib
from pathlib import Path

import pytest

from curate.posts import POSTS
from curate.recipe import Recipe
from curate.sources.catalogue import FILES, LIVE
from docs.make_sources import PAGE, page, schema
from formats.errors import UserError

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_shows_what_its_commands_print() -> None:
    assert page() == TEXT, "run: python docs/make_sources.py"


def test_every_source_has_a_section_that_was_run() -> None:
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    run = "".join(section for section in sections if "```console" in section)
    assert {name for name in LIVE if f"$ lorum scrape {name} " in run} == set(LIVE)
    headings = {"reddit-dump": "Reddit's archives", "table": "Tables", "convokit": "ConvoKit", "stack-exchange": "Stack Exchange"}
    assert headings.keys() | {"journal"} == FILES.keys()
    for heading in headings.values():
        section = next(section for section in sections if section.startswith(f"{heading}\n"))
        assert re.search(r"^\$ lorum import .*\n[\d,]+ records? = ", section, re.MULTILINE), heading


def test_the_pages_recipe_is_valid() -> None:
    written = re.search(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert written
    recipe = Recipe.build(tomllib.loads(written[1]), Path())
    assert recipe.gather.map == {"prompt": "customer_wrote", "text": "we_wrote", "id": "ticket"}
    ((source, request),) = recipe.requests()
    assert (source, request.site, request.category) == ("discourse", "https://forum.example", "brewing")


@pytest.mark.parametrize("source", LIVE)
def test_the_settings_of_a_scrape_are_those_of_its_source(source: str) -> None:
    row = re.search(rf"^\| `{source}` \| (.*) \|$", TEXT, re.MULTILINE)
    assert row
    with pytest.raises(UserError) as refused:
        Recipe.build({"name": "tea", "gather": {"scrape": [{"source": source, "lid": True}]}}, Path())
    known = str(refused.value).split("known: ")[1].split(", ")
    assert re.findall(r"`(\w+)`", row[1]) == [name for name in known if name not in ("algolia", "firebase")]


def test_the_columns_of_a_post_are_all_there_in_their_order() -> None:
    assert re.findall(r"^\| \w* \| `(\w+)` \|", schema(), re.MULTILINE) == list(POSTS)
