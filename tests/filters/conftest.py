"""Posts for the tests of filters/."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, settings

from filters.verdicts import judge

settings.register_profile(
    "filters",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("filters")

GOOD = {
    "id": "t1_a",
    "thread_id": "t3_a",
    "parent_id": "t3_a",
    "kind": "comment",
    "community": "KettleCourt",
    "author": "clerk_of_the_caddy",
    "created_at": datetime.datetime(2024, 5, 17, 8, 30, tzinfo=datetime.UTC),
    "retrieved_at": datetime.datetime(2024, 5, 24, 8, 30, tzinfo=datetime.UTC),
    "title": None,
    "text": "The court finds the kettle warm and the witness colder.",
    "flair": None,
    "score": 12,
    "upvote_ratio": None,
    "nsfw": False,
    "quarantined": None,
    "stickied": False,
    "promoted": False,
    "distinguished": None,
    "removal": "none",
    "newest_at": datetime.datetime(2024, 5, 20, 8, 30, tzinfo=datetime.UTC),
    "identical_share": None,
}
"""A post that every cheap rule keeps."""

TEXT_COLUMNS = ("id", "thread_id", "parent_id", "kind", "community", "author", "title", "text", "flair", "distinguished", "removal")

SCHEMA = {
    **dict.fromkeys(TEXT_COLUMNS, pl.String),
    **dict.fromkeys(("created_at", "retrieved_at", "newest_at"), pl.Datetime("ms", "UTC")),
    "score": pl.Int32,
    **dict.fromkeys(("upvote_ratio", "identical_share"), pl.Float32),
    **dict.fromkeys(("nsfw", "quarantined", "stickied", "promoted"), pl.Boolean),
}


def _posts(*changes):
    return pl.DataFrame([{**GOOD, **change} for change in changes], schema=SCHEMA)


@pytest.fixture(scope="session")
def posts():
    """Builds a table of good posts, each with the given changes."""
    return _posts


@pytest.fixture(scope="session")
def target():
    """The target reasons that one rule gives to posts with these changes."""
    return lambda rule, *changes: judge(_posts(*changes), [rule])["target_reason"].to_list()


@pytest.fixture(scope="session")
def context():
    """The context reasons that one rule gives to posts with these changes."""
    return lambda rule, *changes: judge(_posts(*changes), [rule])["context_reason"].to_list()
