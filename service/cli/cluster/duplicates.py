"""`gleann cluster curate duplicates`: near-duplicates of an index in shards."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import click

from gleann.index import SoarIndex
from gleann.index.arrays import HeldIds, Vectors
from gleann.index.data.files import is_folder_of_vectors
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.filters.condition import Condition
from gleann.index.join.side import require_distance
from gleann.index.shards.manifest import is_sharded, read
from gleann.index.shards.places import ShardPlaces
from gleann.selection.among import Among
from gleann.selection.curation.duplicates import Duplicates, curve, load_duplicates
from gleann.selection.curation.duplicates.in_shards import near_duplicates_in_shards
from gleann.selection.curation.duplicates.near import MAX_PAIRS
from gleann.selection.curation.radius import radius_of
from gleann.service.cli import options, reports
from gleann.service.cli.cluster.among import among_of
from gleann.service.cli.cluster.placed import placed, placed_options
from gleann.service.cli.curate.similar import results
from gleann.service.cli.curate.similar.duplicates_report import page_of
from gleann.service.cli.curate.similar.inputs import near_options, read_other
from gleann.service.cli.files import output_paths
from gleann.service.cli.files.among import said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import Report, progress_bars
from gleann.service.report.asked import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterDuplicatesJob(options.FilterOptions, options.ReportOptions):
    """Parameters of `gleann cluster curate duplicates`."""

    shards: Path
    out: Path
    radius: float | None
    similarity: float | None
    keep_by: Literal["id", "score", "newest"]
    score_column: str | None
    against: Path | None
    known: Path | None
    pairs: Path | None
    state: Path | None
    max_pairs: int
    workers: int | None
    address: str | None
    overwrite: bool
    progress: bool


@click.command(
    "duplicates",
    short_help="Find near-duplicates, and which rows stay.",
    epilog=options.examples(
        "gleann cluster curate duplicates pages.shards --similarity 0.95 --out"
        " found.parquet",
        "gleann cluster curate duplicates /mnt/all/pages --similarity 0.9 --keep-by"
        " score --score-column quality --address auto --out found.parquet",
        "gleann cluster curate duplicates new.shards --against pages.shards --radius"
        " 0.1 --out found.parquet",
    ),
)
@placed_options("found.parquet")
@near_options
@click.option(
    "--keep-by",
    type=click.Choice(["id", "score", "newest"]),
    default="id",
    show_default=True,
    help="Which of some near-duplicates stays: that of the lowest id, or of the"
    " greatest number in --score-column.",
)
@click.option(
    "--score-column",
    metavar="COLUMN",
    help="Payload column with one score or time per row.",
)
@click.option(
    "--against",
    type=options.PATH,
    help="Another index in shards, or a file of vectors, all of whose rows stay.",
)
@click.option(
    "--known",
    type=options.PATH,
    help="--state of an earlier run, of a radius at least as great: only rows that it"
    " did not have, or that changed, are joined.",
)
@options.filter_options
@results.result_options
@click.option(
    "--max-pairs",
    default=MAX_PAIRS,
    show_default=True,
    help="Pairs that may be held; each takes 12 bytes.",
)
@options.report_options
@options.takes(ClusterDuplicatesJob)
def command(job: ClusterDuplicatesJob) -> None:
    """Find all rows of INDEX that are near-duplicates, and keep the first of them.

    Finds what `gleann curate duplicates` finds among the same rows, and writes the same
    columns. Shards are joined two by two.
    """
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *results.result_paths(job.pairs, job.state),
        *reports.pages_of(job, own=job.shards),
        inputs=(job.shards, job.against, job.known),
        overwrite=job.overwrite,
    )
    _require_fitting(job)
    record = JobRecord("cluster curate duplicates", job)
    with placed(job) as places, progress_bars(wanted=job.progress) as report:
        with record.timed("read"):
            among = among_of(places, Condition.of(job.where, job.parameters))
            items = reports.shown_in_shards(job, places.held_ids)
        found = _found(job, places, among, record, report)
    points = curve(found)
    numbers = results.write(
        found, record, out=job.out, pairs=job.pairs, state=job.state, points=points
    )
    results.say_found(
        job.out,
        found.summary(),
        points,
        room=said_of(among, len(places), what="rows"),
        seconds=record.seconds("find"),
        metric=found.metric,
        against=job.against,
    )
    if items is not None:
        asked = Asked.of(record.contents(job.out, numbers))
        reports.write(items, page_of(found, items, asked, state=job.state))


def _require_fitting(job: ClusterDuplicatesJob) -> None:
    """Refuse, before Ray is started, what the work would refuse.

    Raises:
        InvalidParamsError: neither or both of radius and similarity, one out of range,
            or a column of scores without an order that reads it, or the reverse.
    """
    metric = read(job.shards).unpacked().params.metric
    require_distance(metric)
    radius_of(metric, radius=job.radius, similarity=job.similarity)
    if job.keep_by != "id" and job.score_column is None:
        raise InvalidParamsError(
            f"--keep-by {job.keep_by} needs --score-column, with scores or times"
        )
    if job.keep_by == "id" and job.score_column is not None:
        raise InvalidParamsError(
            f"--score-column is {job.score_column}, but --keep-by id does not read it:"
            " take score or newest"
        )


def _found(
    job: ClusterDuplicatesJob,
    places: ShardPlaces,
    among: Among | None,
    record: JobRecord,
    report: Report,
) -> Duplicates:
    scores = None if job.score_column is None else places.numbers(job.score_column)
    other = None if job.against is None else _other(job.against, places, record)
    known = None if job.known is None else load_duplicates(job.known)
    with record.timed("find"):
        found = near_duplicates_in_shards(
            places,
            radius=job.radius,
            similarity=job.similarity,
            keep_by=job.keep_by,
            scores=scores,
            among=among,
            against=None if other is None else other.rows,
            known=known,
            max_pairs=job.max_pairs,
            threads=1,  # a worker has one CPU
            progress=report,
        )
    record.add_index(job.shards, str(found.provenance["data_hash"]))
    if job.known is not None:
        record.add_file(job.known)
    return found if other is None else replace(found, outside_held=other.ids)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Other:
    """Another collection.

    Attributes:
        rows: an index in shards, or vectors (m, d) of a file.
        ids: (m,) of its rows.
    """

    rows: ShardPlaces | Vectors
    ids: HeldIds


def _other(path: Path, places: ShardPlaces, record: JobRecord) -> _Other:
    """Open an index in shards, or read the vectors of a file, to compare with.

    Raises:
        InvalidInputError: an index that is not in shards.
        DimensionMismatchError, NonFiniteError: as `read_other`.
    """
    if is_sharded(path):
        other = ShardPlaces(path, runner=places.runner)
        record.add_index(path, other.manifest.checksum)
        return _Other(rows=other, ids=other.held_ids())
    if path.is_dir() and not is_folder_of_vectors(path):
        raise InvalidInputError(
            f"{path} is not an index in shards: give the vectors that it was built"
            " from, or build it with gleann cluster build"
        )
    read_ = read_other(path, record, dim=places.manifest.dim)
    assert read_ is not None
    assert not isinstance(read_.rows, SoarIndex)
    return _Other(rows=read_.rows, ids=read_.ids)
