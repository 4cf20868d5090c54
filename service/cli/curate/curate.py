"""`gleann curate`: curate training data with an index."""

import click

from gleann.service.cli.curate.training import negatives, plan, target
from gleann.service.cli.groups import SuggestingGroup


@click.group(
    "curate",
    cls=SuggestingGroup,
    short_help="Curate training data.",
    invoke_without_command=True,
)
@click.pass_context
def command(context: click.Context) -> None:
    """Curate training data with an index."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for one in (negatives.command, plan.command, target.command):
    command.add_command(one)
