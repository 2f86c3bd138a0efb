"""All rules and transforms by name, in the order in which they are applied, built from the settings of a recipe."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from filters.authorship import Bots, NoAuthor
from filters.caps import PerAuthor, PerThread
from filters.cleaning import Quotes, Repair, Unescape
from filters.conversation import Turns
from filters.duplicates import Duplicates
from filters.invisible import Invisible
from filters.language import Language
from filters.lists import Authors, Communities, Flairs
from filters.near_duplicates import NearDuplicates
from filters.privacy import Pii
from filters.pseudonyms import Pseudonyms
from filters.recency import Recency
from filters.reception import Ads, Distinguished, MinScore, Nsfw, Quarantined, Removed, Settled, Stickied, UpvoteRatio
from filters.rule import Phase, Rule, RuleError
from filters.sample import Sample
from filters.toxicity import Toxicity
from filters.transform import Transform
from filters.vocabulary import Words
from filters.wording import Empty, Length, Quoted, Repetition, Shouting, Symbols, Urls

T = TypeVar("T", bound=Rule | Transform)

TRANSFORMS: dict[str, type[Transform]] = {
    transform.name(): transform for transform in (Unescape, Repair, Invisible, Quotes, Pii, Pseudonyms)
}
"""Every transform by its name, in the order in which they are made."""

_ORDER: tuple[type[Rule], ...] = (
    *(Removed, NoAuthor, Bots, Stickied, Distinguished, Ads, Nsfw, Quarantined, Communities, Flairs, Authors, Recency, Settled),
    *(Empty, MinScore, UpvoteRatio, Urls, Length, Quoted, Shouting, Repetition, Symbols, Words),
    Turns,
    *(Language, Toxicity),
    *(Duplicates, NearDuplicates, PerThread, PerAuthor, Sample),
)

RULES: dict[str, type[Rule]] = {rule.name(): rule for rule in _ORDER}
"""Every rule by its name. The first rule that drops a post is its reason, so the plain facts come before the matters of taste."""


@dataclass(frozen=True)
class Filter:
    """What the posts go through: the transforms, then the rules, each in order."""

    transforms: tuple[Transform, ...] = ()
    rules: tuple[Rule, ...] = ()

    def asked(self, phase: Phase) -> list[Rule]:
        """The rules of a phase that judge anybody, in order."""
        return [rule for rule in self.rules if rule.phase is phase and rule.judging()]

    def settings(self) -> dict[str, dict[str, Any]]:
        """By the name of each transform and rule its settings, as `build_filter` takes them."""
        parts: tuple[Transform | Rule, ...] = (*self.transforms, *self.rules)
        return {part.name(): asdict(part) for part in parts}


def build_filter(settings: Mapping[str, Any]) -> Filter:
    """The filter of a recipe: all of the catalogue, each with its defaults unless the settings say otherwise.

    Args:
        settings: by the name of a rule or transform, `False` (left out), `True` (defaults), a table of fields, or a value for its first
            field. What does not apply by default applies when it is named.

    Raises:
        RuleError: an unknown name or field, or a value that does not fit.
    """
    for name in settings:
        if name not in RULES and name not in TRANSFORMS:
            raise RuleError(f"unknown rule {name!r}; known: {', '.join((*RULES, *TRANSFORMS))}")
    transforms = {name: settings.get(name, transform.by_default) for name, transform in TRANSFORMS.items()}
    rules = {name: settings.get(name, rule.by_default) for name, rule in RULES.items()}
    return Filter(
        tuple(_build(TRANSFORMS[name], setting) for name, setting in transforms.items() if setting is not False),
        tuple(_build(RULES[name], setting) for name, setting in rules.items() if setting is not False),
    )


def _build(kind: type[T], setting: Any) -> T:
    known = [field.name for field in fields(kind)]
    if setting is True:
        return kind()
    if not isinstance(setting, Mapping):
        if not known:
            raise RuleError(f"{kind.name()}: is true or false, not {setting!r}: it has no settings")
        setting = {known[0]: setting}
    if issubclass(kind, Rule):
        setting = kind.read(setting)
    for key in setting:
        if key not in known:
            raise RuleError(f"{kind.name()}: unknown setting {key!r}; known: {', '.join(known) or 'none'}")
    try:
        return TypeAdapter(kind).validate_python(dict(setting))
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, RuleError):
            raise cause from None
        where = ".".join(str(part) for part in first["loc"])
        raise RuleError(f"{kind.name()}.{where}: {first['msg']}, found {first['input']!r}") from None
