"""The options of `lorum eval` that measure how messages are routed between its adapter and others."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from formats.errors import UserError


@dataclass(frozen=True)
class RoutingOptions:
    """What the command line says of a routing: the other adapters, none where none is asked for, and samples by adapters' names."""

    others: tuple[str, ...]
    samples: dict[str, Path]


def routing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a routing; the command gets them as one `routing`, a `RoutingOptions`."""

    @click.option(
        "--route",
        "others",
        multiple=True,
        metavar="OTHER",
        help="Measure how well messages are routed between it and OTHER, an adapter of the same base. Repeatable.",
    )
    @click.option("--route-samples", multiple=True, metavar="NAME=FOLDER", help="The samples of OTHER. [default: samples beside it]")
    @wraps(command)
    def wrapped(*args: Any, others: tuple[str, ...], route_samples: tuple[str, ...], **kwargs: Any) -> Any:
        return command(*args, routing=RoutingOptions(others, folders_by_name(route_samples, "--route-samples")), **kwargs)

    return wrapped


def folders_by_name(given: tuple[str, ...], option: str) -> dict[str, Path]:
    """The folders of `NAME=FOLDER`.

    Raises:
        UserError: one is written otherwise.
    """
    found = {}
    for one in given:
        name, equals, folder = one.partition("=")
        if not (name and equals and folder):
            raise UserError(f"{option} {one}: expected NAME=FOLDER, as in {option} kettle-court=runs/kettle-court/samples")
        found[name] = Path(folder)
    return found


def route_if_asked(
    adapter: Path, samples: Path, options: RoutingOptions, progress: Callable[[str, int, int], None]
) -> dict[str, Any] | None:
    """Measures the routing that the options ask for; None where they ask for none.

    Makes the adapters' indexes anew. Notes the result in the adapter's `eval.json`, and in the record and the report of its run.

    Raises:
        UserError: an adapter is not found, has another base, or its samples are not there.
    """
    if not options.others:
        return None
    from curate.pages.run import note_routing_in_run
    from train.adapters.folder import read_adapter
    from train.answers.loaded import Loaded
    from train.evaluation.noted import note
    from train.evaluation.routing import ROUTED, evaluate_routing
    from train.shelf.finding import named
    from train.shelf.routing import Router

    folders = named([str(adapter), *options.others])
    adapters = {name: read_adapter(folder) for name, folder in folders.items()}
    own = next(iter(folders))
    sources = _sources(folders, {own: samples, **options.samples})
    loaded = Loaded(adapters)
    router = Router.of(folders, loaded, samples=sources, progress=progress)
    result = evaluate_routing(router, sources, progress=progress).to_dict()
    note(folders[own], ROUTED, result)
    note_routing_in_run(result, folders[own].parent)
    return result


def refuse_half_routing(adapter: Path, samples: Path, options: RoutingOptions) -> None:
    """Refuses a routing that cannot be measured, before anything else of the command has taken its time.

    Raises:
        UserError: samples are named of an adapter that is not, or an adapter or its samples are not there.
    """
    if options.samples and not options.others:
        raise UserError("--route-samples needs --route: name the adapters between which messages are routed")
    if options.others:
        from train.shelf.finding import named

        folders = named([str(adapter), *options.others])
        _sources(folders, {next(iter(folders)): samples, **options.samples})


def _sources(folders: dict[str, Path], given: dict[str, Path]) -> dict[str, Path]:
    """The samples of each adapter: those that are given, else those beside it."""
    for name in given:
        if name not in folders:
            raise UserError(f"{name}: no such adapter here; there are {', '.join(folders)}")
    sources = {name: given.get(name, folder.resolve().parent / "samples") for name, folder in folders.items()}
    for name, source in sources.items():
        if not (source / "train.parquet").is_file():
            raise UserError(f"{source}: no samples of {name} there; name them with --route-samples {name}=FOLDER")
    return sources
