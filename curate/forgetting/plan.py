"""What is to be removed, as a file that a killed removal goes on from."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from curate.forgetting.forgotten import Forgotten
from curate.splits import SPLITS


@dataclass(frozen=True)
class Removed:
    """What was removed, or would be.

    Args:
        samples: by split; a sample goes when its reply or any turn before it is forgotten.
        copies: judged posts that stay and were dropped as repeating one that went; their folders are out of date.
        scores: of the texts, by models that judged them.
        examples: of the evaluation, in the records of runs and their reports.
        journal: lines of what was scraped.
        rejects: excerpts of rejected lines; their file, row and reason stay.
        adapters: those that were trained on samples that went.
        older_adapters: those that may have been: on samples that were made anew or lie nowhere that is known.
        before: how many of the ids asked for were forgotten before.
        unknown: the ids and authors asked for of which nothing was found.
        asked: posts that the source was asked about.
        not_asked: posts that it was not asked about, as it cannot know them.
        beside: folders beside the posts that may hold more of them, and were not looked through.
        unfinished: hidden folders with what stopped stages had made of the posts; they go whole.
    """

    posts: int = 0
    judged: int = 0
    samples: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    scores: int = 0
    examples: int = 0
    journal: int = 0
    rejects: int = 0
    adapters: tuple[str, ...] = ()
    before: int = 0
    unknown: tuple[str, ...] = ()
    asked: int = 0
    not_asked: int = 0
    older_adapters: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    copies: int = 0
    unfinished: tuple[str, ...] = ()

    def is_nothing(self) -> bool:
        """Whether there was nothing to remove."""
        return not any((*self.samples.values(), *(getattr(self, name) for name in _COUNTS)))

    def with_begun(self, begun: Self) -> Self:
        """Together with what a killed removal began to remove, and may have removed already."""
        counts = {name: max(getattr(self, name), getattr(begun, name)) for name in _COUNTS}
        samples = {split: max(count, begun.samples[split]) for split, count in self.samples.items()}
        adapters = tuple(dict.fromkeys([*begun.adapters, *self.adapters]))
        older = tuple(name for name in dict.fromkeys([*begun.older_adapters, *self.older_adapters]) if name not in adapters)
        return replace(self, **counts, samples=samples, adapters=adapters, older_adapters=older)


_COUNTS = ("posts", "judged", "copies", "scores", "examples", "journal", "rejects")


@dataclass(frozen=True)
class Plan:
    """All that a removal needs to be done, and done again after a kill. It holds no text, and names no author that was not unknown.

    Args:
        ids: of posts.
        authors: hashed.
        samples: ids of samples by their folder.
        scores: hashes of texts, in hexadecimal.
        examples: hashes of the evaluation's examples.
    """

    ids: list[str]
    authors: list[str]
    samples: dict[str, list[str]]
    scores: list[str]
    examples: list[str]
    removed: Removed

    def gone(self) -> Forgotten:
        """The posts and authors."""
        return Forgotten(frozenset(self.ids), frozenset(self.authors))

    def with_begun(self, begun: Self) -> Self:
        """Together with what a killed removal planned: it may have dropped samples, say, and not counted the rest."""
        folders = dict.fromkeys([*begun.samples, *self.samples])
        return replace(
            self,
            samples={folder: _joined(begun.samples.get(folder, ()), self.samples.get(folder, ())) for folder in folders},
            scores=_joined(begun.scores, self.scores),
            examples=_joined(begun.examples, self.examples),
            removed=self.removed.with_begun(begun.removed),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        told: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values["removed"].items()}
        return cls(**{**values, "removed": Removed(**told)})


def _joined(first: Iterable[str], second: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))
