"""`gleann curate`: clean, split and order training data with an index."""

from importlib import import_module

import click

from gleann.service.cli import options
from gleann.service.cli.groups import SuggestingGroup
from gleann.service.cli.interrupts import leaving_on_interrupt

COMMANDS = {
    "acceptance": "sampled.acceptance",
    "allocate": "labels.allocate",
    "audit": "audit",
    "duplicates": "similar.duplicates",
    "join": "similar.join",
    "leakage": "similar.leakage",
    "means": "sampled.means",
    "negatives": "training.negatives",
    "plan": "training.plan",
    "promise": "sampled.promise",
    "propagate": "labels.propagate",
    "rethreshold": "similar.rethreshold",
    "split": "similar.split",
    "target": "training.target",
}
"""The module of each command in this package; its attribute `command` is it."""


class _Curate(SuggestingGroup):
    """A group whose commands load on first use."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        with leaving_on_interrupt():
            module = import_module(f"{__package__}.{COMMANDS[name]}")
        command: click.Command = module.command
        return command


@click.group(
    "curate",
    cls=_Curate,
    short_help="Clean, split and order training data.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann curate duplicates words.gleann --similarity 0.95 --out found.parquet"
        " --report found.html",
        "gleann curate leakage items.gleann --splits items.csv:split --similarity 0.9"
        " --out leaked.csv",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Curate the training data of an index or of a file of vectors."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
