"""The job of `gleann select rounds`: start or resume, pick, save."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.params import Metric
from gleann.selection import Selection
from gleann.selection.rounds import PickerName, RoundsParams, RoundsSession
from gleann.service.cli import reports
from gleann.service.cli.files import columns, inputs, output_paths, outputs, sources
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.files.saved_state import read_state
from gleann.service.cli.files.tables import read_table
from gleann.service.cli.options import AmongOptions
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import say
from gleann.service.cli.select.batch_report import next_steps
from gleann.service.cli.select.rounds_report import Round, round_page
from gleann.service.report.asked import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsJob(AmongOptions):
    """Parameters of `gleann select rounds`."""

    source: Path
    labels: Path | None
    out: Path
    state: Path
    resume: bool
    picker: str
    batch: int
    weights: tuple[float, ...]
    diversity: float
    eps: float
    oversampling: float
    cluster_items: int
    regularisation: float
    class_weight: Literal["balanced"] | None
    ignore: Path | None
    seed: int
    vectors_column: str | None
    id_column: str | None
    metric: Metric | None
    progress: bool
    overwrite: bool


def run(job: RoundsJob) -> None:
    """Start or resume a session; write its next batch and its state."""
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        OutputPath(flag="--state", path=job.state, replaces=job.resume),
        *reports.pages_of(job, own=job.source),
        inputs=(job.source, job.labels, job.ignore, job.payload),
        overwrite=job.overwrite,
    )
    record = JobRecord("select rounds", job)
    with record.timed("read"):
        source = sources.open_source(job, record)
        rows, labels = _read_labels(job, source, record)
        ignored = _read_ignored(job, source, record)
        items = reports.open_items(job, source.names, own=job.source)
    with (
        progress_bars(wanted=job.progress) as bars,
        record.timed("select"),
    ):
        open_session = _resume if job.resume else partial(_start, record=record)
        session = open_session(job, source, rows, labels)
        session.ignore(source.ids[ignored])
        picked = session.next_batch(progress=bars)
    results = _results(picked, source)
    # In this order: without the new state, the same batch comes again.
    with outputs.staged() as files:
        files.add_table(job.out, _columns(picked))
        files.add_json(job.state, session.state())
        record.add_to(files, job.out, results)
    _say(job, session, picked, items=len(source.ids))
    if items is not None:
        asked = Asked.of(record.contents(job.out, results))
        steps = next_steps(job.out, job.labels, job.report)
        made = Round(session=session, picked=picked)
        reports.write(items, round_page(source, made, items, asked, steps=steps))


def _results(picked: Selection, source: sources.Source) -> dict[str, object]:
    return {
        "asked": len(picked),
        **picked.summary,
        "provenance": picked.provenance,
        "metric": source.metric,
    }


def _say(
    job: RoundsJob, session: RoundsSession, picked: Selection, *, items: int
) -> None:
    summary = picked.summary
    room = f"{items:,}" if session.among is None else said_of(session.among, items)
    say(
        f"{job.out}: round {session.round}, {len(picked):,} items to label;"
        f" {len(session.labelled_rows):,} of {room} are labelled, in"
        f" {len(session.classes)} classes"
    )
    if "weight" in summary:
        say(f"weight {summary['weight']:g} of the mean margin, in mean distances")
    if not summary["converged"]:
        say("the model's training did not converge")
    if summary["note"]:
        say(str(summary["note"]))


def _start(
    job: RoundsJob,
    source: sources.Source,
    rows: Rows,
    labels: NDArray[Any],
    *,
    record: JobRecord,
) -> RoundsSession:
    params = RoundsParams(
        picker=cast(PickerName, job.picker.replace("-", "_")),
        batch=job.batch,
        weights=job.weights,
        diversity=job.diversity,
        eps=job.eps,
        oversampling=job.oversampling,
        cluster_rows=job.cluster_items,
        C=job.regularisation,
        class_weight=job.class_weight,
        seed=job.seed,
    )
    return RoundsSession.start(
        source.metric_vectors(),
        params,
        ids=source.ids,
        rows=rows,
        labels=labels,
        among=source.among(job, record),
    )


def _resume(
    job: RoundsJob, source: sources.Source, rows: Rows, labels: NDArray[Any]
) -> RoundsSession:
    session = RoundsSession.resume(
        read_state(job.state), source.metric_vectors(), ids=source.ids
    )
    session.submit_labels(source.ids[rows], labels)
    return session


def _read_labels(
    job: RoundsJob, source: sources.Source, record: JobRecord
) -> tuple[Rows, NDArray[Any]]:
    """Rows (m,) and labels (m,); none without a file."""
    if job.labels is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    record.add_file(job.labels)
    table = read_table(job.labels, columns=(ID_COLUMN, "label"))
    rows = columns.rows_in(table, ID_COLUMN, source.names)
    return rows, columns.labels(table, "label")


def _read_ignored(job: RoundsJob, source: sources.Source, record: JobRecord) -> Rows:
    if job.ignore is None:
        return np.empty(0, np.int64)
    record.add_file(job.ignore)
    return inputs.read_id_rows(job.ignore, source.names)


def _columns(picked: Selection) -> dict[str, NDArray[np.generic]]:
    return {
        "id": picked.ids,
        "rank": np.arange(len(picked), dtype=np.int32),
        "score": picked.scores,
        "weight": picked.weights,
        **picked.why,
    }
