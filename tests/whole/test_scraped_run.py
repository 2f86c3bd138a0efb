"""A recipe that scrapes: from a forum's API to samples in one run, which asks the forum once."""

from pathlib import Path

import pytest

from curate import store
from curate.pipeline import run
from curate.recipe import Recipe
from formats.errors import UserError
from tests.servers.hackernews import HackerNews

NOON = 1_700_000_000
RECIPE = """
name = "kettles"
[[gather.scrape]]
source = "hackernews"
search = "kettle"
limit = 10
algolia = "{algolia}"
firebase = "{firebase}"
[filter]
toxicity = false
length = false
[format]
max_turns = 3
split = "80/10/10"
"""


class Silent:
    def __call__(self, what: str, done: int, total: int) -> None:
        pass

    def training(self, now: object) -> None:
        pass

    def say(self, line: str) -> None:
        pass


def forum() -> HackerNews:
    site = HackerNews()
    for number in range(1, 60, 4):
        site.add(
            {"id": number, "type": "story", "by": "ann", "time": NOON + number, "title": f"Kettle {number}", "score": 9, "descendants": 2},
            {
                "id": number + 1,
                "type": "comment",
                "by": "ben",
                "time": NOON + number,
                "parent": number,
                "text": f"Kettle {number} boils too soon.",
            },
            {
                "id": number + 2,
                "type": "comment",
                "by": "cat",
                "time": NOON + number,
                "parent": number + 1,
                "text": f"Then pour {number} sooner.",
            },
        )
    return site


def test_a_recipe_scrapes_once_and_goes_on_to_samples(tmp_path: Path) -> None:
    with forum() as site:
        (tmp_path / "recipe.toml").write_text(RECIPE.format(algolia=site.algolia, firebase=site.firebase))
        record = run(Recipe.read(tmp_path / "recipe.toml"), tmp_path / "run", Silent(), until="format")
        asked = site.asked()
        again = run(Recipe.read(tmp_path / "recipe.toml"), tmp_path / "run", Silent(), until="format")
        assert site.asked() == asked
    counts = record["stages"]["gather"]["counts"]
    assert (counts["posts"], counts["submissions"], counts["comments"], counts["rejects"]) == (30, 10, 20, 0)
    assert set(store.read_bucket(tmp_path / "run" / "posts", 0)["source"]) == {"hackernews"}
    assert record["stages"]["format"]["counts"]["samples"] == 20
    assert again["stages"] == record["stages"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "fax"}, "gather.scrape: source = 'fax'; expected one of reddit, hackernews, discourse, lemmy"),
        ({"source": "lemmy", "comunities": ["tea"]}, "gather.scrape, lemmy: unknown setting 'comunities'; known: instance, communities, "),
        ({"source": "lemmy", "communities": ["tea"]}, "gather.scrape, lemmy: instance: Field required"),
        ({"source": "hackernews", "limit": "ten"}, "gather.scrape, hackernews: limit: Input should be a valid integer"),
    ],
)
def test_a_request_that_does_not_fit_is_told(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match="gather") as caught:
        Recipe.build({"name": "x", "gather": {"scrape": [settings]}}, Path())
    assert message in str(caught.value)
