"""Judged posts that repeat a forgotten one: they must not tell what it said, and what became of them is no longer true.

They were dropped for the sake of a reply that is gone, so which of them stays is to be judged anew: by the next run, from what the posts
hold then. Until that the folder counts as out of date, and so do the samples that were made from it.
"""

from pathlib import Path

import polars as pl

from curate import store
from curate.files import write_json
from curate.forgetting.forgotten import Forgotten
from curate.manifest import MANIFEST, count_as_made_from, hash_of, read_manifest

_OUT_OF_DATE = "-00000000"
"""Stands where a fingerprint tells what was taken out of the folder's source, and fits none: so the stage does its work again."""


def count_copies(judged: Path, gone: Forgotten) -> int:
    """How many judged posts stay that name a forgotten one as what they repeat."""
    columns = ["id", "author", "duplicate_of"]
    buckets = (store.read_bucket(judged, bucket, columns) for bucket in store.bucket_numbers(judged))
    return sum(int((gone.lists(posts["duplicate_of"]) & ~gone.holds(posts)).sum()) for posts in buckets)


def clear_copies(judged: Path, gone: Forgotten) -> None:
    """Makes them name none, and the folder out of date; once the forgotten posts themselves have gone."""
    if not count_copies(judged, gone):
        return
    _put_out_of_date(judged)  # first: a call that goes on after a kill knows it by the names that are left

    def nameless(posts: pl.DataFrame) -> pl.DataFrame:
        named = gone.lists(posts["duplicate_of"])
        return posts.with_columns(duplicate_of=pl.when(~named).then("duplicate_of")) if named.any() else posts

    for bucket in store.bucket_numbers(judged):
        store.rewrite(judged, bucket, nameless)


def is_out_of_date(folder: Path) -> bool:
    """Whether the stage that made the folder is to do its work again, as copies were left in it, or in what it was made from."""
    made_from: str = read_manifest(folder)["fingerprint"]
    return made_from.endswith(_OUT_OF_DATE)


def keep_up(folder: Path, source: Path) -> None:
    """Makes the folder one of what its source holds now, once the same was taken out of both; unless either is out of date."""
    if is_out_of_date(folder) or is_out_of_date(source):
        _put_out_of_date(folder)
    else:
        count_as_made_from(folder, source)


def _put_out_of_date(folder: Path) -> None:
    manifest = read_manifest(folder)
    write_json({**manifest, "fingerprint": hash_of(manifest) + _OUT_OF_DATE}, folder / MANIFEST)
