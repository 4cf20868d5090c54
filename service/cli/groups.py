"""Groups of commands that suggest the nearest name for a mistyped one."""

from collections.abc import Sequence
from difflib import get_close_matches

import click


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


def suggestion(name: str, known: Sequence[str]) -> str:
    """The known names nearest to `name`, as the end of a message; "" if none is."""
    near = get_close_matches(name, known, n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""
