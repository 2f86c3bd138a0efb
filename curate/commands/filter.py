"""lorum filter."""

from pathlib import Path
from typing import Any

import click

from curate.console import Reporter, common_options


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
@click.option("--explain", metavar="ID", help="Say why a post of the folder POSTS (already judged) was kept or dropped.")
@common_options
def filter_command(
    posts: Path, out: Path | None, recipe: Path | None, changes: tuple[str, ...], explain: str | None, as_json: bool, quiet: bool
) -> dict[str, Any]:
    """Judge posts: what to learn, what to drop, and why.

    Every post is judged as a reply to learn (target) and as a turn before one (context). All rules apply with their defaults unless a
    recipe or --set says otherwise.

    \b
    Examples:
      lorum filter posts --out judged --set min_score=5
      lorum filter judged --explain t1_abc123
    """
    from curate.recipe import Recipe, set_value
    from curate.report import funnel_table, print_table
    from filters.catalogue import build_rules

    if explain:
        return _explain(posts, explain, as_json)
    if out is None:
        raise click.UsageError("Missing option '--out' (or --explain ID).")
    settings: dict[str, Any] = dict(Recipe.read(recipe).filter) if recipe else {}
    for change in changes:
        set_value(settings, change)
    from curate.judge import judge_posts
    from train.cache import cache_folder

    with Reporter(quiet) as progress:
        funnel = judge_posts(posts, out, build_rules(settings), cache_folder() / "scores", progress)
    if not as_json:
        print_table(funnel_table(funnel))
    return funnel.to_dict()


def _explain(judged: Path, post_id: str, as_json: bool) -> dict[str, Any]:
    from curate.judge import explain
    from formats.errors import UserError

    post = explain(judged, post_id)
    if post is None:
        raise UserError(f"{judged}: holds no post {post_id}; ids have their prefix, as in t1_abc123")
    if "target_reason" not in post:
        raise UserError(f"{judged}: holds posts that were not judged; give the folder that `lorum filter` wrote")
    if not as_json:
        for side in ("target", "context"):
            reason = post[f"{side}_reason"]
            click.echo(f"{post_id} as {side}: {'kept' if reason is None else f'dropped by {reason}'}")
        click.echo(f"{post['author'] or '(no author)'}, score {post['score']}, {post['source_file']} row {post['source_row']}")
        click.echo(post["text"])
    return post
