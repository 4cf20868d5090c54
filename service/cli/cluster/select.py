"""`gleann cluster select`: choose items of an index in shards."""

import click

from gleann.service.cli import options
from gleann.service.cli.cluster.coresets import (
    farthest_first_command,
    weighted_k_center_command,
)
from gleann.service.cli.groups import SuggestingGroup


@click.group(
    "select",
    cls=SuggestingGroup,
    short_help="Choose items of an index in shards.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann cluster select farthest-first pages.shards --k 500 --out picks.parquet",
        "gleann cluster select weighted-k-center pages.shards --k 500 --costs-column"
        " cost --out picks.parquet --address auto",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Choose items of an index in shards, whose vectors stay where they are.

    farthest-first: coverage alone; the items that one machine chooses.
    weighted-k-center: coverage and uncertainty, with a certificate.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for method in (farthest_first_command, weighted_k_center_command):
    command.add_command(method)
