"""What a submission's address names: a thread of Reddit's, in any of the forms it has had, or a page anywhere."""

import polars as pl

_THREAD = (
    r"(?i)^\s*(?:(?:https?:)?//(?:[\w-]+\.)*reddit\.com)?/(?:(?:r|u|user)/[^/?#]+/)?"
    r"(?:comments|gallery|poll|tb|duplicates|info)/(?:t3_)?([0-9a-z]{1,13})(?:[/?#]|\s*$)"
)
"""With any host of Reddit's, or none, as archives have it of crossposts: `/r/NAME/comments/ID/title/`, `/user/NAME/comments/ID/`,
`/comments/ID`, `/gallery/ID`, and `/info/ID/comments` of its first years."""

_SHORT = r"(?i)^\s*(?:https?:)?//(?:www\.)?redd\.it/(?:t3_)?([0-9a-z]{1,13})(?:[/?#]|\s*$)"
"""Pictures and films have hosts of their own below that one."""

_BEFORE = r"(?i)^\s*https?://(?:www\.)?"
_BEHIND = r"#.*$"
_PAGE = r"^[^/?\s]+[/?]\S"
"""More than a host: half a forum may name one, and not the same thing by it."""


def thread_at(address: pl.Expr) -> pl.Expr:
    """The id of the Reddit thread that an address leads to, with its prefix; null where it leads elsewhere."""
    return "t3_" + pl.coalesce(address.str.extract(_THREAD), address.str.extract(_SHORT)).str.to_lowercase()


def page_at(address: pl.Expr) -> pl.Expr:
    """The same text for the same page, `http` or `https`, with `www.` or without; null for what is no page, or only a host."""
    told = address.str.replace(_BEFORE, "").str.replace(_BEHIND, "").str.strip_chars().str.strip_chars_end("/")
    return pl.when(address.str.contains(_BEFORE) & told.str.contains(_PAGE)).then(told)
