"""The line that is typed, with its history and completion, and what Ctrl-C does meanwhile."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

Complete = Callable[[str, str], Sequence[str]]
"""What a word can become, given the line up to its end."""


def edit_lines(complete: Complete) -> None:
    """Lets `input` edit the line, remember lines until the end of the program, and complete words with Tab, where Python can."""
    try:
        import readline
    except ImportError:
        # Python for Windows has none; its terminal edits lines itself.
        return
    found: list[str] = []

    def completer(word: str, state: int) -> str | None:
        if state == 0:
            found[:] = complete(readline.get_line_buffer()[: readline.get_endidx()], word)
        return found[state] if state < len(found) else None

    readline.set_completer(completer)
    readline.set_completer_delims(" \t")
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")


def files_like(word: str) -> list[str]:
    """Files and folders whose paths begin so."""
    path = Path(word).expanduser()
    folder, begun = (path, "") if word.endswith("/") else (path.parent, path.name)
    if not folder.is_dir():
        return []
    found = sorted(inner for inner in folder.iterdir() if inner.name.startswith(begun) and (begun or not inner.name.startswith(".")))
    return [f"{inner}/" if inner.is_dir() else str(inner) for inner in found]


@contextmanager
def on_ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """While it lasts, Ctrl-C calls `stop` instead of raising KeyboardInterrupt somewhere in the midst; elsewhere than in the main thread,
    which alone hears of signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
