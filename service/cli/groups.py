"""Groups of commands: suggestions for a mistyped name, and sections of a help text."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click

from gleann.service.cli.interrupts import leaving_on_interrupt


class SuggestingGroup(click.Group):
    """A group whose error for an unknown command names the nearest known ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begins with.

        Raises:
            UsageError: no such command.
        """
        name = args[0]
        option = name.startswith("-")
        if (
            not ctx.resilient_parsing
            and not option
            and self.get_command(ctx, name) is None
        ):
            raise click.UsageError(self.unknown(name, ctx), ctx)
        return super().resolve_command(ctx, args)

    def unknown(self, name: str, ctx: click.Context) -> str:
        """What is said of an unknown command."""
        return f"no command {name!r}{suggestion(name, self.list_commands(ctx))}"


class Entry(NamedTuple):
    """A command that loads on first use.

    Attributes:
        module: whose attribute `command` it is, below the package of the group.
        summary: the line of the group's help text, the short help of the command.
    """

    module: str
    summary: str


class SectionedGroup(SuggestingGroup):
    """A group whose help text has sections, in the order of the work.

    No command is loaded for the help text, so that it stays quick.

    Args:
        package: of the modules of the commands.
        sections: the commands by name, by the title of their section.
        others: of `click.Group`.
    """

    def __init__(
        self,
        *,
        package: str,
        sections: Mapping[str, Mapping[str, Entry]],
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self._package = package
        self.sections = sections
        self._entries = {
            name: entry for part in sections.values() for name, entry in part.items()
        }

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Command names in the order of the sections."""
        return list(self._entries)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Load one command from its module."""
        if name not in self._entries:
            return None
        with leaving_on_interrupt():
            module = import_module(f"{self._package}.{self._entries[name].module}")
        command: click.Command = module.command
        return command

    def format_commands(
        self, _ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write a list of commands for each section."""
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, entry.summary) for name, entry in commands.items()]
                )


def suggestion(name: str, known: Sequence[str]) -> str:
    """The known names nearest to `name`, as the end of a message; "" if none is."""
    near = get_close_matches(name, known, n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""
