"""A transform that puts placeholders where a text gives away a person's address, number or account."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from filters.rule import RuleError
from filters.transform import Look, Transform, rewrite

KINDS = ("email", "iban", "card", "ip", "phone", "user")

if TYPE_CHECKING:
    from phonenumbers import PhoneNumberMatch

_AT = r"[\[({] ?[aA][tT] ?\\?[\])}]"
_DOT = " [dD][oO][tT] "
_LONG_NUMBER = "[0-9]{4}|[0-9]{2}[-. ][0-9]{2}[-. ][0-9]{2}"
_SIGNS = {
    "email": ("@", _AT, _DOT),
    "iban": (_LONG_NUMBER,),
    "card": (_LONG_NUMBER,),
    "ip": (r"\.[0-9][0-9]?[0-9]?\.[0-9]", ":[0-9a-fA-F]{0,4}:"),
    "phone": (_LONG_NUMBER, r"\+ ?[0-9(]"),
    "user": (r"[uU]/[A-Za-z0-9_\\-]|[rR]/[uU]_", "[uU][sS][eE][rR]/"),
}
"""What a text holds wherever a kind occurs, in patterns that are cheap to search for one by one (so one of them is not `{1,3}`)."""

_NUMBER = r"[0-9](?:[^0-9A-Za-z\n]{0,4}[0-9]){7}"
_CLOSER = {
    "email": f"@|{_AT}|{_DOT}",
    "iban": "[A-Za-z]{2}[0-9]{2} ?[A-Za-z0-9]{4}",
    "card": _NUMBER,
    "ip": r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|:[0-9a-fA-F]{0,4}:",
    "phone": _NUMBER,
    "user": r"[uU]/[A-Za-z0-9_\\-]{3}|[uU][sS][eE][rR]/|[rR]/[uU]_",
}
"""The same more exactly, for the few texts that are left."""


@dataclass(frozen=True)
class Pii(Transform):
    """Put placeholders for what leads to a person: `[email]`, `[iban]`, `[card]`, `[ip]`, `[phone]` and `[user]` (`u/name`).

    `kinds` names those wanted. `region` is the country, in two letters, whose telephone numbers are known without their `+`. Numbers count
    where they can exist: a card and an IBAN by their check digits and issuer, a telephone number by its country's plan, an IP address if it
    is public. Hotlines and other toll-free numbers stay, and so do all numbers in web addresses, which lead to pages. E-mail addresses and
    links to profiles on Reddit go there too. Names, streets and short local numbers are not found.
    """

    kinds: tuple[str, ...] = KINDS
    region: str = "US"

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise RuleError(f"pii.kinds: unknown kind {unknown[0]!r}; known: {', '.join(KINDS)}")
        if self.region != "US" and not _is_known(self.region):
            raise RuleError(f"pii.region: found {self.region!r}; expected the two capital letters of a country, such as 'US' or 'DE'")

    def apply(self, posts: pl.DataFrame) -> pl.DataFrame:
        if not self.kinds:
            return posts
        signs = dict.fromkeys(sign for kind in self.kinds for sign in _SIGNS[kind])
        closer = "|".join(dict.fromkeys(_CLOSER[kind] for kind in self.kinds))
        looks: list[Look] = [
            lambda text: pl.any_horizontal(text.str.contains(sign) for sign in signs),
            lambda text: text.str.contains(closer),
        ]
        return rewrite(posts, looks, lambda text: masked(text, self.kinds, self.region))


def masked(text: str, kinds: tuple[str, ...] = KINDS, region: str = "US") -> str:
    """The text with placeholders in place of all that is of these kinds; a placeholder holds nothing that is of any."""
    while True:
        found = _masked_once(text, kinds, region)
        # What stood beside something that is gone may have become a kind of its own.
        if found == text:
            return text
        text = found


def _masked_once(text: str, kinds: tuple[str, ...], region: str) -> str:
    if "user" in kinds and "reddit.com/" in text.lower():
        text = _PROFILE.sub("[user]", text)
    if "email" in kinds:
        text = _EMAIL.sub("[email]", text) if "@" in text else text
        text = _SPELT_EMAIL.sub("[email]", text) if _SPELT_AT.search(text) else text
    parts = _URL.split(text) if "://" in text or "www." in text.lower() else [text]
    parts[::2] = [_masked_beside_urls(part, kinds, region) if part else part for part in parts[::2]]
    return _LINK.sub(r"\1", "".join(parts))


def _masked_beside_urls(text: str, kinds: tuple[str, ...], region: str) -> str:
    if "user" in kinds and ("u/" in text or "U/" in text or "r/u_" in text.lower()):
        text = _USER.sub("[user]", text)
    if not _DIGITS.search(text):
        return text
    for kind, pattern, mask in _NUMBERS:
        if kind in kinds:
            text = pattern.sub(mask, text)
    return _without_phones(text, region) if "phone" in kinds else text


_URL = re.compile(r"((?:https?://|www\.)[^\s<>\"|\\^`{}\[\]()]+)", re.IGNORECASE)

_LINK = re.compile(r"\[(\[(?:email|phone|user)\])\]\(\1\)")
"""What is left of a link in Markdown from an address to itself."""

_NAME = r"(?:[A-Za-z0-9-]|\\?_){3,20}(?![A-Za-z0-9-]|\\?_)"
"""An account on Reddit, of 3 to 20 characters; editors put a backslash before an underscore."""

_USER = re.compile(rf"(?<![\w/])/?(?:[uU]/|[rR]/u_){_NAME}")

_PROFILE = re.compile(
    rf"(?<![\w.-])(?:https?://)?(?:[a-z]+\.)?reddit\.com/(?:u/|user/|r/u_){_NAME}(?:[/?#][^\s<>\"|\[\]()]*)?", re.IGNORECASE
)

_EMAIL = re.compile(
    r"""(?<![\w.+%-]) (?<!://) (?:mailto:)?  @?
    (?!git@) [\w+%-] [\w.+%'-]{0,63} @
    (?:[^\W_] (?:[\w-]{0,61}[^\W_])? \.){1,8} (?!(?:png|jpe?g|gif|svg|webp)\b) (?:xn--[a-z0-9-]{2,59} | [^\W\d_]{2,24}) (?!\w)""",
    re.VERBOSE | re.IGNORECASE,
)
"""With the `@` of a handle in front (`@name@server.org`); not a file (`icon@2x.png`), a repository or the user of a web address."""

_SPELT_EMAIL = re.compile(
    rf"""(?<![\w.+-]) \w[\w.+-]{{0,63}} (?:
        [ ]? \\? {_AT.replace(" ", "[ ]")} [ ]? [\w-]{{1,63}}
        (?: (?: \. | [ ]dot[ ] | [ ]?[\[({{] [ ]?dot[ ]? [\])}}][ ]? ) [\w-]{{1,63}} ){{1,5}}
        | [ ]at[ ] (?:gmail|googlemail|yahoo|hotmail|outlook|icloud|aol|protonmail|proton|gmx) [ ]dot[ ] (?:com|net|org|me)
    ) (?!\w)""",
    re.VERBOSE | re.IGNORECASE,
)

_SPELT_AT = re.compile(f"{_AT}|{_DOT}")


def _iban(found: re.Match[str]) -> str:
    from stdnum import iban

    groups = found.group().split(" ")
    for last in range(len(groups), 0, -1):
        if iban.is_valid("".join(groups[:last])):
            return " ".join(("[iban]", *groups[last:]))
    return found.group()


_ISSUER = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d+(?<=^\d{16})|3[47]\d{13}"
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12,15}|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
"""Visa, Mastercard, American Express, Discover, Diners Club, JCB and UnionPay: first digits and lengths, by ISO/IEC 7812."""


def _card(found: re.Match[str]) -> str:
    from stdnum import luhn

    digits = re.sub(r"\D", "", found.group())
    return "[card]" if _ISSUER.fullmatch(digits) and luhn.is_valid(digits) else found.group()


_VERSION = re.compile(r"(?:\bv|\bver|version|release|build|firmware|driver|section|chapter|§|/)[.:]? ?\Z", re.IGNORECASE)


def _ip(found: re.Match[str]) -> str:
    try:
        is_public = ipaddress.ip_address(found.group()).is_global
    except ValueError:
        return found.group()
    is_version = _VERSION.search(found.string[max(0, found.start() - 12) : found.start()])
    return "[ip]" if is_public and not is_version else found.group()


_NUMBERS: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        "iban",
        re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?:(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?|[A-Z0-9]{11,30})(?!\w)", re.IGNORECASE),
        _iban,
    ),
    (
        "card",
        re.compile(
            r"[0-9](?<![\w.,/+-][0-9])(?:[0-9]{12,18}|[0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,4}(?:\1[0-9]{1,3})?"
            r"|[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5})(?![\w-]|[.,][0-9])"
        ),
        _card,
    ),
    ("ip", re.compile(r"[0-9](?<![\w.-][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![\w-]|\.\w)"), _ip),
    # Addresses that are given out begin with 2 or 3 (2000::/3, IANA); others look like times and like code.
    ("ip", re.compile(r"[23](?<![\w:.][23])[0-9a-f]{3}(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.IGNORECASE), _ip),
)

_DIGITS = re.compile(r"[0-9](?:[^0-9\n]{0,4}[0-9]){3}")
"""At least as many as stand together in anything that is a number."""


def _is_known(region: str) -> bool:
    import phonenumbers

    return region in phonenumbers.SUPPORTED_REGIONS


@cache
def _maybe_phone(region: str) -> re.Pattern[str]:
    """Numbers without a `+` have ten digits in North America, and at least eight elsewhere but for the smallest countries."""
    import phonenumbers

    digits = 10 if phonenumbers.country_code_for_region(region) == 1 else 8
    return re.compile(rf"\+ ?[0-9(]|[0-9](?:[^0-9A-Za-z\n]{{0,4}}[0-9]){{{digits - 1}}}")


def _without_phones(text: str, region: str) -> str:
    if not _maybe_phone(region).search(text):
        return text
    import phonenumbers

    nobodys = (
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.UAN,
    )
    parts = []
    end = 0
    for match in phonenumbers.PhoneNumberMatcher(text, region):
        if phonenumbers.number_type(match.number) in nobodys or not _is_written_as_one(match, region):
            continue
        # A bracket around the whole number is none of its own.
        start = match.start + (match.raw_string.startswith("(") and ")" not in match.raw_string)
        parts += [text[end:start], "[phone]"]
        end = match.end
    return "".join((*parts, text[end:]))


def _is_written_as_one(match: "PhoneNumberMatch", region: str) -> bool:
    """With its `+`, or with its digits in the groups that are usual in its country; other digits may be anything."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    written = match.raw_string
    return written.lstrip("(").startswith(("+", "＋")) or PhoneNumberMatcher(written, region, Leniency.STRICT_GROUPING).has_next()
