"""What is to be removed, as a file that a killed removal goes on from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from curate.forgetting.forgotten import Forgotten
from curate.splits import SPLITS


@dataclass(frozen=True)
class Removed:
    """What was removed, or would be.

    Args:
        samples: by split; a sample goes when its reply or any turn before it is forgotten.
        scores: of the texts, by models that judged them.
        examples: of the evaluation, in the records of runs and their reports.
        journal: lines of what was scraped.
        rejects: excerpts of rejected lines; their file, row and reason stay.
        adapters: those that were trained on samples that went.
        before: how many of the ids asked for were forgotten before.
        unknown: the ids and authors asked for of which nothing was found.
        asked: posts that the source was asked about.
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

    def is_nothing(self) -> bool:
        """Whether there was nothing to remove."""
        return not any((self.posts, self.judged, *self.samples.values(), self.scores, self.examples, self.journal, self.rejects))


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

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        told = values["removed"]
        removed = Removed(**{**told, "adapters": tuple(told["adapters"]), "unknown": tuple(told["unknown"])})
        return cls(**{**values, "removed": removed})
