"""`gleann cluster select`: choose items of an index in shards."""

import click

from gleann.service.cli import options
from gleann.service.cli.cluster.active import command as active
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
        "gleann cluster select active pages.shards --labels seed.csv --state"
        " session.json --out batch-1.parquet",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Choose items of an index in shards, whose vectors stay where they are.

    farthest-first: coverage alone; the items that one machine chooses.
    weighted-k-center: coverage and uncertainty, with a certificate.
    active: the most informative items to label next.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for method in (farthest_first_command, weighted_k_center_command, active):
    command.add_command(method)
