"""Writes a Modelfile: what Ollama needs beside a GGUF file to render a conversation as the template does and to stop where it stops.

The grammar is that of Ollama's "Modelfile Reference" (docs/modelfile.mdx) and its parser; the template is one of Go's text/template with
the variables of docs/template.mdx.
"""

import re
from pathlib import Path

from formats.contract.report import StopSpec
from formats.errors import UserError
from formats.templates.headings import Heading, Placeholder
from formats.templates.template import Template
from train.files import write_whole
from train.settings import DecodingSettings

_PIECES = re.compile(r'\{+|"{3,}|.', re.DOTALL)
"""Single characters, and what would open an action of the Go template or end the Modelfile's quotation."""


def write_modelfile(
    out: Path,
    template: Template,
    stop: StopSpec,
    decoding: DecodingSettings,
    model: str,
    adapter: str | None = None,
) -> None:
    """Writes the Modelfile of a model, or of a base and an adapter.

    Args:
        model: the GGUF file of the merged model, or of the base where there is an `adapter`; relative to the Modelfile.
        adapter: the GGUF LoRA that goes on top of it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, modelfile(template, stop, decoding, model, adapter))


def modelfile(template: Template, stop: StopSpec, decoding: DecodingSettings, model: str, adapter: str | None = None) -> str:
    """The contents of a Modelfile; see `write_modelfile`.

    Raises:
        UserError: a stop or the system text holds what a Modelfile cannot say: three quotation marks in a row, or invisible characters.
    """
    fixed = _fixed_system_text(template)
    lines = [
        "# To use it: ollama create NAME -f Modelfile, then ollama run NAME",
        f"FROM ./{model}",
        *([f"ADAPTER ./{adapter}"] if adapter else []),
        f"TEMPLATE {_quoted(go_template(template))}",
        *([f"SYSTEM {_quoted(fixed)}"] if fixed else []),
        *(f"PARAMETER stop {_quoted(text)}" for text in stop_texts(stop)),
        *(f"PARAMETER {name} {value}" for name, value in _parameters(decoding).items()),
    ]
    return "\n".join(lines) + "\n"


def stop_texts(stop: StopSpec) -> list[str]:
    """The texts at which Ollama ends an answer: the stop's own, and the end token as it is spelled, each once."""
    return list(dict.fromkeys(text for text in (*stop.strings, stop.token) if text.strip()))


def go_template(template: Template) -> str:
    """A template in Go that renders `.System` and `.Messages` as ours renders the same turns, and ends with the opening of the reply.

    Go's templates can neither strip nor escape: contents stand as they were given, and one that spells a boundary forges it. Ollama has
    already joined neighbours of one role by an empty line. Values that nobody knows here (community, flair, title, date) are left out, and
    users are Speaker_0.
    """
    user, bot = {"speaker": "Speaker_0"}, {"speaker": template.bot}
    system = f"{_plain(template.system_opening)}{{{{ $.System }}}}{_plain(template.system_closing)}" if template.system else ""
    inside = f"{{{{ if and $first $.System }}}}{system}{{{{ end }}}}" if template.system_inside else ""
    says = inside + "{{ .Content }}"
    of_user = _plain(template.opens_turn.text(user)) + says + _plain(template.turn_closing + template.separator)
    of_bot = _plain(template.opens_bot_turn.text(bot)) + "{{ .Content }}" + _plain(template.bot_turn_closing + template.separator)
    first = ("{{ $first := true }}", "{{ $first = false }}") if inside else ("", "")
    return "".join(
        [
            _plain(template.begin),
            f"{{{{ if .System }}}}{system}{{{{ end }}}}" if system and not template.system_inside else "",
            first[0],
            "{{ range .Messages }}",
            f'{{{{ if eq .Role "user" }}}}{of_user}{first[1]}',
            f'{{{{ else if eq .Role "assistant" }}}}{of_bot}',
            "{{ end }}{{ end }}",
            # The words of most vocabularies have the blank before them: the reply's first word brings it along.
            _plain(Heading(template.reply.removesuffix(" "), template.bot).text(bot)),
        ]
    )


def _fixed_system_text(template: Template) -> str:
    """The system text where it needs no value; else nothing, as in a sample of which the value is unknown."""
    source = Heading(template.system_text, template.bot)
    needs = any(isinstance(item, Placeholder) for part in source.parts if not part.optional for item in part.items)
    return "" if needs or not template.system else source.text({}).strip()


def _parameters(decoding: DecodingSettings) -> dict[str, float]:
    """The decoding settings under Ollama's names, all of them: its own defaults are others."""
    told = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": decoding.top_k, "num_predict": decoding.max_new_tokens}
    # Of the whole text, as with transformers; Ollama's default are the last 64 tokens.
    penalty = {} if decoding.repetition_penalty == 1 else {"repeat_last_n": -1}
    return {**told, "repeat_penalty": decoding.repetition_penalty, **penalty}


def _plain(text: str) -> str:
    """A text as a Go template in a Modelfile puts it out unchanged."""
    return "".join(piece if _is_kept(piece) else f'{{{{ "{_escaped(piece)}" }}}}' for piece in _PIECES.findall(text))


def _is_kept(piece: str) -> bool:
    """Whether a piece of a text means itself: Ollama's parser drops what Go's `strconv.IsPrint` calls unprintable."""
    return not piece.startswith(("{", '"""')) and (piece.isprintable() or piece in "\n\t")


def _escaped(text: str) -> str:
    """A text as the inside of a Go string constant."""
    return "".join(f"\\U{ord(character):08x}" for character in text)


def _quoted(text: str) -> str:
    """A text as an argument in a Modelfile, whose quotations take everything as it is but their own end."""
    if '"""' in text or not all(character.isprintable() or character in "\n\t" for character in text):
        raise UserError(f"{text!r}: a Modelfile cannot quote three quotation marks in a row, nor invisible characters; use another text")
    return f'"""{text}"""'
