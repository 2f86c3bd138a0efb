"""Fetches posts over the network into a folder of posts: goes on where it stopped, and fetches only what is new when it is done again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curate.engine import Progress, alone, silent
from curate.forgetting.forgotten import Forgotten
from curate.gather import Gathered, import_files
from curate.journal import JournalWriter, ScrapeState, segments
from curate.manifest import check_ours, made_by, report_of
from curate.sources.catalogue import live_source
from curate.sources.fetching.patience import Patience, SourceDownError
from formats.errors import UserError


@dataclass(frozen=True)
class Fetched:
    """What one run of a scrape brought, and what failed.

    Args:
        posts: records of posts.
        new: posts that the folder did not hold before; those of a run that was killed before its import count with the next.
        newer: records that took the place of an older one.
    """

    posts: int
    pages: int
    failures: tuple[dict[str, str], ...]
    new: int = 0
    newer: int = 0


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
    except (SourceDownError, UserError):
        if segments(out):
            import_files(segments(out), out, progress=progress, add=True)
        raise
    if not segments(out):
        raise _nothing(source, fetched.failures)
    before = report_of(out, "posts") if made_by(out) else {"posts": 0, "replaced": 0}
    gathered = import_files(segments(out), out, progress=progress, add=True)
    return replace(fetched, new=gathered.posts - before["posts"], newer=gathered.replaced - before["replaced"]), gathered


def fetch(source: str, request: Any, out: Path, progress: Progress = silent, patience: Patience | None = None) -> Fetched:
    """Fetches what is asked for into the journal of the folder `out`, as `scrape` does, without the import."""
    patience = patience or Patience(progress)
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with alone(out.with_name(f".{out.name}.scrape-lock"), out):
        check_ours(out, "posts")
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
    """Whether this scrape came to its end once, with a limit as great, and brought something or found that there is nothing."""
    scrape = ScrapeState.read(out.resolve(), source, request)
    limit, reached = getattr(request, "limit", None), scrape.request.get("limit")
    far_enough = reached is None or (limit is not None and limit <= reached)
    return scrape.finished and far_enough and bool(_segments_of(source, request, out) or not scrape.failures)


def fetch_once(requests: Sequence[tuple[str, Any]], out: Path, progress: Progress = silent) -> tuple[list[Path], list[dict[str, str]]]:
    """Fetches, of these sources with their requests, what was not fetched for the folder `out` before.

    Returns:
        The segments of the journal that hold what was fetched for them, and what could not be fetched.

    Raises:
        UserError: nothing was fetched for any of them.
    """
    fetched: list[Path] = []
    failures: list[dict[str, str]] = []
    for source, request in requests:
        if not is_fetched(source, request, out):
            fetch(source, request, out, progress)
        fetched += _segments_of(source, request, out)
        failures += ScrapeState.read(out.resolve(), source, request).failures
    if requests and not fetched:
        raise _nothing("gather.scrape", failures)
    return fetched, failures


def _nothing(what: str, failures: Sequence[dict[str, str]]) -> UserError:
    """The error of a scrape that brought nothing, with the first of its failures."""
    why = "; ".join(f"{failure['what']}: {failure['reason']}" for failure in failures[:2])
    return UserError(f"{what}: nothing was fetched ({why or 'there is nothing by these names, in these days'})")


def _segments_of(source: str, request: Any, out: Path) -> list[Path]:
    """The segments of the journal that this scrape wrote."""
    names = set(ScrapeState.read(out.resolve(), source, request).segments)
    return [path for path in segments(out) if path.name in names]
