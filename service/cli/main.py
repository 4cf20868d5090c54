"""Run a subcommand; report an error as one line and an exit code.

`gleann.service.cli.exit_codes` has the meanings of these.
"""

import io
import os
import sys
from collections.abc import Sequence

from gleann.service.cli.exit_codes import BROKEN_PIPE, FAILED, INTERRUPTED, USAGE
from gleann.service.cli.interrupts import leaving_on_interrupt
from gleann.service.cli.lacking import leaving_without_packages

with leaving_on_interrupt(), leaving_without_packages():
    import click
    from click.shell_completion import shell_complete

    import gleann
    from gleann._needed import needing
    from gleann.index.errors import GleannError
    from gleann.service.cli.completion import VARIABLE
    from gleann.service.cli.groups import Entry, SectionedGroup
    from gleann.service.cli.options import examples, exit_codes
    from gleann.service.cli.say import echo_json

SECTIONS = {
    "Build and search": {
        "build": Entry("build", "Build an index from a file of vectors."),
        "search": Entry("search", "Find the nearest neighbours of many queries."),
        "graph": Entry(
            "graph", "Find the nearest neighbours of every row of an index."
        ),
    },
    "Clean, choose and estimate": {
        "curate": Entry("curate.curate", "Clean, split and order training data."),
        "select": Entry("select.select", "Choose items to label or to train on."),
        "label-studio": Entry(
            "label_studio.label_studio",
            "Hand items to Label Studio, and take their labels back.",
        ),
        "plan-labels": Entry(
            "estimate.plan_labels",
            "Say how many labels an interval of some width will take.",
        ),
        "estimate": Entry(
            "estimate.estimate", "Estimate a count, mean or sum from few labels (ABae)."
        ),
        "estimate-groups": Entry(
            "estimate.estimate_groups",
            "Estimate a number for each of several groups (ABae group-by).",
        ),
    },
    "Work on several machines": {
        "cluster": Entry(
            "cluster.cluster", "Build on several machines what does not fit one."
        ),
    },
    "Serve": {
        "serve": Entry("serve", "Serve a data directory over gRPC."),
        "keys": Entry("keys", "Make, list, rotate and revoke API keys of a server."),
        "health": Entry(
            "collections.health",
            "Tell whether a server serves; for probes and scripts.",
        ),
        "status": Entry(
            "collections.status", "Show what a server does: queues, memory, indexes."
        ),
        "top": Entry(
            "collections.top", "Watch rates, queues, jobs and memory of a server."
        ),
    },
    "Work on what is served": {
        "index": Entry(
            "collections.index", "List, make, fill, compact and delete served indexes."
        ),
        "rows": Entry(
            "collections.rows", "Read, store, count and remove rows of a served index."
        ),
        "snapshot": Entry(
            "collections.snapshot",
            "Keep whole states of indexes, and move them to other machines.",
        ),
        "restore": Entry("collections.restore", "Make a new index of a snapshot."),
        "jobs": Entry(
            "jobs.jobs", "List, watch, pause, resume, retry and cancel long work."
        ),
    },
    "See whether all is well": {
        "doctor": Entry(
            "doctor.doctor", "Report the engine in use, why, and what can be fixed."
        ),
        "verify": Entry(
            "doctor.verify",
            "Compare all files of an index, a snapshot or a data directory.",
        ),
        "demo": Entry(
            "demo",
            "Run the whole workflow on real data and write a report with charts.",
        ),
        "completion": Entry("completion", "Print the completion script of a shell."),
    },
}
"""The commands by what they are for, in the order of the work."""

COMMANDS = tuple(name for part in SECTIONS.values() for name in part)
"""Names of all commands."""


class CommandGroup(SectionedGroup):
    """The group of all commands."""

    def unknown(self, name: str, ctx: click.Context) -> str:
        """What is said of an unknown command, which may be one of `select`."""
        select = self.get_command(ctx, "select")
        assert isinstance(select, click.Group)
        if select.get_command(ctx, name) is not None:
            return f"no command {name!r}; did you mean select {name}?"
        return super().unknown(name, ctx)


@click.group(
    cls=CommandGroup,
    package=__package__,
    sections=SECTIONS,
    invoke_without_command=True,
    epilog=examples(
        "gleann doctor",
        "gleann build vectors.npy words.gleann",
        "gleann search words.gleann queries.npy --k 10 --out found.parquet",
    )
    + "\n\n"
    + exit_codes(),
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
    words = " ".join(["gleann", *arguments[:1]])
    try:
        with needing(words), cli.make_context("gleann", list(arguments)) as context:
            try:
                cli.invoke(context)
            except click.exceptions.Exit:
                echo_json(context)
                raise
            echo_json(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _fail(_one_line(error), code=USAGE)
    except (GleannError, MemoryError) as error:
        memory = "not enough memory: " if isinstance(error, MemoryError) else ""
        return _fail(f"{memory}{error}", code=FAILED)
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
        with leaving_without_packages():
            sys.exit(shell_complete(cli, {}, "gleann", VARIABLE, instruction))
    sys.exit(run(sys.argv[1:]))


def _not_printed(error: OSError) -> int:
    """Exit code where stdout failed; the rest of the result is dropped."""
    # Python would try again to print it when it ends.
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  until we end
    if isinstance(error, BrokenPipeError):  # the reader left, as `head` does
        return BROKEN_PIPE
    if error.filename is not None:
        return _fail(f"{error.filename}: {error.strerror}", code=FAILED)
    return _fail(f"the result cannot be printed: {error}", code=FAILED)


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
