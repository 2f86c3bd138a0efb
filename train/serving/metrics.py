"""What a server counts, as Prometheus reads it (text exposition format 0.0.4)."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping

from train.answers.engine import Load
from train.serving.answers import Whole

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histograms."""


class Histogram:
    """How many durations were at most so long."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_SECONDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Counts a duration."""
        self._counts[bisect_left(_SECONDS, seconds)] += 1
        self._sum += seconds

    def lines(self, name: str) -> Iterator[str]:
        """Its lines."""
        reached = 0
        for bound, count in zip([*map(str, _SECONDS), "+Inf"], self._counts, strict=True):
            reached += count
            yield f'{name}_bucket{{le="{bound}"}} {reached}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {reached}"


class Tally:
    """Counts what was asked over HTTP, and how long answers took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._answers: Counter[str] = Counter()
        self._first, self._whole = Histogram(), Histogram()

    def request(self, route: str, status: int) -> None:
        """Counts a request that is over; 499 is a client that went before it was."""
        with self._lock:
            self._requests[route, status] += 1

    def answer(self, model: str, answer: Whole) -> None:
        """Counts an answer that was told to its end."""
        with self._lock:
            self._answers[model] += 1
            self._first.add(answer.seconds_to_first)
            self._whole.add(answer.seconds)

    def text(self, load: Load) -> str:
        """All of it, with what the engine does."""
        with self._lock:
            requests = {f'route="{route}",status="{status}"': count for (route, status), count in sorted(self._requests.items())}
            answers = {f'model="{_quoted(model)}"': count for model, count in sorted(self._answers.items())}
            endings = {f'ending="{ending}"': count for ending, count in sorted(load.ended.items())}
            lines = [
                *_single("lorum_requests_running", "gauge", "Answers that are generated now.", load.running),
                *_single("lorum_requests_waiting", "gauge", "Answers that wait for a place.", load.waiting),
                *_single("lorum_prompt_tokens_total", "counter", "Tokens of prompts read.", load.prompt_tokens),
                *_single("lorum_new_tokens_total", "counter", "Tokens generated.", load.new_tokens),
                *_single("lorum_busy_seconds_total", "counter", "Seconds in which tokens were read or generated.", round(load.seconds, 6)),
                *_several("lorum_endings_total", "Why answers ended.", endings),
                *_several("lorum_answers_total", "Answers told to their end, by who answered.", answers),
                *_several("lorum_http_requests_total", "Requests that are over; 499: the client went.", requests),
                *_head("lorum_seconds_to_first_piece", "histogram", "From a request to the first piece of its answer."),
                *self._first.lines("lorum_seconds_to_first_piece"),
                *_head("lorum_seconds_to_end", "histogram", "From a request to the end of its answer."),
                *self._whole.lines("lorum_seconds_to_end"),
            ]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]


def _single(name: str, kind: str, what: str, value: float) -> list[str]:
    return [*_head(name, kind, what), f"{name} {value}"]


def _several(name: str, what: str, values: Mapping[str, int]) -> list[str]:
    return [*_head(name, "counter", what), *(f"{name}{{{labels}}} {value}" for labels, value in values.items())]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
