"""`gleann curate`: clean, split and order training data with an index."""

from importlib import import_module

import click

from gleann.service.cli.groups import SuggestingGroup
from gleann.service.cli.interrupts import leaving_on_interrupt

COMMANDS: dict[str, str] = {
    "acceptance": "sampled.acceptance",
    "means": "sampled.means",
    "promise": "sampled.promise",
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
)
@click.pass_context
def command(context: click.Context) -> None:
    """Curate the training data of an index or of a file of vectors."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
