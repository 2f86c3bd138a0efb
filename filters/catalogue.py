"""All rules by name, in the order in which they judge, built from the settings of a recipe."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from filters.authorship import Bots, NoAuthor
from filters.recency import Recency
from filters.reception import Ads, Distinguished, MinScore, Nsfw, Removed, Stickied
from filters.rule import Rule, RuleError
from filters.toxicity import Toxicity
from filters.wording import Empty, Length

RULES: dict[str, type[Rule]] = {
    rule.name(): rule for rule in (Removed, NoAuthor, Bots, Stickied, Distinguished, Ads, Nsfw, Empty, MinScore, Recency, Length, Toxicity)
}
"""Every rule by its name. The first rule that drops a post is its reason, so the plain facts come before the matters of taste."""


def build_rules(settings: Mapping[str, Any]) -> list[Rule]:
    """The rules of a recipe: all of the catalogue, each with its defaults unless the settings say otherwise.

    Args:
        settings: by rule name, `False` (left out), `True` (defaults), a table of fields, or a value for the rule's first field.

    Raises:
        RuleError: an unknown rule or field, or a value that does not fit.
    """
    for name in settings:
        if name not in RULES:
            raise RuleError(f"unknown rule {name!r}; known: {', '.join(RULES)}")
    return [_build(rule, settings.get(name, True)) for name, rule in RULES.items() if settings.get(name, True) is not False]


def _build(rule: type[Rule], setting: Any) -> Rule:
    known = [field.name for field in fields(rule)]
    if setting is True:
        return rule()
    if not isinstance(setting, Mapping):
        if not known:
            raise RuleError(f"{rule.name()}: is true or false, not {setting!r}: it has no settings")
        setting = {known[0]: setting}
    for key in setting:
        if key not in known:
            raise RuleError(f"{rule.name()}: unknown setting {key!r}; known: {', '.join(known) or 'none'}")
    try:
        return TypeAdapter(rule).validate_python(dict(setting))
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, RuleError):
            raise cause from None
        where = ".".join(str(part) for part in first["loc"])
        raise RuleError(f"{rule.name()}.{where}: {first['msg']}, found {first['input']!r}") from None
