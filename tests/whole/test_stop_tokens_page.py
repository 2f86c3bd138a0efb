"""The page on stop tokens shows what its scripts and `lorum check` print, and each failure is caught."""

import re

from docs.make_stop_tokens import PAGE, SCRIPTS, page

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_shows_what_its_commands_print() -> None:
    assert page() == TEXT, "run: python docs/make_stop_tokens.py"


def test_every_failure_is_caught() -> None:
    sections = TEXT.split("\n## ")[1:]
    assert len(sections) == 5
    for section in sections:
        assert re.search(r"^lorum: the stop contract does not hold: \d of \d+ points fail$", section, re.MULTILINE)


def test_every_script_is_shown() -> None:
    scripts = {path.name for path in SCRIPTS.glob("*.py")} - {"make_base.py"}
    assert scripts == set(re.findall(r"^\$ python (\w+\.py)$", TEXT, re.MULTILINE))
