"""`gleann cluster estimate`: estimate a number over an index in shards."""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from gleann.index.shards.manifest import MANIFEST
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.estimate.in_shards import ProxyInShards, proxy_in_shards
from gleann.service.cli import options
from gleann.service.cli.cluster.among import among_of
from gleann.service.cli.cluster.placed import placed, placed_options
from gleann.service.cli.estimate.estimate import label_rounds, write_estimate
from gleann.service.cli.estimate.estimate_job import EstimateJob, params_of
from gleann.service.cli.estimate.estimate_options import (
    question_options,
    round_options,
)
from gleann.service.cli.estimate.start_session import (
    Run,
    Started,
    answers_of,
    of_proxy,
)
from gleann.service.cli.files.answers import LabelsNeeded, ask_for
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.session_file import SessionFile
from gleann.service.cli.labelling import json_file, require_outputs, session_options
from gleann.service.cli.progress import progress_bars


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterEstimateJob(EstimateJob):
    """Parameters of `gleann cluster estimate`; those of other sources are unset."""

    shards: Path
    proxy_column: str
    workers: int | None
    address: str | None
    proxy: tuple[Path, ...] = ()
    index: Path | None = None
    labelled: Path | None = None
    representatives: int | None = None


@click.command(
    "estimate",
    short_help="Estimate a count, mean or sum over an index in shards.",
    epilog=options.examples(
        "gleann cluster estimate pages.shards --proxy-column score --oracle-csv"
        " answers.csv --budget 1000 --todo todo.csv --out share.json",
        "gleann cluster estimate /mnt/all/pages --proxy-column score --where"
        " \"lang = 'en'\" --oracle-csv answers.csv --budget 500 --state s.json"
        " --address auto --out share.json",
    ),
)
@placed_options("estimate.json")
@click.option(
    "--proxy-column",
    metavar="COLUMN",
    required=True,
    help="Payload column with the proxy score of every item.",
)
@click.option(
    "--oracle-csv",
    type=options.PATH,
    required=True,
    help="The answers: id, positive or label (0 or 1) and, for avg and sum, value.",
)
@question_options(budget="Labels to spend.", todo="id", among=options.filter_options)
@round_options
@session_options
@options.takes(ClusterEstimateJob)
def command(job: ClusterEstimateJob) -> None:
    """Estimate a number over all items of INDEX, with an interval, from few labels.

    Works as `gleann estimate --proxy`; the same seed draws the same items for any
    number of shards, as strata and draws go by proxy and id. When the answers lack a
    drawn item, its id is written to the --todo file and the command exits with code 3.
    """
    require_outputs(
        json_file(job.out),
        job.todo,
        job.state,
        pages=[],
        inputs=(job.shards, job.oracle_csv),
        overwrite=job.overwrite,
    )
    file = SessionFile(job.state, resume=job.resume, overwrite=job.overwrite)
    record = JobRecord("cluster estimate", job)
    with record.timed("read"), placed(job) as places:
        record.add_file(job.shards / MANIFEST)  # it has the checksums of all shards
        read = proxy_in_shards(places, job.proxy_column)
        among = _placed(among_of(places, job.condition), read)
    try:
        with progress_bars(wanted=job.progress) as report, record.timed("estimate"):
            run = Run(job=job, record=record, file=file, report=report)
            started = _started(job, read, among, run)
            label_rounds(started, file)
            made = started.session.estimate()
    except LabelsNeeded as needed:
        ask_for({"id": needed.ids}, job.todo, job.oracle_csv)
    write_estimate(job, started, made, record)


def _started(
    job: ClusterEstimateJob, read: ProxyInShards, among: Among | None, run: Run
) -> Started:
    answers = answers_of(job, IdMap(read.ids, n=len(read)))
    session = of_proxy(read.proxy, params_of(job), answers, run, among=lambda: among)
    if job.oracle_csv.exists():
        run.record.add_file(job.oracle_csv)
    return Started(session=session, answers=answers)


def _placed(among: Among | None, read: ProxyInShards) -> Among | None:
    """The same items, in the order of the proxy."""
    if among is None:
        return None
    return replace(among, rows=np.flatnonzero(read.placed(among.mask)))
