"""lorum chat: what is typed and piped, what is shown, and what Ctrl-C ends."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from curate.chatting.commands import COMMANDS, completions
from curate.chatting.session import Session
from curate.chatting.terminal import files_like, on_ctrl_c
from curate.commands.chat import chat_command
from formats.visible import for_terminal
from tests.random_adapter import write_random_adapter
from train.answers.chat import Chat, open_chat
from train.settings import DecodingSettings, TrainSettings


@pytest.fixture(scope="module")
def shelf(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters that answer greedily in at most six tokens."""
    folder = tmp_path_factory.mktemp("shelf")
    settings = TrainSettings(rank=4, max_tokens=200)
    decoding = DecodingSettings(temperature=0, max_new_tokens=6)
    for seed, name in enumerate(("court", "cooks")):
        write_random_adapter(folder / name, base_folder, settings, seed=seed, decoding=decoding)
    return folder


@pytest.fixture(scope="module")
def opened(shelf: Path) -> Iterator[Chat]:
    chat = open_chat({name: shelf / name for name in ("court", "cooks")}, seed=1)
    yield chat
    chat.close()


@pytest.fixture
def chat(opened: Chat) -> Chat:
    opened.forget()
    opened.use("court")
    opened.decoding = {}
    return opened


Type = Callable[..., Session]


@pytest.fixture
def typed(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> Type:
    """A session at a terminal into which lines are typed; an exception is raised in the place of a line."""

    def session(*lines: str | BaseException, make_router: Any = lambda: pytest.fail("routed")) -> Session:
        waiting = list(lines)

        def next_line(prompt: str) -> str:
            assert prompt == "you> "
            line = waiting.pop(0) if waiting else EOFError()
            if isinstance(line, BaseException):
                raise line
            return line

        monkeypatch.setattr("builtins.input", next_line)
        monkeypatch.setattr("curate.chatting.session.edit_lines", lambda complete: None)
        made = Session(chat, make_router, is_interactive=True)
        made.run()
        assert waiting == [], "left before all lines were taken"
        return made

    return session


def notes(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.strip().split("\n")


def test_an_answer_has_its_speaker_in_front_and_its_ending_behind(typed: Type, capsys: pytest.CaptureFixture[str]) -> None:
    session = typed("Who did it?")
    (answer,) = session.answers
    assert (answer["comment"], answer["by"], answer["ending"], answer["tokens"]) == ("Who did it?", "court", "length", 6)
    assert capsys.readouterr().out == f"court> {for_terminal(answer['reply'])} [cut at 6 tokens]\n"


def test_use_base_and_mix_change_who_speaks(typed: Type, capsys: pytest.CaptureFixture[str]) -> None:
    session = typed("/use cooks", "A?", "/base", "B?", "/mix court=0.7 cooks=0.3", "C?", "/mix court cooks", "D?")
    labels = ["cooks", "base", "court=0.7 cooks=0.3", "court=0.5 cooks=0.5"]
    assert [answer["by"] for answer in session.answers] == labels
    assert [line.split("> ")[0] for line in capsys.readouterr().out.strip().split("\n")] == labels
    assert session.answers[2]["mix"] == {"court": 0.7, "cooks": 0.3}


def test_both_shows_all_answers_one_by_one_and_keeps_the_speaker_s(typed: Type, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    session = typed("/both Who did it?")
    assert [answer["by"] for answer in session.answers] == ["court", "cooks", "base"]
    lines = capsys.readouterr().out.strip().split("\n")
    assert lines == [f"{answer['by']}> {for_terminal(answer['reply'])} [cut at 6 tokens]" for answer in session.answers]
    assert [turn.text for turn in chat.turns] == ["Who did it?", session.answers[0]["reply"]]
    typed("/both")
    assert len(chat.turns) == 2
    assert len(chat.exchanges[-1].beside) == 3


def test_the_history_is_begun_anew_taken_back_and_asked_again(typed: Type, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    typed("A?", "B?", "/undo")
    assert [exchange.comment for exchange in chat.exchanges] == ["A?"]
    assert notes(capsys)[0] == "Taken back: B?"
    typed("/use cooks", "/again")
    assert chat.exchanges[-1].answer.by.label == "cooks"
    typed("/new")
    assert chat.turns == []


def test_decoding_is_set_shown_and_given_back(typed: Type, chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    session = typed("/set max_new_tokens=3 top_k=5", "A?", "/set max_new_tokens=", "B?", "/set")
    assert [answer["tokens"] for answer in session.answers] == [3, 6]
    shown = notes(capsys)
    assert "top_k = 5, " in shown[0]
    assert "max_new_tokens = 3" in shown[0]
    assert shown[-2] == shown[1], "without a change it only shows"
    assert shown[1].endswith("max_new_tokens = 6 (own)")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/sett temperature=1", "/sett: no such command; did you mean /set? A comment that begins with a slash is typed with two."),
        ("/xyzzy", "/xyzzy: no such command; /help lists them."),
        ("/use", "/use takes a name: court, cooks or base"),
        ("/use mugs", "mugs: no such adapter is loaded; there are court, cooks"),
        ("/mix", "/mix takes adapters and how much each counts, as in court=0.7 cooks=0.3"),
        ("/mix court=much", "/mix: court=much: expected a name and a number, as in court=0.7"),
        ("/mix court=0.5 cooks", "/mix: cooks: expected a name and a number, as in court=0.7"),
        ("/mix court=0.5 court=1", "/mix: court is named twice; name it once, with its whole weight"),
        ("/set temperature", "/set temperature: expected key=value, as in temperature=0.5"),
        ("/set heat=1", "/set: unknown key 'heat'; known: temperature, top_p"),
        ("/set temperature=-1", "/set: temperature"),
        ("/again", "there is no comment yet; type one first"),
        ("/save", "/save takes a file that ends with .md or .json"),
        ("/save talk.txt", "talk.txt: a transcript is Markdown or JSON; name a file that ends with .md or .json"),
        ("/save talk.md", "talk.md: there is nothing to save yet; type a comment first"),
    ],
)
def test_a_mistake_is_said_and_the_conversation_goes_on(
    typed: Type, chat: Chat, capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    typed(line)
    assert notes(capsys)[0].startswith(says)
    assert (chat.exchanges, chat.speaker.label, chat.decoding) == ([], "court", {})


def test_a_comment_may_begin_with_a_slash(typed: Type) -> None:
    session = typed("//use less milk", "   ", "")
    assert [answer["comment"] for answer in session.answers] == ["/use less milk"]


def test_quit_leaves_and_help_lists_every_command(typed: Type, capsys: pytest.CaptureFixture[str]) -> None:
    typed("/help", "/quit")
    lines = notes(capsys)
    assert [line.split()[0] for line in lines] == [f"/{name}" for name in COMMANDS]
    assert max(map(len, lines)) < 100


def test_times_are_shown_on_demand(typed: Type, capsys: pytest.CaptureFixture[str]) -> None:
    typed("/times", "/use cooks", "A?", "/times")
    first, _, switch, answer = notes(capsys)
    assert first == "Nothing was asked yet."
    assert switch.startswith("last switch: 0.")
    assert switch.endswith(" ms")
    assert answer.startswith("cooks: first words after ")
    assert ", 6 tokens in " in answer


def test_transcripts_hold_all_that_was_said(typed: Type, chat: Chat, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.md").write_text("notes")
    typed(
        "Who did it?\nNobody?",
        f"/save {tmp_path}/talk.md",
        "/both",
        f"/save {tmp_path}/talk.md",
        f"/save {tmp_path}/talk.json",
        f"/save {tmp_path}/mine.md",
    )
    assert f"{tmp_path}/mine.md: is there already; name another file" in notes(capsys)
    exchange = chat.exchanges[0]
    markdown = (tmp_path / "talk.md").read_text()
    assert "**you**\n\n> Who did it?\n> Nobody?\n" in markdown
    for answer in exchange.answers:
        quoted = "\n".join(f"> {line}".rstrip() for line in for_terminal(answer.text).split("\n"))
        assert f"**{answer.by.label}** *(cut at 6 tokens)*\n\n{quoted}\n" in markdown
    found = json.loads((tmp_path / "talk.json").read_text())
    assert found["adapters"] == {"court": "comment-response", "cooks": "comment-response"}
    assert [answer["by"] for answer in found["exchanges"][0]["answers"]] == ["court", "court", "cooks", "base"]
    assert found["exchanges"][0]["answers"][0]["reply"] == exchange.answer.text


class Chooser:
    """Routes comments on milk to the cooks, and what has no word to the base."""

    def choose(self, comment: str) -> Any:
        from train.shelf.routing import Choice

        name = "base" if not comment.isalpha() else "cooks" if "milk" in comment else "court"
        return Choice(name, {"cooks": 0.75, "court": 0.25}, 0.5)


def test_each_comment_is_routed_until_somebody_is_chosen(typed: Type, capsys: pytest.CaptureFixture[str]) -> None:
    session = typed("/route", "milk", "law", "?", "/use court", "milk", "/route", "milk", "/route off", "law", make_router=Chooser)
    assert [answer["by"] for answer in session.answers] == ["cooks", "court", "base", "court", "cooks", "cooks"]
    assert "cooks answers (cooks 0.75, court 0.25)" in notes(capsys)


def held(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Holds the model in the midst of its second token; the events say that it is there, and let it go on."""
    inside, goes_on = threading.Event(), threading.Event()
    forward = chat.loaded.model.forward
    steps: list[int] = []

    def slow(*args: Any, **options: Any) -> Any:
        steps.append(1)
        if len(steps) == 2:
            inside.set()
            goes_on.wait(10)
        return forward(*args, **options)

    monkeypatch.setattr(chat.loaded.model, "forward", slow)
    return inside, goes_on


def test_ctrl_c_ends_an_answer_even_in_the_midst_of_a_token(
    typed: Type, chat: Chat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inside, goes_on = held(chat, monkeypatch)
    before = signal.getsignal(signal.SIGINT)

    def press() -> None:
        inside.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    session = typed("Who did it?")
    assert not goes_on.is_set(), "the model is still in the midst of the token"
    goes_on.set()
    assert [(answer["ending"], answer["tokens"]) for answer in session.answers] == [(None, 1)]
    assert capsys.readouterr().out.endswith(" [stopped early]\n")
    assert signal.getsignal(signal.SIGINT) is before
    assert typed("And now?").answers[0]["ending"] == "length", "the next answer is whole"


def test_ctrl_c_at_the_prompt_leaves_nothing_but_the_line(typed: Type, capsys: pytest.CaptureFixture[str]) -> None:
    session = typed(KeyboardInterrupt(), "Who did it?")
    assert len(session.answers) == 1
    assert "Ctrl-D leaves" in capsys.readouterr().err


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with on_ctrl_c(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/u", ["/use ", "/undo"]),
        ("/use c", ["court", "cooks"]),
        ("/use b", ["base"]),
        ("/mix court=0.5 co", ["court=", "cooks="]),
        ("/set top", ["top_p=", "top_k="]),
        ("/route ", ["off"]),
        ("/xyzzy a", []),
        ("/new ", []),
        ("Who", []),
    ],
)
def test_tab_completes_commands_and_what_they_take(chat: Chat, line: str, expected: list[str]) -> None:
    session = Session(chat, lambda: pytest.fail("routed"), is_interactive=True)
    assert completions(session, line, line.split(" ")[-1]) == expected


def test_tab_completes_files(tmp_path: Path) -> None:
    (tmp_path / "talks").mkdir()
    for name in ("talk.md", ".hidden"):
        (tmp_path / name).touch()
    assert files_like(f"{tmp_path}/ta") == [f"{tmp_path}/talk.md", f"{tmp_path}/talks/"]
    assert files_like(f"{tmp_path}/") == [f"{tmp_path}/talk.md", f"{tmp_path}/talks/"]
    assert files_like(f"{tmp_path}/none/x") == []


def piped(shelf: Path, lines: Sequence[str], *arguments: str) -> Result:
    return CliRunner().invoke(chat_command, [str(shelf / "court"), str(shelf / "cooks"), *arguments], input="\n".join(lines))


def test_a_pipe_brings_comments_and_gets_answers_alone(shelf: Path) -> None:
    done = piped(shelf, ["Who did it?", "/use cooks", "And then?", "/both"])
    assert done.exit_code == 0
    lines = done.stdout.split("\n")
    assert not lines[0].startswith("court> ")
    assert [line.split("> ")[0] for line in lines if "> " in line][-3:] == ["cooks", "court", "base"]
    assert "loading " in done.stderr
    assert "[cut at 6 tokens]" in done.stderr
    assert "you> " not in done.stdout


def test_json_is_one_object_with_every_answer(shelf: Path) -> None:
    done = piped(shelf, ["Who did it?", "/both And then?"], "--json", "--seed", "3")
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["adapters"] == {name: str(shelf / name) for name in ("court", "cooks")}
    assert [(answer["comment"], answer["by"]) for answer in found["answers"]] == [
        ("Who did it?", "court"), ("And then?", "court"), ("And then?", "cooks"), ("And then?", "base"),
    ]  # fmt: skip
    assert all(answer["reply"] and answer["ending"] == "length" for answer in found["answers"])
    assert json.loads(piped(shelf, ["Who did it?"], "--json").stdout)["answers"][0]["reply"] == found["answers"][0]["reply"]


def test_in_a_pipe_a_mistake_is_the_callers(shelf: Path) -> None:
    done = piped(shelf, ["/uze cooks", "Who did it?"])
    assert done.exit_code == 2
    assert done.stderr.strip().split("\n")[-1].startswith("lorum: /uze: no such command; did you mean /use?")
    assert done.stdout == ""


def test_ctrl_c_ends_a_piped_conversation(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(session: Session) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "run", pressed)
    done = piped(shelf, ["Who did it?"])
    assert (done.exit_code, done.stdout) == (130, "")
    assert "goes on from here" not in done.stderr, "a conversation does not go on where it was"


def test_adapters_without_an_index_cannot_be_routed_between(shelf: Path) -> None:
    done = piped(shelf, ["Who did it?"], "--route")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "has no index to route by" in done.stderr


def test_bytes_that_are_no_text_are_no_end(shelf: Path) -> None:
    arguments = [str(shelf / "court"), "--json"]
    done = CliRunner().invoke(chat_command, arguments, input=io.BytesIO(b"Who \xff did it?\n"))
    assert json.loads(done.stdout)["answers"][0]["comment"] == "Who \N{REPLACEMENT CHARACTER} did it?"


def test_adapters_of_two_bases_are_refused_with_both(shelf: Path, base_folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(base_folder, tmp_path / "other")
    strange = write_random_adapter(tmp_path / "strange", tmp_path / "other")
    done = CliRunner().invoke(chat_command, [str(shelf / "court"), str(strange)])
    assert done.exit_code == 2
    assert f"strange: was trained on the base {tmp_path}/other, while {base_folder} is loaded" in done.stderr


class Terminal:
    """A terminal with a process in it."""

    def __init__(self, *arguments: str) -> None:
        self._main, inner = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "LORUM_CACHE": os.environ.get("LORUM_CACHE", "")}
        command = [sys.executable, "-m", "curate.cli", *arguments]
        self.process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True)
        os.close(inner)
        self.shown = ""

    def type(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    def until(self, text: str, seconds: float = 120) -> str:
        """What is shown until a text is; that is taken away."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end, f"no {text!r} in {self.shown!r}"
            if select.select([self._main], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self._main, 4096).decode(errors="replace")
                except OSError:
                    break
        before, found, self.shown = self.shown.partition(text)
        assert found, f"no {text!r} in {before!r}"
        return before


def test_on_a_real_terminal_lines_are_completed_and_ctrl_c_is_no_end(shelf: Path) -> None:
    pytest.importorskip("readline")
    terminal = Terminal("chat", str(shelf / "court"), str(shelf / "cooks"))
    try:
        terminal.until("you> ")
        terminal.type("/us\tcoo\t\n")
        terminal.until("cooks answers.")
        terminal.until("you> ")
        terminal.type("half a line")
        terminal.until("half a line")
        # While readline handles a key, Python notices a signal with the next key only.
        time.sleep(1)
        os.kill(terminal.process.pid, signal.SIGINT)
        terminal.until("Ctrl-D leaves")
        terminal.until("you> ")
        terminal.type("Who did it?\n")
        terminal.until("cooks> ")
        terminal.until("[cut at 6 tokens]")
        terminal.until("you> ")
        terminal.type("\x04")
        assert terminal.process.wait(60) == 0
    finally:
        terminal.process.kill()
