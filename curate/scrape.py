"""Fetches posts over the network into a folder of posts: goes on where it stopped, and fetches only what is new when it is done again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.engine import Progress, alone, silent
from curate.files import read_json
from curate.forgetting.forgotten import Forgotten
from curate.gather import Gathered, import_files
from curate.journal import JournalWriter, journal_folder, request_key, segments
from curate.sources.catalogue import live_source
from curate.sources.patience import Patience, SourceDownError
from formats.errors import UserError


@dataclass(frozen=True)
class Fetched:
    """What one run of a scrape brought: posts (of which some may replace older records of themselves), pages, and what failed."""

    posts: int
    pages: int
    failures: tuple[dict[str, str], ...]


def scrape(source: str, request: Any, out: Path, progress: Progress = silent, patience: Patience | None = None) -> tuple[Fetched, Gathered]:
    """Fetches what is asked for, and imports it into the folder `out`, to what is there already.

    Args:
        source: one of `curate.sources.catalogue.LIVE`.
        request: the `Request` of that source's module.

    Raises:
        UserError: there is no such community, nothing was found, or the credentials are missing or refused.
        SourceDownError: it stopped answering; what came before is imported, and the same scrape goes on later.
    """
    try:
        fetched = fetch(source, request, out, progress, patience)
    except SourceDownError:
        if segments(out):
            import_files(segments(out), out, progress=progress, add=True)
        raise
    if not segments(out):
        raise UserError(f"{source}: nothing was found for this request; check the names")
    return fetched, import_files(segments(out), out, progress=progress, add=True)


def fetch(source: str, request: Any, out: Path, progress: Progress = silent, patience: Patience | None = None) -> Fetched:
    """Fetches what is asked for into the journal of the folder `out`, as `scrape` does, without the import."""
    patience = patience or Patience(progress)
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with alone(out.with_name(f".{out.name}.scrape-lock"), out):
        writer = JournalWriter(out, source, request)
        forgotten = Forgotten.read(out)
        posts = pages = 0
        finished = False
        try:
            for page in live_source(source).pages(request, writer.scrape.state, patience):
                kept = [post for post in page.posts if not forgotten.names(post["id"], post.get("author"))]
                writer.append(kept, page.failures)
                posts, pages = posts + len(kept), pages + 1
                progress(f"scrape {source}", posts, 0)
            finished = True
        finally:
            writer.close(finished)
        return Fetched(posts, pages, tuple(writer.scrape.failures))


def is_fetched(source: str, request: Any, out: Path) -> bool:
    """Whether this scrape came to its end once."""
    return bool(read_json(journal_folder(out.resolve()) / f"{request_key(source, request)}.json").get("finished"))
