"""lorum filter."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curate.console import Reporter, common_options, tell

if TYPE_CHECKING:
    from filters.catalogue import Filter


def _print_rules(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from curate.judging.lines import rule_lines

        tell("\n".join(rule_lines()))
        context.exit()


@click.command("filter")
@click.argument("posts", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of judged posts to write.")
@click.option("--recipe", type=click.Path(path_type=Path), help="Take the rules from the [filter] section of this recipe.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="RULE=VALUE",
    help="Change a rule: min_score=5, nsfw=false, recency.since=2020-01-01, length.maximum=500.",
)
@click.option("--dry-run", is_flag=True, help="Show the funnel and write nothing.")
@click.option("--try", "tried", multiple=True, metavar="RULE=VALUE", help="Show what this change would keep and drop; write nothing.")
@click.option("--explain", metavar="ID", help="Show a post of POSTS (judged or not), its values and what each rule says of it.")
@click.option("--explain-threshold", is_flag=True, help="Show what each threshold of toxicity would drop, with borderline examples.")
@click.option("--rules", is_flag=True, is_eager=True, expose_value=False, callback=_print_rules, help="List every rule and its settings.")
@common_options
def filter_command(
    posts: Path,
    out: Path | None,
    recipe: Path | None,
    changes: tuple[str, ...],
    dry_run: bool,
    tried: tuple[str, ...],
    explain: str | None,
    explain_threshold: bool,
    as_json: bool,
    quiet: bool,
) -> Any:
    """Judge posts: what to learn, what to drop, and why.

    Every post is judged as a reply to learn (target) and as a turn before one (context). All rules apply with their defaults unless a
    recipe or --set says otherwise; --rules lists them. What is kept and dropped is shown in report.html, with examples for each rule.

    \b
    Examples:
      lorum filter posts --out judged --set min_score=5
      lorum filter posts --try toxicity.toxicity=0.7
      lorum filter posts --explain-threshold
      lorum filter judged --explain t1_abc123
    """
    modes = {"--out": out, "--dry-run": dry_run, "--try": tried, "--explain": explain, "--explain-threshold": explain_threshold}
    named = [name for name, value in modes.items() if value]
    if len(named) != 1:
        raise click.UsageError(f"Give one of {', '.join(modes)}{f', not {named[0]} and {named[1]}' if named else ''}.")
    from curate.manifest import stage_of
    from filters.catalogue import build_filter
    from formats.errors import UserError
    from train.cache import cache_folder

    if (recipe or changes) and (explain or explain_threshold) and stage_of(posts) == "judged":
        raise UserError(f"{posts}: holds judged posts, which are explained by what judged them; leave --recipe and --set out")
    settings, scores = _settings(recipe, changes), cache_folder() / "scores"
    chosen = build_filter(settings)
    with Reporter(quiet) as progress:
        if explain:
            return _explain(posts, explain, chosen, scores, progress, as_json)
        if explain_threshold:
            return _explain_threshold(posts, chosen, scores, progress, as_json)
        if tried:
            changed = build_filter(_settings(recipe, changes, tried))
            return _try(posts, chosen, changed, tried, scores, progress, as_json)
        return _judge(posts, out, chosen, scores, progress, as_json)


def _settings(recipe: Path | None, changes: Sequence[str], tried: Sequence[str] = ()) -> dict[str, Any]:
    from curate.recipe import Recipe
    from curate.settings import set_value

    settings: dict[str, Any] = dict(Recipe.read(recipe).filter) if recipe else {}
    for change in changes:
        set_value(settings, change)
    for change in tried:
        set_value(settings, change, "--try")
    return settings


def _judge(posts: Path, out: Path | None, chosen: "Filter", scores: Path, progress: Reporter, as_json: bool) -> dict[str, Any]:
    from curate.judging.judge import judge_posts, try_filter
    from curate.report import verdict_lines

    if out:
        funnel = judge_posts(posts, out.resolve(), chosen, scores, progress, page=True)
    else:
        funnel = try_filter(posts, chosen, scores, progress=progress)
    if not as_json:
        tell("\n".join(verdict_lines(funnel)))
    return funnel.to_dict()


def _explain(posts: Path, post_id: str, chosen: "Filter", scores: Path, progress: Reporter, as_json: bool) -> dict[str, Any]:
    from curate.judging.explain import explain
    from curate.judging.lines import explanation_lines
    from formats.errors import UserError

    post = explain(posts, post_id, chosen, scores, progress)
    if post is None:
        raise UserError(f"{posts}: holds no post {post_id}; ids have their prefix, as in t1_abc123")
    if not as_json:
        tell("\n".join(explanation_lines(post)))
    return post


def _try(
    posts: Path, chosen: "Filter", changed: "Filter", tried: Sequence[str], scores: Path, progress: Reporter, as_json: bool
) -> dict[str, Any]:
    from curate.judging.lines import trial_lines
    from curate.judging.trial import try_change

    trial = try_change(posts, chosen, changed, scores, progress)
    if not as_json:
        tell("\n".join(trial_lines(trial, tried)))
    return trial.to_dict()


def _explain_threshold(posts: Path, chosen: "Filter", scores: Path, progress: Reporter, as_json: bool) -> dict[str, Any]:
    from curate.judging.explain import chosen_by
    from curate.judging.lines import threshold_lines
    from curate.judging.thresholds import explain_thresholds
    from curate.manifest import stage_of
    from filters.toxicity import Toxicity

    labels = explain_thresholds(posts, chosen, scores, progress)
    if not as_json:
        chosen = chosen_by(posts) if stage_of(posts) == "judged" else chosen
        now = next(rule.thresholds or {} for rule in chosen.rules if isinstance(rule, Toxicity))
        tell("\n".join(threshold_lines(labels, now)))
    return {"labels": labels}
