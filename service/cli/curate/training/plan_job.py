"""Parameters of `gleann curate plan`, and what it prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gleann.index.nouns import number_of
from gleann.index.params import Metric
from gleann.service.cli.curate.served.options import ServedOptions
from gleann.service.cli.say import say


class PartType(click.ParamType[tuple[int, int]]):
    """One of several equal parts, such as 2/4."""

    name = "I/N"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, int]:
        """Number of the part, from 1, and number of parts."""
        first, _, last = str(value).partition("/")
        if not (first.isdigit() and last.isdigit()):
            self.fail(f"{value!r} must be a part such as 2/4", param, ctx)
        part = int(first), int(last)
        if not 1 <= part[0] <= part[1]:
            self.fail(f"{value!r}: the part must be in 1..{part[1]}", param, ctx)
        return part


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanJob(ServedOptions):
    """Parameters of `gleann curate plan`."""

    source: Path
    out: Path
    fraction: float
    mode: str
    epoch: int
    epochs: int
    part: tuple[int, int]
    strata: str | None
    by_lists: bool
    vectors_column: str | None
    id_column: str | None
    metric: Metric | None
    seed: int
    overwrite: bool
    progress: bool


def part_of(part: tuple[int, int], count: int) -> tuple[int, int]:
    """First row of a part of `count` rows, and the row after its last."""
    number, parts = part
    return (number - 1) * count // parts, number * count // parts


def say_plan(
    job: PlanJob,
    counts: Sequence[int],
    *,
    room: str,
    seconds: float,
    epochs_a_pass: int,
) -> None:
    """Print which epochs are written.

    Args:
        job: of the command.
        counts: items of each epoch.
        room: how many items there are to choose from, in words.
        seconds: that it took.
        epochs_a_pass: epochs in which no item comes twice.
    """
    say(
        f"{job.out}: {_named(job)} of {room} by {job.mode}, {_counted(counts)} items in"
        f" {seconds:.2f} s"
    )
    if epochs_a_pass == 1:
        say("epochs are drawn independently: an item may come in several")
    else:
        say(f"no item comes twice in {number_of(epochs_a_pass, 'epochs')}, one pass")


def _named(job: PlanJob) -> str:
    last = job.epoch + job.epochs - 1
    some = f"epoch {job.epoch}" if job.epochs == 1 else f"epochs {job.epoch} to {last}"
    number, parts = job.part
    return some if parts == 1 else f"part {number} of {parts} of {some}"


def _counted(counts: Sequence[int]) -> str:
    return " or ".join(f"{count:,}" for count in sorted(set(counts)))
