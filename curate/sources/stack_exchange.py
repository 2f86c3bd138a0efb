"""Stack Exchange data dumps: `Posts.xml` and `Comments.xml` of a site, in a folder or a .7z, or one such file by itself.

A question is a submission; its answers and all comments are comments. Posts and comments of a site are numbered apart, and those of each
site anew, so that ids are `se_SITE_NUMBER` and `se_SITE_cNUMBER`. `source` is `stackexchange`.

A post's author is known by its number only (`user22656`), which is unique, unlike the names in `Users.xml`; `OwnerDisplayName` stands in
where the account is gone.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from curate.posts import POSTS
from curate.sources.reading.compressed import read_lines
from curate.sources.reading.place import Head, Place
from curate.sources.reading.xml_rows import count_rows, read_rows, root_of
from curate.sources.source import Batch, Wanted
from curate.sources.stack_exchange_rows import Site, Threads, comment_batch, post_batch, table
from formats.errors import UserError

SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
"""The first bytes of a .7z archive."""

ROOTS = ("posts", "comments")
"""The names of the root elements that are read."""

_FILE = re.compile(r"(posts|comments)\.xml(\.(gz|bz2|xz|zst))?", re.IGNORECASE)
_EXTENSION = re.compile(r"(\.(7z|xml|gz|bz2|xz|zst))+$", re.IGNORECASE)
_NO_SITE = re.compile(r"(^|[-_. ])(posts|comments)$", re.IGNORECASE)


def recognises(head: Head) -> bool:
    """Whether it is Posts.xml or Comments.xml, a folder that holds one of them, or a .7z."""
    if head.entries is not None:
        return any(_FILE.fullmatch(entry) for entry in head.entries)
    return head.raw.startswith(SEVEN_ZIP) or (root_of(head.text) in ROOTS and b"<row" in head.text)


def read(place: Place, wanted: Wanted, columns: Mapping[str, str]) -> Iterator[Batch]:
    """The posts of a dump, then its comments, a batch some thousand rows.

    A comment says which post it is on, but not in which thread: for this `Posts.xml` is read too where `Comments.xml` is given alone, and
    the thread of each post is held in 8 bytes. Posts that are neither question nor answer, and those that `wanted` does not ask for, are
    passed over.

    Raises:
        UserError: the dump is cut off or damaged; no such file is in it; or `Comments.xml` is given without `Posts.xml`.
    """
    site = _site(place)
    parts = _parts(place)
    if wanted.communities and site.community not in {name.lower() for name in wanted.communities}:
        for part in parts.values():
            for count in count_rows(part.open(), part.root, part.name):
                yield Batch(count, pl.DataFrame(schema=POSTS), passed_over=count)
        return
    threads = Threads()
    posts = parts.get("posts") or _posts_beside(place)
    told_apart = len(parts) > 1
    for rows in read_rows(posts.open(), "posts", posts.name):
        records = table(rows)
        if "comments" in parts:
            threads.add(records)
        if "posts" in parts:
            yield post_batch(rows, records, site, posts.name, wanted, told_apart)
    if comments := parts.get("comments"):
        of_posts = threads.sorted()
        for rows in read_rows(comments.open(), "comments", comments.name):
            yield comment_batch(rows, of_posts.join(table(rows)), site, comments.name, wanted, told_apart)


@dataclass(frozen=True)
class _Part:
    """Posts.xml or Comments.xml, wherever it lies."""

    name: str
    root: str
    open: Callable[[], Iterator[bytes]]


def _parts(place: Place) -> dict[str, _Part]:
    """What the place holds, by the name of the root; only files on disk can be folders or archives."""
    head = place.head()
    if head.entries is None and not head.raw.startswith(SEVEN_ZIP):
        root = "comments" if root_of(head.text) == "comments" else "posts"  # the reader tells of what is neither
        return {root: _Part(place.name, root, partial(read_lines, place))}
    folder = place.name.rstrip("/")
    if head.entries is not None:
        found = {f"{folder}/{entry}": partial(read_lines, Place(str(place.path / entry))) for entry in sorted(head.entries)}
    else:
        from curate.sources.reading.seven_zip import members, read_member

        found = {f"{folder}/{member}": partial(read_member, place.path, member) for member in members(place.path)}
    parts: dict[str, _Part] = {}
    for name, opener in found.items():
        if kind := _FILE.fullmatch(name.rpartition("/")[2]):
            root = kind[1].lower()
            if root in parts:
                raise UserError(f"{place.name}: holds two of a kind, {parts[root].name} and {name}; import them one by one")
            parts[root] = _Part(name, root, opener)
    if not parts:
        raise UserError(f"{place.name}: holds neither Posts.xml nor Comments.xml; give a site's data dump")
    return parts


def _posts_beside(comments: Place) -> _Part:
    """The posts that belong to comments given alone."""
    path = comments.path
    beside = path.with_name(path.name.replace("Comments", "Posts").replace("comments", "posts"))
    if beside == path or not beside.exists():
        raise UserError(
            f"{comments.name}: holds comments, whose threads are told by Posts.xml only; "
            f"put {beside.name if beside != path else 'Posts.xml'} beside it, or give the folder or .7z that holds both"
        )
    part = _parts(Place(str(beside))).get("posts")
    if part is None:
        raise UserError(f"{beside}: holds no Posts.xml, by which alone the threads of {comments.name} are told; fetch it")
    return part


def _site(place: Place) -> Site:
    """The site's name is in no row: it is that of the archive, or of the folder of the files."""
    if place.is_stdin:
        raise UserError("-: standard input does not tell which site the dump is of; give the path of a file in a folder of the site's name")
    path = Path(place.name) if place.is_remote else place.path.resolve()
    name = path.name if place.is_folder() else _NO_SITE.sub("", _EXTENSION.sub("", path.name))
    return Site(re.sub(r"[^a-z0-9.-]+", "-", (name or path.parent.name).lower()) or "unknown")
