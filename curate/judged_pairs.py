"""What a judging by pairs came to, in lines for a terminal."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from formats.visible import cut, for_terminal_line

_WIDTH = 80
_NAME = 22
_OPEN = {"first": "{0} wins", "second": "{1} wins", "tie": "a tie", "unreadable": "no verdict"}


def judging_lines(result: Mapping[str, Any]) -> list[str]:
    """Standings, pairs, what is to be known of the judge, and the first answers side by side, in lines of at most 80 characters.

    Args:
        result: `JudgingResult.to_dict()`.
    """
    interval = f"{result['confidence']:.0%}"
    lines = wrap(judged_by(result), _WIDTH)
    lines += ["", f"  {'':<{_NAME}}{'Elo':>6}{interval:>13}{'won':>6}{'tied':>6}{'lost':>6}{'?':>4}{'win rate':>14}"]
    for one in result["standings"]:
        tally = one["tally"]
        elo, span = (f"{one['elo']['value']:.0f}", elo_interval(one["elo"])) if one["elo"] else ("–", "–")
        counts = f"{tally['wins']:>6}{tally['ties']:>6}{tally['losses']:>6}{tally['unreadable']:>4}"
        lines.append(f"  {_name(one['name']):<{_NAME}}{elo:>6}{span:>13}{counts}{win_rate_of(tally['win_rate']):>14}")
    if len(result["pairs"]) > 1:
        lines += ["", f"  {'each against each':<{_NAME * 2 - 3}}{'won':>6}{'tied':>6}{'lost':>6}{'?':>4}{'win rate':>14}"]
        for pair in result["pairs"]:
            tally = pair["tally"]
            names = f"{_name(pair['first'], _NAME - 5)} : {_name(pair['second'], _NAME - 2)}"
            counts = f"{tally['wins']:>6}{tally['ties']:>6}{tally['losses']:>6}{tally['unreadable']:>4}"
            lines.append(f"  {names:<{_NAME * 2 - 3}}{counts}{win_rate_of(tally['win_rate']):>14}")
    lines.append("")
    for said in remarks(result):
        lines += wrap(said, _WIDTH - 2, initial_indent="  ", subsequent_indent="  ")
    for example in result["examples"][:1]:
        lines += ["", *_example(example)]
    return lines


def judged_by(result: Mapping[str, Any]) -> str:
    """Who judged what, in a sentence."""
    asks = f" ({result['asks']})" if result["asks"] else ""
    name = for_terminal_line(result["judge"])
    return f"Judged by {name}, prompt {for_terminal_line(result['prompt'] + asks)}: {result['questions']:,} questions, both orders"


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What is to be known of the judge before its verdicts are believed: unreadable ones, its bias for a place, and how often it wavers."""
    position = result["position"]
    readable = position["first"] + position["second"] + position["tie"]
    given = readable + position["unreadable"]
    said = []
    if position["unreadable"]:
        said.append(f"Of {given:,} verdicts {position['unreadable']:,} could not be read; their questions count for neither side (?).")
    if not readable:
        return [*said, "Nothing is known of these contestants: this judge gives no verdicts. Take a larger one."]
    changed = sum(pair["changed"] for pair in result["pairs"])
    questions = sum(pair["tally"][how] for pair in result["pairs"] for how in ("wins", "ties", "losses"))
    if position["first_share"] is not None:
        decided = position["first"] + position["second"]
        said.append(
            f"The answer shown first was preferred in {position['first_share']:.0%} of {decided:,} verdicts that prefer one (fair: 50%)."
        )
    if questions:
        said.append(f"In {changed:,} of {questions:,} pairs of answers the verdict changed with their order, which makes a tie.")
        if changed > questions / 2:
            said.append("That is more than half: this judge tells by the place, not by the answer. Take a larger one.")
    return said


def elo_interval(elo: Mapping[str, float]) -> str:
    """Both bounds in whole points."""
    return f"{elo['low']:.0f}–{elo['high']:.0f}"


def win_rate_of(estimate: Mapping[str, float] | None) -> str:
    """A win rate with its interval in per cent; a dash where no verdict could be read."""
    if estimate is None:
        return "–"
    return f"{estimate['value']:.0%} {100 * estimate['low']:.0f}–{100 * estimate['high']:.0f}"


def outcome_of(example: Mapping[str, Any]) -> str:
    """Who won an example, in words."""
    return _OPEN[example["outcome"]].format(*example["names"])


def verdict_of(example: Mapping[str, Any], place: int) -> str:
    """What the judge said in one of the orders: the first contestant shown first (0), or the second (1)."""
    verdict, (first, second) = example["verdicts"][place], example["names"]
    shown = {"a": first, "b": second} if place == 0 else {"a": second, "b": first}
    return "unreadable" if verdict is None else "a tie" if verdict == "tie" else f"for {shown[verdict]}"


def _example(example: Mapping[str, Any]) -> list[str]:
    lines = [f"  | {line}" for line in wrap(for_terminal_line(example["question"], 300), _WIDTH - 4)]
    for name, answer in zip(example["names"], example["answers"], strict=True):
        said = f"{_name(name)}: {for_terminal_line(answer, 300)}"
        lines += wrap(said, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    for place in (0, 1):
        order = ("in this order", "the other way round")[place]
        words = for_terminal_line(example["words"][place], 200)
        lines += wrap(
            f"judge, {order}, {for_terminal_line(verdict_of(example, place))}: {words}",
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
        )
    return lines


def _name(name: str, longest: int = _NAME - 2) -> str:
    return cut(for_terminal_line(name), longest)
