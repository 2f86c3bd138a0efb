"""The page's files as a server sends them, and the policy under which a browser runs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The page's content security policy: its own files and its own server, nothing inline, in nobody's frame."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Go with each of the files."""

START = "page.html"
"""The file that is the page; it asks for the others below `/page/`."""

_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True)
class PageFile:
    """A file: its media type and its bytes."""

    media_type: str
    content: bytes


def page_files() -> dict[str, PageFile]:
    """All files of the page by their names, read once: no name that a browser asks for is ever looked up on a disk."""
    found = {}
    for file in resources.files("train.serving.page").iterdir():
        media_type = next((kind for ending, kind in _TYPES.items() if file.name.endswith(ending)), None)
        if media_type is not None:
            found[file.name] = PageFile(media_type, file.read_bytes())
    return found
