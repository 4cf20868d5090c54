"""`gleann cluster`: what does not fit one machine."""

import click

from gleann.service.cli import options
from gleann.service.cli.groups import Entry, SectionedGroup

SECTIONS = {
    "Commands": {
        "build": Entry("build", "Build an index in shards from files of vectors."),
        "search": Entry("search", "Search an index in shards that a cluster holds."),
        "select": Entry("select", "Choose items of an index in shards."),
        "curate": Entry("curate", "Clean the items of an index in shards."),
        "estimate": Entry(
            "estimate", "Estimate a count, mean or sum over an index in shards."
        ),
    },
}


@click.group(
    "cluster",
    cls=SectionedGroup,
    package=__package__,
    sections=SECTIONS,
    short_help="Build on several machines what does not fit one.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann cluster build pages/ pages.shards --shards 4",
        "gleann cluster build s3://bucket/pages /mnt/all/pages --shards 64"
        " --address auto",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Build on several machines what does not fit one.

    Ray carries out the work: pip install 'ray[data]'. Without --address it runs
    on this machine for as long as the command does. All machines see OUT under one
    path.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
