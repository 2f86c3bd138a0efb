"""What an evaluation found, for the terminal and as tables: base, adapter and forum side by side."""

from collections.abc import Callable, Mapping
from textwrap import wrap
from typing import Any

from formats.visible import for_terminal, for_terminal_line

WIDTH = 80
SHOWN = 3
"""Examples on the terminal; the report shows all."""

OUTDATED = "Measured by an older version, in other figures: evaluate again."

_LABEL, _CELL = 26, 18

Figures = Mapping[str, Any]
Show = Callable[[float], str]
Row = tuple[str, ...]
"""What was measured, and the figures of base, adapter and forum: four texts."""


def estimate(found: Figures | None, show: Show) -> str:
    """An estimate with its interval, as `0.92 [0.83, 0.97]`; a dash where there is none."""
    if found is None or found["value"] is None:
        return "–"
    interval = found["interval"]
    return show(found["value"]) + (f" [{show(interval[0])}, {show(interval[1])}]" if interval else "")


def plain(value: float) -> str:
    """A number of any size in three digits: 0.00123, 1.23, 123, 1,230."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def two(value: float) -> str:
    """A share or a probability in two decimals, without a minus before nothing."""
    return f"{value if round(value, 2) else 0.0:.2f}"


def figures_table(result: Figures) -> list[Row]:
    """Every figure of an evaluation's base, adapter and forum; empty where it has none."""
    base, adapter, forum = result["base"], result["adapter"], result["forum"]
    about = result["about"]

    def row(label: str, find: Callable[[Figures], Figures | None], show: Show = two, of_forum: bool = True) -> Row:
        return label, estimate(find(base), show), estimate(find(adapter), show), estimate(find(forum), show) if of_forum else ""

    def ended(decoding: str, forum_too: bool) -> list[Row]:
        ways = [
            f"{counts['by_stop']} + {counts['by_other_end']} + {counts['by_limit']}"
            for counts in (base[decoding]["counts"], adapter[decoding]["counts"])
        ]
        loops = [f"{model[decoding]['counts']['looped']}" for model in (base, adapter)]
        shares = (estimate(model[decoding]["shares"]["stopped"], two) for model in (base, adapter))
        return [
            (f"stops, {decoding}", *shares, estimate(forum["whole"], two) if forum_too else ""),
            ("  stop + other end + limit", *ways, ""),
            ("  loops among the last", *loops, ""),
        ]

    def of(*path: str | int) -> Callable[[Figures], Figures | None]:
        def find(model: Figures) -> Figures | None:
            found: Any = model
            for name in path:
                found = None if found is None else found[name]
            found_figures: Figures | None = found
            return found_figures

        return find

    distinct = [
        row(
            f"distinct-{order} of {about['matched_words']:,} words",
            of("wording", "diversity", "distinct", order - 1),
        )
        for order in (1, 2, 3)
    ]
    notable = result["notable_words"]
    return [
        row("perplexity of replies", of("perplexity", "reply"), plain, False),
        row("  with their stops", of("perplexity", "with_stop"), plain, False),
        row("P(stop) where they end", of("perplexity", "stop_probability"), _probability, False),
        *ended("shipped", True),
        *ended("greedy", False),
        ("empty answers, shipped", *(f"{model['shipped']['counts']['empty']}" for model in (base, adapter)), ""),
        row("tokens, median", of("wording", "lengths", "median_tokens"), plain),
        row("  distance from forum's", of("wording", "lengths", "distance"), plain, False),
        row("words, median", of("wording", "lengths", "median_words"), plain),
        *distinct,
        row("repeated phrases", of("wording", "diversity", "repetition")),
        row("words copied in a row", of("wording", "copying", "mean_words"), plain),
        row(f"  {notable} or more", of("wording", "copying", "notable")),
        ("  at most", *(f"{who['wording']['copying']['longest']}" if who["wording"]["copying"] else "–" for who in (base, adapter, forum))),
        row("toxicity, mean", of("wording", "toxicity", "mean")),
        row("  over the threshold", of("wording", "toxicity", "over")),
        row("style: told from forum's", of("style", "auc"), two, False),
        row("  of equal length", of("style", "same_length_auc"), two, False),
        row("  by length alone", of("style", "length_auc"), two, False),
    ]


def differences_table(result: Figures) -> list[tuple[str, str, str]]:
    """What differs: of what, by how much, and what the figure says."""
    found = result["differences"]

    def row(name: str, label: str, show: Show, says: str) -> tuple[str, str, str]:
        return label, estimate(found[name], show), says

    return [
        row("perplexity_ratio", "perplexity, ratio", two, "below 1: the adapter knows better what the forum says"),
        row("stop_probability", "P(stop) where replies end", two, "above 0: it knows better where a reply ends"),
        row("shipped_rate", "stops, shipped", two, "above 0: it stops more often"),
        row("greedy_rate", "stops, greedy", two, "above 0: it stops more often"),
        row("length_distance", "distance of lengths", plain, "below 0: nearer to the forum's lengths"),
        row("style_auc", "style", two, "below 0: nearer to the forum's style"),
        row("copied_words", "words copied in a row", plain, "above 0: it copies more than the base"),
        row("copied_words_over_forum", "  less the forum's own", plain, "above 0: it copies more than the forum itself"),
        row("toxicity", "toxicity", two, "above 0: more toxic than the base"),
    ]


def evaluation_lines(result: Figures) -> list[str]:
    """The figures of base, adapter and forum in lines of at most `WIDTH` characters, what differs, notes, and some examples."""
    if "about" not in result:
        return [OUTDATED]
    about = result["about"]
    head = (
        f"{about['prompts']} held-out prompts, answers of at most {about['max_new_tokens']} tokens, "
        f"{result['base']['perplexity']['samples']} replies for perplexity; in brackets 95 % intervals. Style is the probability that a "
        f"classifier finds the generated one of two replies: 0.5 is perfect."
    )
    lines = [*wrap(head, WIDTH), "", f"{'':<{_LABEL}}{'base':>{_CELL}}{'adapter':>{_CELL}}{'forum':>{_CELL}}"]
    lines += [
        f"{label:<{_LABEL}}{base:>{_CELL}} {adapter:>{_CELL - 1}} {forum:>{_CELL - 1}}".rstrip()
        for label, base, adapter, forum in figures_table(result)
    ]
    lines += ["", f"{'adapter less base':<{_LABEL}}"]
    lines += [f"{label:<{_LABEL}}{value:>{_CELL + 3}}" for label, value, _ in differences_table(result)]
    lines += ["", *(line for note in result["notes"] for line in wrap(f"note: {note}", WIDTH, subsequent_indent="  "))]
    for example in result["examples"][:SHOWN]:
        lines += ["", *(f"  | {line}" for line in for_terminal(example["prompt"]).rstrip().split("\n"))]
        lines += [f"  {who + ':':<9}{for_terminal_line(example[who])}{ending(example, who)}" for who in ("forum", "base", "adapter")]
    return lines


def ending(example: Figures, who: str) -> str:
    """What is said behind an answer of how it ended, where that was not by the stop, and of what it copies; empty otherwise."""
    way = example["endings"].get(who, "stop")
    overlap = example["overlaps"].get(who)
    says = [f"[{way}]"] if way != "stop" else []
    says += [f"[{overlap['words']} words as in a training reply]"] if overlap else []
    return "".join(f" {one}" for one in says)


def _probability(value: float) -> str:
    return two(value) if value >= 0.005 or value == 0 else f"{value:.0e}"
