"""Lines of plain text, written piece by piece: paragraphs, quotes, lists and code, as forums that keep Markdown show them."""

_DEEPEST = 8
"""Levels of quotes and lists that are drawn; deeper ones look alike. Without it a hostile text would grow with its depth squared."""


class PlainLines:
    """Text under construction.

    `quotes` and `lists` are how many of them are open; `marker` is what the next line begins with, as the first of an item. `space` is
    whether there is one before the next piece, unless that begins a line.
    """

    def __init__(self) -> None:
        self.quotes = 0
        self.lists = 0
        self.marker = ""
        self.space = False
        self._lines: list[str] = []
        self._line: list[str] = []
        self._prefix = ""
        self._due = 0
        """Line breaks before the next piece: 1 ends the line, 2 leaves a blank one."""

    @property
    def is_in_line(self) -> bool:
        """Whether the next piece stands in a line with others."""
        return bool(self._line) and not self._due

    def write(self, piece: str) -> tuple[int, int]:
        """Adds a piece of text without line breaks; its place, for `replace`."""
        if self._due:
            self._end_line()
        if not self._line:
            self._begin_line()
        elif self.space:
            self._line.append(" ")
        self.space = False
        self._line.append(piece)
        return len(self._lines), len(self._line) - 1

    def written_since(self, place: tuple[int, int]) -> str | None:
        """What was written from a place on, None where that is more than a line."""
        return "".join(self._line[place[1] :]) if place[0] == len(self._lines) else None

    def replace(self, place: tuple[int, int], piece: str) -> None:
        """Writes something else in the place of all that was written from a place in the line on."""
        self._line[place[1] :] = [piece]

    def break_line(self, least: int = 0) -> None:
        """Ends the line, one more time than is due already; given `least`, so many times unless more are due. Two leave a blank line."""
        self._due = max(self._due, least) if least else min(2, self._due + 1)

    def write_code(self, code: str) -> None:
        """Adds a paragraph whose spaces and line breaks stay."""
        code = code.replace("\r\n", "\n").strip("\n").rstrip()
        if code:
            self._end_line()
            for line in code.split("\n"):
                self._end_line()
                self._begin_line()
                self._line.append(line)
        self.break_line(2)

    def text(self) -> str:
        """All that was written."""
        self._due = 0
        self._end_line()
        return "\n".join(self._lines).strip("\n")

    def _begin_line(self) -> None:
        self._prefix = self._quote_marks()
        indent = "  " * (min(self.lists, _DEEPEST) - bool(self.marker)) if self.lists else ""
        self._line.append(self._prefix + indent + self.marker)
        self.marker = ""

    def _end_line(self) -> None:
        """Moves the line to the others, with the blank one that is due; between two quotes a blank line is quoted as well."""
        if self._line:
            self._lines.append("".join(self._line).rstrip())
            if self._due > 1:
                self._lines.append(min(self._prefix, self._quote_marks(), key=len).rstrip())
        self._line, self._due, self.space = [], 0, False

    def _quote_marks(self) -> str:
        return "> " * min(self.quotes, _DEEPEST)
