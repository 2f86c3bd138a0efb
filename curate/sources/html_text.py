"""Turns a post's HTML into plain text, as forums that keep Markdown would have written it."""

import html
import re
from collections.abc import Mapping
from typing import Any

from lxml import etree

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

_DEEPEST = 8
"""Levels of quotes and lists that are drawn; deeper ones look alike. Without it a hostile fragment would grow with its depth squared."""

_ELLIPSIS = re.compile(r"\.\.\.|…")


def plain_text(fragment: str) -> str:
    """The text of a fragment of HTML, with its entities resolved once.

    Paragraphs are set apart by a blank line, lines of a quote begin with `> `, items of a list with `- ` or their number, code keeps its
    lines. A link is its text, or its address where the text is that address (shortened or not); an image or emoji is its alternative text.
    Scripts and markup that a forum adds of its own are left out. Broken HTML is read as a browser would; nothing is loaded.
    """
    fragment = fragment.translate(_UNSEEN) if "\0" in fragment or "\u200b" in fragment else fragment
    if "<" not in fragment:
        return _SPACES.sub(" ", html.unescape(fragment) if "&" in fragment else fragment).replace("\u200b", "").strip()
    writer = _Writer()
    target: Any = writer  # the stubs ask for methods that lxml does not
    # Events, not a tree: a tree is cut off at a depth of 2,048 elements. Bytes, as a lone surrogate cannot be encoded.
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True, no_network=True)
    etree.fromstring(fragment.encode("utf-8", "replace"), parser)
    return writer.text()


class _Writer:
    """Takes the parser's events and writes lines; a parser target of lxml."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._prefix = ""
        self._marker = ""
        self._pending = 0
        """Line breaks due before the next text: 1 ends the line, 2 leaves a blank one."""
        self._space = False
        self._unwritten: list[str] = []
        """Text since the last element with a layout; the parser hands it over in pieces, cut at every entity."""
        self._skipping = 0
        self._quotes = 0
        self._code: list[str] | None = None
        self._lists: list[int | None] = []
        """For each open list the number of its last item, None where items are not numbered."""
        self._link: str | None = None
        self._link_begins: tuple[int, int] | None = None
        """In which line, and where in it, the text of the open link begins."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._skipping:
            self._skipping += 1
            return
        if tag not in _WITH_LAYOUT:
            return
        self._flush()
        if tag in _DROPPED or (tag == "div" and not _FURNITURE.isdisjoint(attributes.get("class", "").split())):
            self._skipping = 1
        elif tag == "br":
            self._break_line()
        elif tag == "img":
            self._unwritten.append(attributes.get("alt", ""))
        elif tag == "a":
            self._link, self._link_begins = attributes.get("href", ""), None
        elif tag in _CELLS:
            if self._line and not self._pending:
                self._write(" | ")
        elif tag == "aside" and "data-onebox-src" in attributes:
            # The preview of another page, in the place of its bare address.
            self._break(2)
            self._write(attributes["data-onebox-src"])
            self._skipping = 1
        else:
            self._start_block(tag, attributes)

    def _start_block(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in _PARAGRAPHS:
            self._break(2)
            if tag == "blockquote":
                self._quotes += 1
            elif tag == "pre" and self._code is None:
                self._code = []
        elif tag in _LISTS:
            self._break(1 if self._lists else 2)
            first = attributes.get("start", "1")
            self._lists.append((int(first) if first.isdecimal() and len(first) < 9 else 1) - 1 if tag == "ol" else None)
        elif tag == "li":
            self._break(1)
            number = self._lists[-1] if self._lists else None
            if number is not None:
                self._lists[-1] = number + 1
            self._marker = "- " if number is None else f"{number + 1}. "
        elif tag in _LINES:
            self._break(1)

    def end(self, tag: str) -> None:
        if self._skipping:
            self._skipping -= 1
            if self._skipping or tag != "aside":
                return
        if tag not in _WITH_LAYOUT:
            return
        self._flush()
        if tag == "a":
            self._end_link()
        elif tag == "pre":
            self._end_code()
        elif tag in _PARAGRAPHS:
            self._break(2)
            if tag == "blockquote":
                self._quotes = max(0, self._quotes - 1)
        elif tag in _LISTS:
            self._marker = ""
            if self._lists:
                self._lists.pop()
            self._break(1 if self._lists else 2)
        elif tag in _LINES or tag == "li":
            self._break(1)

    def data(self, text: str) -> None:
        if not self._skipping:
            self._unwritten.append(text)

    def close(self) -> None:
        self._flush()
        self._end_code()
        self._end_line()

    def text(self) -> str:
        """All that was written."""
        return "\n".join(self._lines).translate(_UNSEEN).strip("\n")

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
            self._space, text = True, text[1:]
        if text:
            self._write(text.removesuffix(" "))
            self._space = text.endswith(" ")

    def _write(self, text: str) -> None:
        if self._pending:
            self._end_line()
        if not self._line:
            self._begin_line()
        elif self._space:
            self._line.append(" ")
        self._space = False
        if self._link is not None and self._link_begins is None:
            self._link_begins = len(self._lines), len(self._line)
        self._line.append(text)

    def _break(self, lines: int) -> None:
        """Ends the line, and leaves a blank one where it is two; what is due already is not added to."""
        if self._code is None:
            self._pending = max(self._pending, lines)

    def _break_line(self) -> None:
        if self._code is not None:
            self._code.append("\n")
        else:
            self._pending = min(2, self._pending + 1)

    def _begin_line(self) -> None:
        self._prefix = "> " * min(self._quotes, _DEEPEST)
        indent = "  " * (min(len(self._lists), _DEEPEST) - bool(self._marker)) if self._lists else ""
        self._line.append(self._prefix + indent + self._marker)
        self._marker = ""

    def _end_line(self) -> None:
        """Moves the line to the others, with the blank one that is due; between two quotes a blank line is quoted as well."""
        if self._line:
            self._lines.append("".join(self._line).rstrip())
            if self._pending > 1:
                self._lines.append(min(self._prefix, "> " * min(self._quotes, _DEEPEST), key=len).rstrip())
        self._line, self._pending, self._space = [], 0, False

    def _end_code(self) -> None:
        if self._code is None:
            return
        code, self._code = "".join(self._code).replace("\r\n", "\n").strip("\n").rstrip(), None
        if code:
            self._end_line()
            for line in code.split("\n"):
                self._end_line()
                self._begin_line()
                self._line.append(line)
        self._break(2)

    def _end_link(self) -> None:
        address, self._link = self._link, None
        if address and self._link_begins and self._code is None and self._link_begins[0] == len(self._lines):
            begin = self._link_begins[1]
            if _is_address("".join(self._line[begin:]), address):
                self._line[begin:] = [address]


def _is_address(text: str, address: str) -> bool:
    """Whether a link's text is its address, be it without its scheme or shortened."""
    if " " in text or not address.startswith(("http://", "https://")):
        return False
    first, *others = _ELLIPSIS.split(_bare(text))
    left = _bare(address)
    if not first or not left.startswith(first):
        return False
    left = left[len(first) :]
    for part in others:
        place = left.find(part)
        if place < 0:
            return False
        left = left[place + len(part) :]
    return bool(others) or left in ("", "/")


def _bare(address: str) -> str:
    return address.removeprefix("https://").removeprefix("http://").removeprefix("www.")
