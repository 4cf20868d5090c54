"""`gleann cluster curate`: clean the items of an index in shards."""

import click

from gleann.service.cli import options
from gleann.service.cli.cluster.duplicates import command as duplicates
from gleann.service.cli.groups import SuggestingGroup


@click.group(
    "curate",
    cls=SuggestingGroup,
    short_help="Clean the items of an index in shards.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann cluster curate duplicates pages.shards --similarity 0.95 --out"
        " found.parquet",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Clean the items of an index in shards, whose vectors stay where they are.

    duplicates: find near-duplicates, and which rows stay.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


command.add_command(duplicates)
