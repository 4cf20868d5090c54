"""Near-duplicates and joins of an index of a server or of a data directory."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError, UnknownJobError
from gleann.index.ids.held import take_ids
from gleann.index.nouns import counted
from gleann.index.texts import Texts
from gleann.selection.checks import IdMap
from gleann.selection.curation.duplicates import CurvePoint
from gleann.service.cli.curate.served.files import (
    Reader,
    is_file,
    require_dim,
    vectors_of,
)
from gleann.service.cli.curate.served.options import refuse, typed
from gleann.service.cli.curate.served.running import (
    CURATIONS,
    Served,
    curated,
    full_name,
)
from gleann.service.cli.curate.similar import results
from gleann.service.cli.curate.similar.jobs import (
    DuplicatesJob,
    JoinJob,
    RethresholdJob,
    require_one_way,
)
from gleann.service.cli.curate.similar.leakage_served import write_leakage
from gleann.service.cli.curate.similar.leakage_words import say_fewer_leaked
from gleann.service.cli.files import inputs, output_paths, outputs
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.files.outputs import STREAMED_SUFFIXES, Values
from gleann.service.cli.say import say
from gleann.service.client.client import Client
from gleann.service.client.curation import Curation
from gleann.service.client.operation import Operation

KEPT_THERE = (
    "the server keeps the curation: give its name to `gleann curate rethreshold` and to"
    " --known"
)
METHOD = "near_duplicates"
RETHRESHOLDED = (METHOD, "leakage")
"""Methods whose answers are found for smaller radii."""


def find_duplicates(job: DuplicatesJob) -> None:
    """Find near-duplicates where the index is, and write them here."""
    refuse(job, {"state": KEPT_THERE})
    _require_curation(job.known)
    scores = _score_file(job.scores)
    _require_tables(job, inputs=(scores and scores[0], _file(job.against)))
    record, index = JobRecord("curate duplicates", job), str(job.source)
    against, names = _other(job.against, record)

    def start(client: Client) -> Operation[Curation]:
        require_dim(client, index, against, job.against)
        given: Any = job.scores and job.scores.removeprefix(":")
        if scores is not None:
            given = Reader(client, index, record).scores(*scores)
        return _started(job, client, against, given)

    with curated(
        job, record, start, index=index, method=METHOD, progress=job.progress
    ) as done:
        rows = done.columns("rows")
        if names is not None:
            rows["outside_id"] = _named(rows["outside_id"], names)
        points = _write(job, done, rows, record)
        results.say_found(
            job.out,
            done.summary,
            points,
            room=done.room("rows"),
            seconds=record.seconds("serve"),
            metric=done.metric,
            against=job.against,
        )


def _require_curation(known: Path | None) -> None:
    """Refuse a file of what is known.

    Raises:
        InvalidInputError: it is one of --state.
    """
    if known is not None and known.suffix == ".npz":
        raise InvalidInputError(
            f"--known {known} is a file of --state, and a server goes on from a"
            " curation: give its name, such as curations/3f2a"
        )


def _score_file(given: str | None) -> tuple[Path, str] | None:
    """The file of the scores and its column; None without, and for one of payload."""
    if given is None or given.startswith(":"):
        return None
    return inputs.split_column(given, "score")


def _require_tables(
    job: DuplicatesJob | RethresholdJob, *, inputs: Iterable[Path | None]
) -> None:
    """Refuse paths of tables that cannot be written, before any work."""
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *results.result_paths(job.pairs, None),
        inputs=inputs,
        overwrite=job.overwrite,
    )


def _started(
    job: DuplicatesJob,
    client: Client,
    against: str | NDArray[np.generic] | None,
    scores: Any,
) -> Operation[Curation]:
    """The job, with what it compares with and the scores of all rows."""
    return client.curation.near_duplicates(
        str(job.source),
        radius=job.radius,
        similarity=job.similarity,
        keep_by=job.keep_by,
        scores=scores,
        against=against,
        known="" if job.known is None else full_name(str(job.known), CURATIONS),
        curve=True,
        **typed(job, ["max_pairs"]),
        **job.filter,
    )


def rethreshold_served(job: RethresholdJob) -> None:
    """Answer for a smaller radius from a stored curation."""
    refuse(job, {"state": KEPT_THERE})
    _require_tables(job, inputs=())
    record = JobRecord("curate rethreshold", job)
    name = full_name(str(job.found), CURATIONS)

    def start(client: Client) -> Operation[Curation]:
        of = client.curation.get(name).info
        return client.curation.rethreshold(
            of.index,
            name,
            radius=job.radius,
            similarity=job.similarity,
            curve=of.method == METHOD,
        )

    with curated(
        job, record, start, index=None, method=RETHRESHOLDED, progress=job.progress
    ) as done:
        before = _summary_of(done.client, name)
        if done.curation.info.method == METHOD:
            points = _write(job, done, done.columns("rows"), record)
            results.say_fewer(job.out, done.summary, before)
            results.say_curve(points)
        else:
            groups = write_leakage(done, record, out=job.out, pairs=job.pairs)
            say_fewer_leaked(job.out, done.summary, before, groups)


def _summary_of(client: Client, name: str) -> dict[str, Any] | None:
    """Figures about a curation; None where it is gone before what was made of it."""
    try:
        return client.curation.get(name).summary
    except UnknownJobError:
        return None


def join_served(job: JoinJob) -> None:
    """Join where the index is, and write the pairs here as they are read."""
    refuse(job, {})
    out = OutputPath(flag="--out", path=job.out, suffixes=STREAMED_SUFFIXES)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        inputs=(_file(job.other),),
        overwrite=job.overwrite,
    )
    require_one_way(job)
    record, index = JobRecord("curate join", job), str(job.source)
    other, names = _other(job.other, record)

    def start(client: Client) -> Operation[Curation]:
        require_dim(client, index, other, job.other)
        return client.curation.join(
            index,
            other,
            radius=job.radius,
            similarity=job.similarity,
            k=job.k,
            target_recall=job.target_recall,
            **typed(job, ["max_pairs"]),
            **job.filter,
        )

    with curated(
        job, record, start, index=index, method="join", progress=job.progress
    ) as done:
        count = done.curation.info.tables["pairs"].rows
        with outputs.staged() as files:
            files.add_tables(job.out, _pages(done, names))
            record.add_to(files, job.out, done.results | {"pairs": count})
        say(
            f"{job.out}: {counted(count, 'pairs')} of {done.room('rows')} in"
            f" {record.seconds('serve'):.2f} s (metric {done.metric})"
        )


def _file(given: Path | None) -> Path | None:
    """A file of vectors that is sent; None for an index."""
    return given if given is not None and is_file(given) else None


def _other(
    given: Path | None, record: JobRecord
) -> tuple[str | NDArray[np.generic] | None, IdMap | None]:
    """Another index by its name; or vectors, and what they are called."""
    if given is None:
        return None, None
    if is_file(given):
        return vectors_of(given, record)
    return str(given), None


def _named(numbers: Values, names: IdMap) -> Values:
    """Ids of the rows of a file, of which the server knows the numbers; -1 for none."""
    return take_ids(names.held, np.asarray(numbers, np.int64))


def _write(
    job: DuplicatesJob | RethresholdJob,
    done: Served,
    rows: dict[str, Values],
    record: JobRecord,
) -> list[CurvePoint]:
    """Write the rows, the pairs and the record; return the curve."""
    curve = done.curation.table("curve").to_pylist()
    sizes = done.curation.table("sizes").to_pylist()
    told = {
        **done.results,
        "curve": curve,
        "sizes": {str(one["size"]): one["groups"] for one in sizes},
    }
    with outputs.staged() as files:
        files.add_table(job.out, rows)
        if job.pairs is not None:
            files.add_table(job.pairs, done.columns("pairs"))
        record.add_to(files, job.out, told)
    return [CurvePoint(**one) for one in curve]


def _pages(done: Served, names: IdMap | None) -> Iterator[pa.Table]:
    """The pairs page by page, with ids of a file in place of its row numbers."""
    for page in done.curation.pages("pairs"):
        if names is None:
            yield page
            continue
        held = _named(page.column("other_id"), names)
        ids = pa.array(held) if not isinstance(held, Texts) else held.to_arrow()
        ids = ids.cast(pa.string()) if isinstance(held, Texts) else ids
        yield page.set_column(page.column_names.index("other_id"), "other_id", ids)
