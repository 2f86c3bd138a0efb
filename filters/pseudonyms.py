"""A transform that gives authors other names, always the same ones, which cannot be led back without a key."""

import os
import secrets
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar

import click
import polars as pl

from filters.rule import RuleError
from filters.transform import Transform

VARIABLE = "LORUM_PSEUDONYM_KEY"

SHORTEST_KEY = 16
"""Bytes: 128 bits, which cannot be guessed where they are random."""

LONGEST_KEY = 64
"""Bytes, of BLAKE2b; a longer key is hashed to this length."""

PSEUDONYM = r"^user_[0-9a-f]{16}$"
"""64 bits: among ten million authors two share a name with a chance of 1 in 370,000 (n²/2⁶⁵). At 21 characters no name on Reddit is one."""

LINKS = ("permalink", "url")

_PROFILE = r"(?i)^u_(.+)$"
"""The community of a profile on Reddit, which has its owner's name."""

_LINK_TO_ACCOUNT = r"(?i)/(?:u_|u/|user/)[\w-]{3}"
"""An account on Reddit has three characters or more; in `/document/u/0/` there is none."""


@dataclass(frozen=True)
class Pseudonyms(Transform):
    """Replace authors by pseudonyms (`user_7f3a9c2e51d04b88`): the same author has the same one in every run with the same key.

    The key is the content of `key_file`, or else of the environment variable LORUM_PSEUDONYM_KEY, or else of a file that is made in the
    user's folder of settings. Whoever has it can find an author's pseudonym: keep it, away from the data. On a cluster, give all
    machines the same. A community that is somebody's profile on Reddit (`u_NAME`) becomes `u_` and the pseudonym of that name, and links
    that hold the name of an account (`/user/NAME`, `/u/NAME`, `/u_NAME`) are left out. Names within texts are the matter of `pii`. Flairs
    stay, and a flair may hold whatever its author or a moderator wrote there, a name too. Ids and other links of posts stay, and lead to
    their authors as long as the forum shows them. Made last, since rules ask who wrote a post.
    """

    key_file: str | None = None
    by_default: ClassVar[bool] = False
    last: ClassVar[bool] = True

    def prepare(self) -> str:
        """Makes a key where none is named and none was made before; tells by a pseudonym of nobody which key it is.

        Raises:
            RuleError: no key where it should be, or one that is too short.
        """
        if self.key_file is None and VARIABLE not in os.environ and not default_key_file().exists():
            _make_key(default_key_file())
        return pseudonym(self._key(), None, "")

    def apply(self, posts: pl.DataFrame) -> pl.DataFrame:
        """The posts with `author` replaced, and without what else names an account: `author_id`, profiles, links to them.

        A name counts in any case of its letters, on each source by itself. What is a pseudonym already stays.

        Raises:
            RuleError: there is no key, or one that is too short.
        """
        key = self._key()
        changed = [_renamed(posts["source"], posts["author"], key)]
        if "author_id" in posts.columns:
            changed.append(pl.repeat(None, posts.height, dtype=pl.String, eager=True).alias("author_id"))
        if "community" in posts.columns:
            owners = _renamed(posts["source"], posts["community"].str.extract(_PROFILE), key)
            changed.append(posts.select(pl.coalesce("u_" + owners, "community").alias("community")).to_series())
        links = (posts[name] for name in LINKS if name in posts.columns)
        changed += [link.set(link.str.contains(_LINK_TO_ACCOUNT).fill_null(False), None) for link in links]
        return posts.with_columns(changed)

    def _key(self) -> bytes:
        if self.key_file is None and VARIABLE in os.environ:
            return _checked(os.environ[VARIABLE].encode(), f"the environment variable {VARIABLE}")
        path = Path(self.key_file).expanduser() if self.key_file is not None else default_key_file()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise RuleError(
                f"pseudonyms: no key in {path} ({error.strerror}); make one, outside the data: "
                f'python -c "import secrets; print(secrets.token_hex(32))" > key.txt, and name it as key_file'
            ) from None
        return _checked(content, str(path))


def _renamed(sources: pl.Series, names: pl.Series, key: bytes) -> pl.Series:
    """The names with their pseudonyms in their place; null stays, and so does what is one."""
    table = pl.DataFrame([sources.alias("source"), names.alias("name")])
    real = table.unique().filter(~pl.col("name").str.contains(PSEUDONYM))
    given = real.with_columns(pseudonym=pl.Series([pseudonym(key, source, name) for source, name in real.iter_rows()], dtype=pl.String))
    found = table.join(given, on=("source", "name"), how="left", nulls_equal=True, maintain_order="left")
    return found.select(pl.coalesce("pseudonym", "name").alias(names.name)).to_series()


def pseudonym(key: bytes, source: str | None, author: str) -> str:
    """The name that stands for an author of a source: a keyed hash (BLAKE2b, RFC 7693)."""
    return "user_" + blake2b(f"{source or ''}\0{author.casefold()}".encode(), key=key, digest_size=8).hexdigest()


def default_key_file() -> Path:
    """Where the key lies if no other is named, in the user's own folder of settings."""
    return Path(click.get_app_dir("lorum")) / "pseudonym_key"


def _checked(content: bytes, where: str) -> bytes:
    key = content.strip()
    if len(key) < SHORTEST_KEY:
        raise RuleError(f"pseudonyms: the key in {where} has {len(key)} bytes; expected at least {SHORTEST_KEY}, and random ones")
    return key if len(key) <= LONGEST_KEY else blake2b(key).digest()


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32) + "\n")
    try:
        # Whoever comes first has made the key; unlike a rename, a link replaces nothing.
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
