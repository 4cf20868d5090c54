"""`gleann jobs`: list, watch, pause, resume, retry and cancel long work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from gleann.index.errors import NotReadyError
from gleann.service.cli import options
from gleann.service.cli.groups import SuggestingGroup
from gleann.service.cli.jobs.report import job_line, job_lines, job_values
from gleann.service.cli.place import Place, opened, place_options
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import result, say
from gleann.service.client.operation import Operation
from gleann.service.logs.formats import one_line

PREFIX = "operations/"
SERVER = "--server grpc://127.0.0.1:50051"

NAME = click.argument("name")


@click.group(
    "jobs",
    cls=SuggestingGroup,
    short_help="List, watch, pause, resume, retry and cancel long work.",
    invoke_without_command=True,
    epilog=options.examples(
        f"gleann jobs list {SERVER}",
        f"gleann jobs log operations/3f2a9c418d20aa17 {SERVER}",
        f"gleann jobs retry operations/3f2a9c418d20aa17 {SERVER}",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Work on the operations of a server or of a data directory.

    Operations are builds, compactions, imports, selections, curations and the work on
    snapshots.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedJob(Place):
    """Parameters of a command on one operation."""

    name: str

    @property
    def operation(self) -> str:
        """The name of the operation, also where its prefix was left out."""
        return self.name if self.name.startswith(PREFIX) else PREFIX + self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingJob(NamedJob):
    """Parameters of a command that may wait for an operation."""

    wait: bool
    progress: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJob(Place):
    """Parameters of `gleann jobs list`."""

    where: str | None


@command.command(
    "list",
    short_help="List operations, oldest first.",
    epilog=options.examples(
        "gleann jobs list --data library",
        f"gleann jobs list --where \"state = 'failed'\" {SERVER}",
        "gleann jobs list --where \"kind IN ('build', 'import') AND created >="
        f" '2026-11-28T00:00:00Z'\" {SERVER}",
    ),
)
@click.option(
    "--where",
    metavar="CONDITION",
    help="Condition as in SQL on state (queued, running, paused, done, failed,"
    " cancelled), kind, index, owner and created.",
)
@place_options
@options.takes(ListJob)
def list_command(job: ListJob) -> None:
    """List the operations that are kept, with progress and time left."""
    with opened(job) as client:
        found = client.jobs.list(job.where or "")
    for operation in found:
        say(job_line(operation))
    result(operations=[job_values(one, job) for one in found])


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowJob(NamedJob):
    """Parameters of `gleann jobs show`."""


@command.command(
    "show",
    short_help="Describe an operation.",
    epilog=options.examples(
        f"gleann jobs show operations/3f2a9c418d20aa17 {SERVER}",
        "gleann jobs show 3f2a9c418d20aa17 --data library --json",
    ),
)
@NAME
@place_options
@options.takes(ShowJob)
def show_command(job: ShowJob) -> None:
    """Describe the operation NAME: its state, times, error and command line."""
    with opened(job) as client:
        _describe(client.operations.get(job.operation), job)


def _describe(operation: Operation[Any], place: Place) -> None:
    for line in job_lines(operation, place):
        say(line)
    result(**job_values(operation, place))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogJob(NamedJob):
    """Parameters of `gleann jobs log`."""

    after: int


@command.command(
    "log",
    short_help="Print the log of an operation.",
    epilog=options.examples(f"gleann jobs log operations/3f2a9c418d20aa17 {SERVER}"),
)
@NAME
@click.option(
    "--after",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Only lines after this one, counted from 1.",
)
@place_options
@options.takes(LogJob)
def log_command(job: LogJob) -> None:
    """Print the latest lines of the log of the operation NAME; 200 are kept."""
    with opened(job) as client:
        log = client.jobs.log(job.operation, after=job.after)
    for line in log.lines:
        say(one_line(line))
    result(lines=list(log.lines), last=log.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseJob(NamedJob):
    """Parameters of `gleann jobs pause`."""


@command.command(
    "pause",
    short_help="Stop an operation until it is resumed.",
    epilog=options.examples(f"gleann jobs pause operations/3f2a9c418d20aa17 {SERVER}"),
)
@NAME
@place_options
@options.takes(PauseJob)
def pause_command(job: PauseJob) -> None:
    """Stop the operation NAME until it is resumed, also over restarts.

    One that runs stops at its next step.
    """
    with opened(job) as client:
        _describe(client.jobs.pause(job.operation), job)


def _waiting(function: Callable[..., None]) -> Callable[..., None]:
    """The arguments and options of `WaitingJob`."""
    wait = click.option(
        "--wait",
        is_flag=True,
        help="Wait for the end; with --data that is always so, as the work runs here.",
    )
    return NAME(wait(place_options(options.progress_option(function))))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeJob(WaitingJob):
    """Parameters of `gleann jobs resume`."""


@command.command(
    "resume",
    short_help="Queue an operation again that was paused.",
    epilog=options.examples(f"gleann jobs resume operations/3f2a9c418d20aa17 {SERVER}"),
)
@_waiting
@options.takes(ResumeJob)
def resume_command(job: ResumeJob) -> None:
    """Queue the operation NAME again, which was paused."""
    with opened(job) as client:
        _finish(client.jobs.resume(job.operation), job)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryJob(WaitingJob):
    """Parameters of `gleann jobs retry`."""


@command.command(
    "retry",
    short_help="Ask for the work of a failed operation again.",
    epilog=options.examples(
        f"gleann jobs retry operations/3f2a9c418d20aa17 {SERVER}",
        "gleann jobs retry 3f2a9c418d20aa17 --data library --progress",
    ),
)
@_waiting
@options.takes(RetryJob)
def retry_command(job: RetryJob) -> None:
    """Ask for the work of the operation NAME again, which failed or was cancelled."""
    with opened(job) as client:
        _finish(client.jobs.retry(job.operation), job)


def _finish(operation: Operation[Any], job: WaitingJob) -> None:
    """Describe an operation, at its end if that is waited for."""
    if job.wait or job.data is not None:
        with progress_bars(wanted=job.progress) as report:
            operation.wait(report)
    _describe(operation, job)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob(NamedJob):
    """Parameters of `gleann jobs cancel`."""


@command.command(
    "cancel",
    short_help="Stop an operation for good.",
    epilog=options.examples(f"gleann jobs cancel operations/3f2a9c418d20aa17 {SERVER}"),
)
@NAME
@place_options
@options.takes(CancelJob)
def cancel_command(job: CancelJob) -> None:
    """Stop the operation NAME for good; one that runs stops at its next step."""
    with opened(job) as client:
        client.operations.cancel(job.operation)
        _describe(client.operations.get(job.operation), job)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitJob(NamedJob):
    """Parameters of `gleann jobs wait`."""

    timeout: float | None
    progress: bool


@command.command(
    "wait",
    short_help="Wait for the end of an operation.",
    epilog=options.examples(
        f"gleann jobs wait operations/3f2a9c418d20aa17 --progress {SERVER}",
        f"gleann jobs wait 3f2a9c418d20aa17 --timeout 600 {SERVER}",
    ),
)
@NAME
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    help="Seconds to wait at most; no limit by default.",
)
@place_options
@options.progress_option
@options.takes(WaitJob)
def wait_command(job: WaitJob) -> None:
    """Wait for the end of the operation NAME; fails as it does."""
    with opened(job) as client, progress_bars(wanted=job.progress) as report:
        operation = client.operations.get(job.operation)
        try:
            operation.wait(report, job.timeout)
        except TimeoutError as error:
            raise NotReadyError(str(error)) from error
    _describe(operation, job)
