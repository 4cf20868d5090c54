"""`gleann estimate-groups`: an estimate for each of several groups from few labels.

Works like `gleann estimate`: with --state a run continues from the saved session, else
it replays the session from its seed and the answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.selection import (
    DisjointGroupsSession,
    Estimate,
    EstimateParams,
    OverlappingGroupsSession,
)
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.estimate.labels.answers import Oracle
from gleann.selection.estimate.stratified.allocate import (
    TargetName,
    statistic_of,
)
from gleann.selection.estimate.stratified.strata import STRATA_CUTS
from gleann.service.cli import options, reports
from gleann.service.cli.estimate.estimate_options import question_options
from gleann.service.cli.estimate.estimate_report import groups_page
from gleann.service.cli.estimate.estimate_words import compared_lines, drawn_uniformly
from gleann.service.cli.estimate.group_answers import (
    read_group_answers,
    read_own_answers,
)
from gleann.service.cli.files import outputs
from gleann.service.cli.files.among import rows_among, said_of
from gleann.service.cli.files.answers import LabelsNeeded, ask_for
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.proxies import read_proxies
from gleann.service.cli.files.saved_state import State
from gleann.service.cli.files.session_file import SessionFile
from gleann.service.cli.labelling import json_file, require_outputs, session_options
from gleann.service.cli.say import say
from gleann.service.report.asked import Asked

Proxies = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsJob(options.AmongOptions):
    """Parameters of `gleann estimate-groups`."""

    group: tuple[str, ...]
    overlapping: bool
    oracle_csv: Path
    target: TargetName
    budget: int
    strata: int
    strata_cut: str
    pilot_share: float
    confidence: float
    value_range: tuple[float, float] | None
    seed: int
    todo: Path
    out: Path
    state: Path | None
    resume: bool
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
        "gleann estimate-groups --group city=city.csv --group river=river.csv --payload"
        ' items.csv --where "lang = $1" --param en --oracle-csv answers.csv'
        " --budget 1500 --out counts.json",
    ),
)
@click.option(
    "--group",
    multiple=True,
    required=True,
    metavar="NAME=PATH",
    help="A group and the proxy of every item, whether it passes --where or not: .npy"
    " (n,), or parquet/csv with id, proxy. Repeat for each group.",
)
@click.option(
    "--overlapping",
    is_flag=True,
    help="An item may be in several groups: each group has its own question.",
)
@click.option(
    "--oracle-csv",
    type=options.PATH,
    required=True,
    help="The answers: id, group (empty for none) and, for avg and sum, value. With"
    " --overlapping id, group, positive or label (0 or 1), and value.",
)
@question_options(
    budget="Labels to spend, on all groups.", todo="id, with --overlapping also group"
)
@click.option(
    "--strata-cut",
    type=click.Choice(tuple(STRATA_CUTS)),
    default="sqrt_mass",
    show_default=True,
    help="Rule for strata bounds; geometric for proxies that only rank.",
)
@click.option(
    "--pilot-share",
    default=0.5,
    show_default=True,
    help="Budget share of the even first round, before groups share the rest.",
)
@options.out_option("estimates.json")
@session_options
@options.report_option
@options.overwrite_option
@options.takes(GroupsJob)
def command(job: GroupsJob) -> None:
    """Estimate a number for each group, with an interval, from shared labels.

    The labels are allocated to reduce the largest error of any group. When the answers
    lack a drawn item, it is written to the --todo file and the command exits with code
    3. Label the items, add the answers to the file and run it again. The same seed
    draws the same items.
    """
    paths = _paths(job.group)
    require_outputs(
        json_file(job.out),
        job.todo,
        job.state,
        pages=reports.pages_of(job, own=None),
        inputs=(*paths.values(), job.oracle_csv, job.payload),
        overwrite=job.overwrite,
    )
    file = SessionFile(job.state, resume=job.resume, overwrite=job.overwrite)
    record = JobRecord("estimate-groups", job)
    with record.timed("estimate"):
        names, proxies = read_proxies(paths)
        items = reports.open_items(job, names, own=None)
        read = _own_oracles if job.overlapping else _naming_oracle
        own = next(iter(paths.values()))
        population = partial(rows_among, job, record, names, own=own)
        made, oracles, among = read(job, names, proxies, file, population)
    for path in (*paths.values(), job.oracle_csv):
        record.add_file(path)
    uniform = {
        name: drawn_uniformly(
            oracles[name], names, _params(job, budget=one.labels_used), among
        )
        for name, one in made.items()
    }
    results = {
        "estimates": {name: asdict(one) for name, one in made.items()},
        "uniform": {
            name: None if one is None else asdict(one) for name, one in uniform.items()
        },
    }
    with outputs.staged() as files:
        files.add_json(job.out, results)
        record.add_to(files, job.out, results)
    if among is not None:
        say(f"over {said_of(among, len(names))}")
    _say(job, made, uniform)
    if items is not None:
        asked = Asked.of(record.contents(job.out, results))
        names = names if among is None else among.names_of(names)
        reports.write(items, groups_page(job, names, made, uniform, asked))


def _say(
    job: GroupsJob, made: Mapping[str, Estimate], uniform: Mapping[str, Estimate | None]
) -> None:
    for name, one in made.items():
        for line in compared_lines(f"{name}: {job.target}", one, uniform[name]):
            say(line)


def _paths(groups: tuple[str, ...]) -> dict[str, Path]:
    """Proxy paths by group name.

    Raises:
        InvalidInputError: not NAME=PATH, or a repeated name.
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


def _params(job: GroupsJob, *, budget: int | None = None) -> EstimateParams:
    """Parameters of the estimates; of another budget for one group alone."""
    return EstimateParams(
        target=job.target,
        budget=job.budget if budget is None else budget,
        strata=job.strata,
        strata_cut=job.strata_cut,
        pilot_share=job.pilot_share,
        confidence=job.confidence,
        value_range=job.value_range,
        seed=job.seed,
    )


def _naming_oracle(
    job: GroupsJob,
    names: IdMap,
    proxies: Proxies,
    file: SessionFile,
    population: Callable[[], Among | None],
) -> tuple[dict[str, Estimate], dict[str, Oracle], Among | None]:
    """Disjoint groups, one answer names the group: estimates and group oracles."""
    answers = read_group_answers(
        job.oracle_csv,
        names,
        tuple(proxies),
        with_values=statistic_of(job.target) != "count",
    )

    def resume(state: State) -> DisjointGroupsSession:
        session = DisjointGroupsSession.resume(state, proxies, ids=names.held)
        rows = session.labelled_rows
        ids = names.ids_of(rows[answers.known[rows]])
        session.submit(ids, *answers.ask(ids))
        return session

    params = _params(job)
    session = file.resumed(
        resume,
        lambda: DisjointGroupsSession.start(
            proxies, params, ids=names.held, among=population()
        ),
        params=params,
        condition=job.condition,
    )
    try:
        while len(batch := session.next_batch()):
            file.keep(session)
            session.submit(batch.ids, *answers.ask(batch.ids))
    except LabelsNeeded as needed:
        ask_for({"id": needed.ids}, job.todo, job.oracle_csv)
    file.keep(session)
    oracles = {name: answers.oracle(k) for k, name in enumerate(proxies)}
    return session.estimates(), oracles, session.among


def _own_oracles(
    job: GroupsJob,
    names: IdMap,
    proxies: Proxies,
    file: SessionFile,
    population: Callable[[], Among | None],
) -> tuple[dict[str, Estimate], dict[str, Oracle], Among | None]:
    """Overlapping groups, one question each; all pending ids are requested at once."""
    answers = read_own_answers(
        job.oracle_csv,
        names,
        tuple(proxies),
        with_values=statistic_of(job.target) != "count",
    )

    def resume(state: State) -> OverlappingGroupsSession:
        session = OverlappingGroupsSession.resume(state, proxies, ids=names.held)
        for name, own in answers.items():
            rows = session.labelled_rows(name)
            ids = names.ids_of(rows[own.known[rows]])
            session.submit(name, ids, *own.ask(ids))
        return session

    params = _params(job)
    session = file.resumed(
        resume,
        lambda: OverlappingGroupsSession.start(
            proxies, params, ids=names.held, among=population()
        ),
        params=params,
        condition=job.condition,
    )
    while batches := session.next_batches():
        file.keep(session)
        missing = {}
        for name, batch in batches.items():
            try:
                session.submit(name, batch.ids, *answers[name].ask(batch.ids))
            except LabelsNeeded as needed:
                missing[name] = needed.ids
        file.keep(session)
        if missing:
            ask_for(_columns(missing), job.todo, job.oracle_csv)
    oracles: dict[str, Oracle] = {name: own.ask for name, own in answers.items()}
    return session.estimates(), oracles, session.among


def _columns(
    missing: Mapping[str, NDArray[np.generic]],
) -> dict[str, NDArray[np.generic]]:
    return {
        "id": np.concatenate(list(missing.values())),
        "group": np.repeat(list(missing), [len(ids) for ids in missing.values()]),
    }
