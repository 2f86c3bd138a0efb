"""The documentation says what the code does."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

from curate.recipe import Recipe

ROOT = Path(__file__).parents[2]


def make_recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_recipe", ROOT / "docs" / "make_recipe.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_recipe_page_is_what_the_settings_say() -> None:
    assert (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8") == make_recipe().page(), "run: python docs/make_recipe.py"


def test_the_readmes_recipe_is_valid_and_short() -> None:
    recipe = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    assert recipe
    assert len(recipe[1].strip().split("\n")) == 10
    Recipe.build(tomllib.loads(recipe[1]), ROOT)


def test_the_readmes_commands_exist() -> None:
    from curate.cli import COMMANDS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^lorum ([a-z-]+)", readme, re.M)) <= set(COMMANDS)
