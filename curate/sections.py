"""What a recipe says about gathering posts and about forming samples: its `[gather]` and `[format]`."""

import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from curate.splits import parse_split
from formats.errors import UserError


class Section(BaseModel):
    """A table of a recipe: keys that it does not know are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GatherSettings(Section):
    """Which posts a run starts from."""

    files: tuple[str, ...] = Field(
        (), strict=False, description="Dumps and tables, relative to the recipe: files, folders, globs, URLs, `hub:USER/NAME`."
    )
    scrape: tuple[dict[str, Any], ...] = Field(
        (), strict=False, description="What to fetch first: tables of a `source` and its settings, listed in sources.md."
    )
    map: dict[str, str] = Field(default_factory=dict, description='For tables: by our column\'s name theirs, as in `text = "body"`.')
    subreddits: tuple[str, ...] = Field((), strict=False, description="Communities to keep, in any case; empty keeps all.")
    since: datetime.date | None = Field(None, strict=False, description="Keep posts of this day and later; others are not asked for.")
    until: datetime.date | None = Field(None, strict=False, description="Keep posts of before this day; others are not asked for.")

    @model_validator(mode="after")
    def _has_something_to_gather(self) -> Self:
        if not self.files and not self.scrape:
            raise ValueError("expected files, or something to scrape")
        return self

    @field_validator("since", "until", mode="before")
    @classmethod
    def _day_is_no_number(cls, value: Any) -> Any:
        if isinstance(value, int | float):
            raise ValueError("expected a day, as in 2020-01-31")
        return value


class FormatSettings(Section):
    """How conversations become samples."""

    template: str = Field(
        "comment-response", description="A built-in template, `chat` for the base model's own, or a TOML file relative to the recipe."
    )
    community: str | None = Field(None, description="The name of the bot, for templates that name speakers.")
    system: str | None = Field(
        None, description="The system text, with {community}, {flair}, {title} and {date} where wanted; that of the template by default."
    )
    personas: tuple[str, ...] = Field((), strict=False, description="Authors whose replies alone are learned; empty learns all.")
    max_turns: int = Field(4, ge=2, le=64, description="Turns of a conversation at most, the reply included.")
    max_tokens: Literal[0] | Annotated[int, Field(ge=16)] | None = Field(
        None,
        description="Longer samples lose their oldest turns, and are left out if the reply is too long; that of [train] "
        "by default in a run that goes on to train; 0: none is counted.",
    )
    split: str = Field("90/5/5", description="Percentages of train, validation and test; whole threads are split.")
    split_by: Literal["thread", "time"] = Field("thread", description="thread: by a hash; time: the newest threads are held out.")
    seed: int = Field(0, description="Another seed, another split by thread.")

    @field_validator("split")
    @classmethod
    def _split_is_valid(cls, value: str) -> str:
        try:
            parse_split(value)
        except UserError as error:
            raise ValueError(str(error)) from None
        return value
