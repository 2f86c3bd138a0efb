"""The page on filters lists every rule and transform, and shows what its commands print."""

import re

from docs.make_filters import PAGE, page
from filters.catalogue import RULES, TRANSFORMS

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_shows_what_the_code_says_and_its_commands_print() -> None:
    assert page() == TEXT, "run: python docs/make_filters.py"


def test_every_transform_and_rule_has_its_line_in_the_order_in_which_they_are_applied() -> None:
    assert re.findall(r"^- \*\*`(\w+)`\*\*", TEXT, re.MULTILINE) == [*TRANSFORMS, *RULES]
