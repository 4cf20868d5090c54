"""The job of `gleann select active`: start or resume, select, save, compare."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
)
from gleann.index.params import Metric
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    Coverage,
    IndexNeighbours,
    PoolChoice,
    Selection,
)
from gleann.selection.active.params import PoolName, Strategy
from gleann.selection.active.remote import RemoteVectors
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.neighbours import Neighbours
from gleann.service.cli import reports
from gleann.service.cli.files import columns, inputs, output_paths, outputs, sources
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.files.saved_state import read_state
from gleann.service.cli.files.tables import read_table
from gleann.service.cli.options import AmongOptions
from gleann.service.cli.say import say
from gleann.service.cli.select.active_report import Batch, active_page
from gleann.service.cli.select.batch_report import batch_distances, next_steps
from gleann.service.report.asked import Asked

INDEXED_POOLS = ("seals", "classifier", "anchors")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveJob(AmongOptions):
    """Parameters of `gleann select active`."""

    source: Path
    labels: Path
    out: Path
    state: Path
    resume: bool
    strategy: Strategy
    pool: PoolName
    batch: int
    neighbours: int
    regularisation: float
    class_weight: Literal["balanced"] | None
    classes: tuple[int, ...] | None
    concepts: tuple[str, ...]
    probabilities: Path | None
    anchors: int
    subpool: int
    ignore: Path | None
    seed: int
    vectors_column: str | None
    id_column: str | None
    metric: Metric | None
    overwrite: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ActiveItems:
    """The items of a session.

    Attributes:
        vectors: (n, d), as `ActiveSession.start` takes them.
        names: their ids.
        metric: of their index, or the one for a file.
        neighbours: of them; None without an index.
        among: those that pass --where, read where a session begins.
    """

    vectors: Vectors | RemoteVectors
    names: IdMap
    metric: Metric
    neighbours: Neighbours | None
    among: Callable[[], Among | None]


def run(job: ActiveJob) -> None:
    """Start or resume a session; write its next batch and its state."""
    require_outputs(job)
    record = JobRecord("select active", job)
    with record.timed("read"):
        source = sources.open_source(job, record)
        record.add_file(job.labels)
        shown = reports.open_items(job, source.names, own=job.source)
    items = ActiveItems(
        vectors=source.vectors,
        names=source.names,
        metric=source.metric,
        neighbours=None if source.index is None else IndexNeighbours(source.index),
        among=lambda: source.among(job, record),
    )
    batch = next_batch(job, items, record)
    results = write(job, items, batch, record)
    if shown is None:
        return
    distances = batch_distances(
        source,
        labelled=batch.session.labelled_rows,
        picked=batch.picked.rows,
        seed=batch.session.params.seed,
        among=batch.session.among,
    )
    write_page(job, batch, shown, record, results, distances=distances)


def require_outputs(job: ActiveJob) -> None:
    """Refuse outputs that cannot be written, or would replace an input."""
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        OutputPath(flag="--state", path=job.state, replaces=job.resume),
        *reports.pages_of(job, own=job.source),
        inputs=(job.source, job.labels, job.probabilities, job.ignore, job.payload),
        overwrite=job.overwrite,
    )


def next_batch(job: ActiveJob, items: ActiveItems, record: JobRecord) -> Batch:
    """Start or resume a session, pick its next batch, and compare that."""
    ignored = _read_ignored(job, items, record)
    with record.timed("select"):
        session = (_resume if job.resume else _start)(job, items)
        session.ignore(items.names.ids_of(ignored))
        _take_probabilities(job, session, items, record)
        picked = session.next_batch()
    with record.timed("compare"):
        compared = _compare(session, picked)
    return Batch(session=session, picked=picked, compared=compared)


def write(
    job: ActiveJob, items: ActiveItems, batch: Batch, record: JobRecord
) -> dict[str, object]:
    """Write a batch, the state of its session and the record; say what was picked."""
    results = {**_results(batch), "metric": items.metric}
    # In this order: without the new state, the same batch comes again.
    with outputs.staged() as files:
        files.add_table(job.out, _columns(batch.picked))
        files.add_json(job.state, batch.session.state())
        record.add_to(files, job.out, results)
    _print(job.out, batch, items)
    return results


def write_page(
    job: ActiveJob,
    batch: Batch,
    shown: reports.FileItems,
    record: JobRecord,
    results: Mapping[str, object],
    *,
    distances: Mapping[str, Distances],
) -> None:
    """Write the page of a batch.

    Args:
        job: its options.
        batch: that was written.
        shown: what the page shows of single items.
        record: of the job.
        results: in it.
        distances: as `batch_distances` has them; empty for a page without them.
    """
    asked = Asked.of(record.contents(job.out, results))
    steps = next_steps(job.out, job.labels, job.report)
    page = active_page(batch, shown, asked, steps=steps, distances=distances)
    reports.write(shown, page)


def _results(batch: Batch) -> dict[str, object]:
    session, advice = batch.session, batch.session.stop_advice()
    return {
        "asked": len(batch.picked),
        "labelled": len(session.labelled_rows),
        "looked_at": session.looked_at,
        "pool": session.pool_choice.pool,
        "pool_asked": session.pool_choice.asked,
        "pool_reason": session.pool_choice.reason,
        "stop": advice.stop,
        "stop_reason": advice.reason,
        "compared": {name: _told(one) for name, one in batch.compared.items()},
    }


def _print(out: Path, batch: Batch, items: ActiveItems) -> None:
    session, among = batch.session, batch.session.among
    n = len(items.names if among is None else among)
    room = f"{n:,}" if among is None else said_of(among, len(items.names))
    say(
        f"{out}: {len(batch.picked):,} items to label;"
        f" {len(session.labelled_rows):,} are labelled,"
        f" {session.looked_at:,} of {room} ({session.looked_at / n:.1%}) were looked at"
        f" (metric {items.metric})"
    )
    say(f"pool: {session.pool_choice.pool} ({_why(session.pool_choice)})")
    for concept, one in batch.compared.items():
        _say(session.params.strategy, concept, one)
    advice = session.stop_advice()
    say(f"{'stop' if advice.stop else 'go on'}: {advice.reason}")


def _say(strategy: str, concept: str, one: Coverage) -> None:
    of = f" for {concept}" if concept else ""
    say(
        f"mean {strategy.replace('_', ' ')}{of} {one.score:.4g}; as many random items"
        f" {one.random_score:.4g}; strongest simple choice, the highest of all items"
        f" {one.baseline_score:.4g} ({one.in_pool:.0%} of them were candidates)"
    )


def _why(choice: PoolChoice) -> str:
    if choice.asked == "auto":
        return f"auto: {choice.reason}"
    return choice.reason


def _told(one: Coverage) -> dict[str, float | str]:
    return {
        "score": one.score,
        "random_score": one.random_score,
        "baseline": "global",
        "baseline_score": one.baseline_score,
        "in_pool": one.in_pool,
        "picked": one.picked,
    }


def _compare(session: ActiveSession, picked: Selection) -> dict[str, Coverage]:
    """Compare the batch with baselines, by concept; "" without concepts.

    A random batch is itself a baseline and is not compared.
    """
    if session.params.pool == "random":
        return {}
    names = (
        np.unique(picked.why["concept"]).tolist() if session.params.concepts else [None]
    )
    compared = {}
    for name in names:
        # A batch that is empty or has labels already cannot be compared.
        with suppress(NotReadyError):
            compared[name or ""] = session.coverage(concept=name)
    return compared


def read_labels(
    path: Path, names: IdMap, concepts: tuple[str, ...]
) -> tuple[Rows, NDArray[np.generic]]:
    """Rows (m,) and labels (m,), or (m, q) with q concepts."""
    if "id" in concepts:
        raise InvalidParamsError("no concept may be called 'id': --concepts has it")
    asked = concepts or ("label",)
    table = read_table(path, columns=(ID_COLUMN, *asked))
    rows = columns.rows_in(table, ID_COLUMN, names)
    labels = [columns.labels(table, name) for name in asked]
    return rows, np.stack(labels, axis=1) if concepts else labels[0]


def _read_ignored(job: ActiveJob, items: ActiveItems, record: JobRecord) -> Rows:
    if job.ignore is None:
        return np.empty(0, np.int64)
    record.add_file(job.ignore)
    return inputs.read_id_rows(job.ignore, items.names)


def _take_probabilities(
    job: ActiveJob, session: ActiveSession, items: ActiveItems, record: JobRecord
) -> None:
    """Submit the probabilities of the caller's own model for all items."""
    if job.probabilities is None:
        if missing := len(session.wanted()):
            raise InvalidInputError(
                "the session's model is your own: give --probabilities, made with the"
                f" labels so far ({missing} candidates have none)"
            )
        return
    record.add_file(job.probabilities)
    table = np.asarray(inputs.read_array(job.probabilities))
    concepts = session.params.concepts
    width = len(concepts) or len(session.classes)
    if table.shape != (expected := (len(items.names), width)):
        raise DimensionMismatchError(
            f"{job.probabilities} has shape {table.shape}, expected {expected}: one row"
            f" an item, one column a {'concept' if concepts else 'class'}"
        )
    if not concepts:
        session.submit_probabilities(items.names.held, table)
    for column, name in enumerate(concepts):
        yes = inputs.as_numbers(job.probabilities, table[:, column])
        both = np.stack([1 - yes, yes], axis=1)
        session.submit_probabilities(items.names.held, both, concept=name)


def _start(job: ActiveJob, items: ActiveItems) -> ActiveSession:
    params = ActiveParams(
        strategy=job.strategy,
        pool=job.pool,
        batch=job.batch,
        neighbours=job.neighbours,
        model="logistic_regression" if job.probabilities is None else "given",
        C=job.regularisation,
        class_weight=job.class_weight,
        classes=job.classes,
        concepts=job.concepts,
        anchors=job.anchors,
        subpool=job.subpool,
        seed=job.seed,
    )
    if job.pool in INDEXED_POOLS and items.neighbours is None:
        raise InvalidInputError(
            f"{job.source} is not an index, which the {job.pool} pool needs:"
            " build one, or take --pool global"
        )
    rows, labels = read_labels(job.labels, items.names, params.concepts)
    return ActiveSession.start(
        items.vectors,
        params,
        ids=items.names.held,
        rows=rows,
        labels=labels,
        neighbours=items.neighbours,
        among=items.among(),
    )


def _resume(job: ActiveJob, items: ActiveItems) -> ActiveSession:
    session = ActiveSession.resume(
        read_state(job.state),
        items.vectors,
        ids=items.names.held,
        neighbours=items.neighbours,
    )
    rows, labels = read_labels(job.labels, items.names, session.params.concepts)
    # Labelled rows too: the error for a changed label then names its id.
    session.submit_labels(items.names.ids_of(rows), labels)
    return session


def _columns(picked: Selection) -> dict[str, NDArray[np.generic]]:
    return {
        "id": picked.ids,
        "rank": np.arange(len(picked), dtype=np.int32),
        "score": picked.scores,
        "weight": picked.weights,
        **picked.why,
    }
