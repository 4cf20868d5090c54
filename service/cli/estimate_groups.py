"""`gleann estimate-groups`: a number for each of several groups from few labels.

As `gleann estimate`, whose ways it shares: a run replays the session from its seed and
the answers.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.selection import (
    ClassesSession,
    Estimate,
    EstimateParams,
    GroupsSession,
    run_classes,
)
from gleann.selection.checks import IdMap
from gleann.selection.estimate.allocate import Target
from gleann.selection.estimate.strata import STRATA_CUTS
from gleann.service.cli import options, outputs
from gleann.service.cli.answers import LabelsNeeded, ask_for
from gleann.service.cli.estimate_words import rivals, sentence
from gleann.service.cli.group_answers import read_group_answers, read_own_answers
from gleann.service.cli.manifest import JobRecord, manifest_path
from gleann.service.cli.proxies import read_proxies

Proxies = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsJob:
    """What `gleann estimate-groups` was asked."""

    group: tuple[str, ...]
    overlapping: bool
    oracle_csv: Path
    target: Target
    budget: int
    strata: int
    strata_cut: str
    pilot_share: float
    confidence: float
    seed: int
    todo: Path
    out: Path
    overwrite: bool


@click.command(
    "estimate-groups",
    short_help="Estimate a number for each of several groups (ABae group-by).",
    epilog=options.examples(
        "gleann estimate-groups --group city=city.npy --group river=river.npy"
        " --oracle-csv answers.csv --budget 1500 --todo todo.csv --out counts.json",
        "gleann estimate-groups --group spam=spam.csv --group toxic=toxic.csv"
        " --overlapping --oracle-csv answers.csv --target avg --budget 2000"
        " --todo todo.csv --out means.json",
    ),
)
@click.option(
    "--group",
    multiple=True,
    required=True,
    metavar="NAME=PATH",
    help="A group and its proxy: .npy (n,), or parquet/csv with id, proxy. Give one a"
    " group.",
)
@click.option(
    "--overlapping",
    is_flag=True,
    help="An item may be in several groups: each group asks a question of its own.",
)
@click.option(
    "--oracle-csv",
    type=options.PATH,
    required=True,
    help="The answers: id, group (empty for none) and, for avg and sum, value. With"
    " --overlapping id, group, positive or label (0 or 1), and value.",
)
@click.option(
    "--target",
    type=click.Choice(get_args(Target)),
    default="count",
    show_default=True,
    help="Count a group's items, or average or sum the values over them.",
)
@click.option("--budget", type=int, required=True, help="Labels to spend on all.")
@click.option("--strata", default=5, show_default=True, help="Strata by each proxy.")
@click.option(
    "--strata-cut",
    type=click.Choice(tuple(STRATA_CUTS)),
    default="sqrt_mass",
    show_default=True,
    help="Where strata end; geometric for proxies that only rank.",
)
@click.option(
    "--pilot-share",
    default=0.5,
    show_default=True,
    help="Share of the budget spent evenly first, before the groups share the rest.",
)
@click.option("--confidence", default=0.95, show_default=True, help="Of each interval.")
@options.seed_option
@click.option(
    "--todo",
    type=options.PATH,
    default=Path("todo.csv"),
    show_default=True,
    help="Where what needs a label is written: id, with --overlapping also group;"
    " rewritten by every run.",
)
@options.out_option("estimates.json")
@options.overwrite_option
@options.takes(GroupsJob)
def command(job: GroupsJob) -> None:
    """Estimate a number for each group, with its interval, from shared labels.

    The labels go where the group that is estimated worst gains most. When the answers
    lack an item that is drawn, it is written to the file of --todo and the command ends
    with exit code 3; answer, add the answers to the file, and run it again. The same
    seed draws the same items.
    """
    outputs.refuse_existing(job.out, manifest_path(job.out), overwrite=job.overwrite)
    record = JobRecord("estimate-groups", job)
    paths = _paths(job.group)
    with record.timed("estimate"):
        names, proxies = read_proxies(paths)
        make = _by_own_oracles if job.overlapping else _by_naming_oracle
        made = make(job, names, proxies)
    for path in (*paths.values(), job.oracle_csv):
        record.add_file(path)
    results = {"estimates": {name: asdict(one) for name, one in made.items()}}
    outputs.write_json(job.out, results)
    record.write(job.out, results)
    for name, one in made.items():
        click.echo(sentence(f"{name}: {job.target} by ABae", one))
        if told := rivals(one):
            click.echo(told)


def _paths(groups: tuple[str, ...]) -> dict[str, Path]:
    """Proxies by the names of their groups.

    Raises:
        InvalidInputError: no NAME=PATH, or a name twice.
    """
    pairs = [group.partition("=") for group in groups]
    for group, (name, _, path) in zip(groups, pairs, strict=True):
        if not name.strip() or not path:
            raise InvalidInputError(f"--group must be NAME=PATH, got {group!r}")
    found = {name.strip(): Path(path) for name, _, path in pairs}
    if len(found) != len(pairs):
        raise InvalidInputError(
            f"{len(pairs)} groups need different names, got"
            f" {', '.join(name for name, _, _ in pairs)}"
        )
    return found


def _params(job: GroupsJob) -> EstimateParams:
    return EstimateParams(
        target=job.target,
        budget=job.budget,
        strata=job.strata,
        strata_cut=job.strata_cut,
        pilot_share=job.pilot_share,
        confidence=job.confidence,
        seed=job.seed,
    )


def _by_naming_oracle(
    job: GroupsJob, names: IdMap, proxies: Proxies
) -> dict[str, Estimate]:
    """Every answer names the item's group."""
    answers = read_group_answers(
        job.oracle_csv, names, tuple(proxies), with_values=job.target != "count"
    )
    session = ClassesSession.start(proxies, _params(job), ids=names.ids)
    try:
        return run_classes(session, answers.ask, chunk=job.budget)
    except LabelsNeeded as needed:
        ask_for({"id": needed.ids}, job.todo, job.oracle_csv)


def _by_own_oracles(
    job: GroupsJob, names: IdMap, proxies: Proxies
) -> dict[str, Estimate]:
    """Every group has a question of its own; what is asked is asked of all at once."""
    answers = read_own_answers(
        job.oracle_csv, names, tuple(proxies), with_values=job.target != "count"
    )
    session = GroupsSession.start(proxies, _params(job), ids=names.ids)
    while batches := session.next_batches():
        missing = {}
        for name, batch in batches.items():
            try:
                session.submit(name, batch.ids, *answers[name].ask(batch.ids))
            except LabelsNeeded as needed:
                missing[name] = needed.ids
        if missing:
            ask_for(_columns(missing), job.todo, job.oracle_csv)
    return session.estimates()


def _columns(
    missing: Mapping[str, NDArray[np.generic]],
) -> dict[str, NDArray[np.generic]]:
    return {
        "id": np.concatenate(list(missing.values())),
        "group": np.repeat(list(missing), [len(ids) for ids in missing.values()]),
    }
