"""`gleann label-studio`: what people label in Label Studio."""

import click

from gleann.service.cli import options
from gleann.service.cli.groups import Entry, SectionedGroup

SECTIONS = {
    "Commands": {
        "tasks": Entry("tasks", "Write items to label as tasks of Label Studio."),
        "labels": Entry("labels", "Read the labels of an export of Label Studio."),
    },
}


@click.group(
    "label-studio",
    cls=SectionedGroup,
    package=__package__,
    sections=SECTIONS,
    short_help="Hand items to Label Studio, and take their labels back.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann label-studio tasks batch.parquet --items items.parquet --classes"
        " cat,dog --out tasks.json --config studio.xml",
        "gleann label-studio labels export.json --positive cat --after seed.csv --out"
        " all.csv",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Hand items to Label Studio, and take their labels back.

    Nothing of Label Studio is needed here, and no server is called: tasks are a file
    that a project imports, and labels are read of a file that it exported.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
