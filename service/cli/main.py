"""Run a subcommand; report an error as one line and an exit code.

Exit codes: 0 success, 1 gleann error (one line with the reason), 2 wrong usage, 3
labels are still needed (`estimate`, `estimate-groups`, `curate promise`, `acceptance`
and `means`), 130 interrupted, 141 the reader of the output left.
"""

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from gleann.service.cli.interrupts import INTERRUPTED, leaving_on_interrupt

with leaving_on_interrupt():
    import click
    from click.shell_completion import shell_complete

    import gleann
    from gleann.index.errors import GleannError
    from gleann.service.cli.completion import VARIABLE
    from gleann.service.cli.groups import SuggestingGroup
    from gleann.service.cli.options import examples
    from gleann.service.cli.say import echo_json

BROKEN_PIPE = 141
"""As shells report a process that SIGPIPE ended."""

COMMANDS = {
    "serve": "serve",
    "keys": "keys",
    "status": "collections.status",
    "top": "collections.top",
    "health": "collections.health",
    "index": "collections.index",
    "rows": "collections.rows",
    "snapshot": "collections.snapshot",
    "restore": "collections.restore",
    "jobs": "jobs.jobs",
    "build": "build",
    "search": "search",
    "graph": "graph",
    "curate": "curate.curate",
    "select": "select.select",
    "plan-labels": "estimate.plan_labels",
    "estimate": "estimate.estimate",
    "estimate-groups": "estimate.estimate_groups",
    "demo": "demo",
    "doctor": "doctor.doctor",
    "verify": "doctor.verify",
    "completion": "completion",
}
"""The module of each command, in the order one meets them."""


class CommandGroup(SuggestingGroup):
    """A group whose commands load on first use, so that `--help` stays quick."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Command names in the usual order of use."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command from its module."""
        if cmd_name not in COMMANDS:
            return None
        with leaving_on_interrupt():
            module = import_module(f"gleann.service.cli.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command

    def unknown(self, name: str, ctx: click.Context) -> str:
        """What is said of an unknown command, which may be one of `select`."""
        select = self.get_command(ctx, "select")
        assert isinstance(select, click.Group)
        if select.get_command(ctx, name) is not None:
            return f"no command {name!r}; did you mean select {name}?"
        return super().unknown(name, ctx)


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    epilog=examples(
        "gleann doctor",
        "gleann build vectors.npy words.gleann",
        "gleann search words.gleann queries.npy --k 10 --out found.parquet",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(gleann.__version__, prog_name="gleann")
@click.pass_context
def cli(context: click.Context) -> None:
    """Search vectors fast, and choose training data well."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
    else:
        # Imported here: it loads NumPy, which `--help` does not need.
        with leaving_on_interrupt():
            from gleann.index.parallel.cores import limit_blas

        limit_blas()


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        with cli.make_context("gleann", list(arguments)) as context:
            try:
                cli.invoke(context)
            except click.exceptions.Exit:
                echo_json(context)
                raise
            echo_json(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _fail(_one_line(error), code=2)
    except (GleannError, MemoryError) as error:
        memory = "not enough memory: " if isinstance(error, MemoryError) else ""
        return _fail(f"{memory}{error}", code=1)
    except OSError as error:  # mostly of stdout: files have errors of their own
        return _not_printed(error)
    except (KeyboardInterrupt, click.Abort):
        click.echo("gleann: interrupted", err=True)
        return INTERRUPTED
    return 0


def main() -> None:
    """Entry point of the `gleann` script."""
    _escape_what_streams_cannot_encode()
    if instruction := os.environ.get(VARIABLE):
        sys.exit(shell_complete(cli, {}, "gleann", VARIABLE, instruction))
    sys.exit(run(sys.argv[1:]))


def _not_printed(error: OSError) -> int:
    """Exit code where stdout failed; the rest of the result is dropped."""
    # Python would try again to print it when it ends.
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  until we end
    if isinstance(error, BrokenPipeError):  # the reader left, as `head` does
        return BROKEN_PIPE
    if error.filename is not None:
        return _fail(f"{error.filename}: {error.strerror}", code=1)
    return _fail(f"the result cannot be printed: {error}", code=1)


def _escape_what_streams_cannot_encode() -> None:
    """Print paths that the terminal cannot show, rather than fail after the work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str, *, code: int) -> int:
    click.echo(f"gleann: error: {' '.join(message.split())}", err=True)
    return code


def _one_line(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f" (see {context.command_path} --help)" if context else ""
    return error.format_message() + hint
