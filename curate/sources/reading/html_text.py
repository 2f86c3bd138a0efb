"""Turns a post's HTML into plain text, as forums that keep Markdown would have written it."""

import html
import re
import threading
from collections.abc import Mapping
from typing import Any

from lxml import etree

from curate.sources.reading.plain_lines import PlainLines

_SPACES = re.compile(r"[ \t\n\r\f\xa0]+")
"""What a browser shows as one space; other spaces of Unicode are content. A non-breaking one is only an author's indentation."""

_UNSEEN = dict.fromkeys(map(ord, "\0\u200b"))
"""NUL, which no XML may hold, and the zero-width space, which editors leave behind."""

_DROPPED = frozenset(("script", "style", "noscript", "template", "title", "iframe", "object", "svg", "audio", "video", "select", "button"))
"""Elements whose content no reader sees as the author's text."""

_FURNITURE = frozenset(("meta", "quote-controls"))
"""Classes of `div` that Discourse adds to what an author wrote: an image's file name and size, the buttons of a quote."""

_PARAGRAPHS = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "table", "dl", "details", "figure", "pre", "blockquote", "aside"))
_LINES = frozenset(("div", "tr", "dt", "dd", "summary", "figcaption", "section", "article", "header", "footer", "caption"))
_CELLS = frozenset(("td", "th"))
_LISTS = frozenset(("ul", "ol"))

_WITH_LAYOUT = _DROPPED | _PARAGRAPHS | _LINES | _CELLS | _LISTS | {"br", "img", "a", "li"}
"""All other elements are parts of a line, which plain text does not show."""

_SCHEME = re.compile(r"^(https?://)?(www\.)?")
_ELLIPSIS = re.compile(r"\.\.\.|…")


def plain_text(fragment: str) -> str:
    """The text of a fragment of HTML, with its entities resolved once.

    Paragraphs are set apart by a blank line, lines of a quote begin with `> `, items of a list with `- ` or their number, code keeps its
    lines. A link is its text, or its address where the text is that address (shortened or not); an image or emoji is its alternative text.
    Scripts and markup that a forum adds of its own are left out. Broken HTML is read as a browser would; nothing is loaded.
    """
    if "<" not in fragment:
        return _SPACES.sub(" ", html.unescape(fragment) if "&" in fragment else fragment).translate(_UNSEEN).strip()
    if "\0" in fragment:
        fragment = fragment.replace("\0", "")
    _PARSING.target.begin()
    # As bytes, since a lone surrogate cannot be encoded.
    text: Any = etree.fromstring(fragment.encode("utf-8", "replace"), _PARSING.parser)
    return str(text)


class _Target:
    """Takes the parser's events and writes lines; a parser target of lxml, whose `close` gives the text."""

    def begin(self) -> None:
        self._lines = PlainLines()
        self._unwritten: list[str] = []
        """Text since the last element with a layout; the parser hands it over in pieces, cut at every entity."""
        self._skipping = 0
        self._code: list[str] | None = None
        self._lists: list[int | None] = []
        """For each open list the number of its last item, None where items are not numbered."""
        self._link: str | None = None
        self._link_begins: tuple[int, int] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._skipping:
            self._skipping += 1
            return
        if tag not in _WITH_LAYOUT:
            return
        self._flush()
        if tag in _DROPPED or (tag == "div" and not _FURNITURE.isdisjoint(attributes.get("class", "").split())):
            self._skipping = 1
        elif self._code is not None:
            # Nothing within code has a layout but its line breaks.
            self._code.append("\n" if tag == "br" else "")
        elif tag == "br":
            self._lines.break_line()
        elif tag == "img":
            self._unwritten.append(attributes.get("alt", ""))
        elif tag == "a":
            self._link, self._link_begins = attributes.get("href", ""), None
        elif tag in _CELLS:
            if self._lines.is_in_line:
                self._lines.write(" | ")
        else:
            self._start_block(tag, attributes)

    def _start_block(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in _PARAGRAPHS:
            self._lines.break_line(2)
            if tag == "blockquote":
                self._lines.quotes += 1
            elif tag == "pre":
                self._code = []
            elif "data-onebox-src" in attributes:
                # The preview of another page, in the place of its bare address.
                self._lines.write(attributes["data-onebox-src"])
                self._skipping = 1
        elif tag in _LISTS:
            self._lines.break_line(1 if self._lists else 2)
            first = attributes.get("start", "1")
            self._lists.append((int(first) if first.isdecimal() and len(first) < 9 else 1) - 1 if tag == "ol" else None)
            self._lines.lists = len(self._lists)
        else:
            self._lines.break_line(1)
            if tag == "li":
                number = self._lists[-1] if self._lists else None
                if number is not None:
                    self._lists[-1] = number + 1
                self._lines.marker = "- " if number is None else f"{number + 1}. "

    def end(self, tag: str) -> None:
        if self._skipping:
            self._skipping -= 1
            if self._skipping or tag != "aside":
                return
        if tag not in _WITH_LAYOUT:
            return
        self._flush()
        if self._code is not None:
            if tag == "pre":
                self._end_code()
        elif tag == "a":
            self._end_link()
        elif tag in _PARAGRAPHS:
            self._lines.break_line(2)
            if tag == "blockquote":
                self._lines.quotes = max(0, self._lines.quotes - 1)
        elif tag in _LISTS:
            del self._lists[-1:]
            self._lines.lists = len(self._lists)
            self._lines.marker = ""
            self._lines.break_line(1 if self._lists else 2)
        elif tag in _LINES or tag == "li":
            self._lines.break_line(1)

    def data(self, text: str) -> None:
        if not self._skipping:
            self._unwritten.append(text)

    def close(self) -> str:
        self._flush()
        self._end_code()
        return self._lines.text().translate(_UNSEEN)

    def _flush(self) -> None:
        if not self._unwritten:
            return
        text = "".join(self._unwritten)
        self._unwritten = []
        if self._code is not None:
            self._code.append(text)
            return
        text = _SPACES.sub(" ", text)
        if text.startswith(" "):
            self._lines.space, text = True, text[1:]
        if text:
            place = self._lines.write(text.removesuffix(" "))
            self._lines.space = text.endswith(" ")
            if self._link is not None and self._link_begins is None:
                self._link_begins = place

    def _end_code(self) -> None:
        if self._code is not None:
            self._lines.write_code("".join(self._code))
            self._code = None

    def _end_link(self) -> None:
        address, self._link = self._link, None
        shown = self._lines.written_since(self._link_begins) if self._link_begins else None
        if address and shown and self._link_begins and _is_address(shown, address):
            self._lines.replace(self._link_begins, address)


def _is_address(text: str, address: str) -> bool:
    """Whether a link's text is its address, be it without its scheme or shortened."""
    if " " in text or not address.startswith(("http://", "https://")):
        return False
    first, *others = _ELLIPSIS.split(_SCHEME.sub("", text))
    left = _SCHEME.sub("", address)
    if not first or not left.startswith(first):
        return False
    left = left[len(first) :]
    for part in others:
        place = left.find(part)
        if place < 0:
            return False
        left = left[place + len(part) :]
    return bool(others) or left in ("", "/")


class _Parsing(threading.local):
    """A thread's parser, used again and again, as making one takes longer than reading a comment.

    It gives events: a tree would be cut off at a depth of 2,048 elements.
    """

    def __init__(self) -> None:
        self.target = _Target()
        target: Any = self.target  # the stubs ask for methods that lxml does not
        self.parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True, no_network=True)


_PARSING = _Parsing()
