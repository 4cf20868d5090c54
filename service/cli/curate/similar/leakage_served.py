"""Leakage and splits of an index of a server or of a data directory."""

from pathlib import Path
from typing import Any

from gleann.index.errors import InvalidInputError, UnknownIndexError
from gleann.selection.curation.leakage.result import GroupLeakage
from gleann.service.cli.curate.served.options import payload_column, refuse, typed
from gleann.service.cli.curate.served.running import CURATIONS, Served, curated
from gleann.service.cli.curate.similar import results
from gleann.service.cli.curate.similar.jobs import LeakageJob, SplitJob
from gleann.service.cli.curate.similar.leakage_words import say_leakage
from gleann.service.cli.curate.similar.split_words import say_split
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.client.client import Client
from gleann.service.client.curation import Curation
from gleann.service.client.operation import Operation

KEPT_THERE = (
    "the server keeps the curation: give its name to `gleann curate rethreshold`"
)


def find_leakage(job: LeakageJob) -> None:
    """Audit where the index is, and write the rows here."""
    refuse(job, {"state": KEPT_THERE})
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *results.result_paths(job.pairs, None),
        overwrite=job.overwrite,
    )
    record, index = JobRecord("curate leakage", job), str(job.source)
    splits = payload_column(job.splits, "--splits")
    groups = payload_column(job.groups, "--groups")

    def start(client: Client) -> Operation[Curation]:
        return client.curation.leakage(
            index,
            "" if job.reference is None else str(job.reference),
            split_column=splits,
            trained_on=job.trained_on,
            radius=job.radius,
            similarity=job.similarity,
            group_column=groups,
            **typed(job, ["bins", "max_pairs"]),
            **job.filter,
        )

    with curated(
        job, record, start, index=index, method="leakage", progress=job.progress
    ) as done:
        found = write_leakage(done, record, out=job.out, pairs=job.pairs)
        say_leakage(
            job.out,
            done.summary,
            found,
            training=_training(job, done),
            room=done.room("rows"),
            seconds=record.seconds("serve"),
        )


def write_leakage(
    done: Served, record: JobRecord, *, out: Path, pairs: Path | None
) -> list[GroupLeakage]:
    """Write an audit and its record; return the groups."""
    found = _groups(done)
    lines = done.curation.table("histogram").to_pylist()
    told = {
        **done.results,
        "groups": [_as_json(one) for one in found],
        "edges": sorted({one[side] for one in lines for side in ("low", "high")}),
    }
    with outputs.staged() as files:
        files.add_table(out, done.columns("rows"))
        if pairs is not None:
            files.add_table(pairs, done.columns("pairs"))
        record.add_to(files, out, told)
    return found


def _training(job: LeakageJob, done: Served) -> int | None:
    """How many training vectors there are; None where their index was deleted."""
    audited, among = int(done.summary["rows"]), done.curation.provenance.get("among")
    if job.reference is None and among is not None:
        return int(among["rows"]) - audited
    name = done.curation.info.index if job.reference is None else str(job.reference)
    try:
        count = done.client.get_index(name).count
    except UnknownIndexError:
        return None
    return count - audited if job.reference is None else count


def _groups(done: Served) -> list[GroupLeakage]:
    """The groups, each with its histogram."""
    histograms: dict[str, list[int]] = {}
    for one in done.curation.table("histogram").to_pylist():
        histograms.setdefault(one["group"], []).append(one["rows"])
    return [
        GroupLeakage(**one, histogram=tuple(histograms[one["group"]]))
        for one in done.curation.table("groups").to_pylist()
    ]


def _as_json(one: GroupLeakage) -> dict[str, Any]:
    names = ("rows", "leaked", "share", "median", "histogram")
    return {"group": str(one.group), **{name: getattr(one, name) for name in names}}


def split_served(job: SplitJob) -> None:
    """Split where the index is, and write the buckets here."""
    here = "only a command on an index here divides by given test rows"
    refuse(job, {"tests": here, "per_test": here})
    out = output_paths.table("--out", job.out)
    output_paths.require_writable(
        out, output_paths.manifest(out), overwrite=job.overwrite
    )
    record, index = JobRecord("curate split", job), str(job.source)
    together = _together(job)

    def start(client: Client) -> Operation[Curation]:
        return client.curation.similarity_split(
            index,
            folds=job.folds,
            held_out=job.held_out,
            seed=job.seed,
            **together,
            **job.filter,
        )

    with curated(
        job,
        record,
        start,
        index=index,
        method="similarity_split",
        progress=job.progress,
    ) as done:
        folds = done.curation.table("folds").to_pylist()
        with outputs.staged() as files:
            files.add_table(job.out, done.columns("rows"))
            record.add_to(files, job.out, done.results)
        say_split(job.out, done.summary, folds)


def _together(job: SplitJob) -> dict[str, str]:
    """The rows that come into one bucket: a column, or a curation of duplicates."""
    if job.together is None:
        return {}
    if job.together.startswith(CURATIONS):
        return {"together_curation": job.together}
    if not job.together.startswith(":"):
        raise InvalidInputError(
            f"--together {job.together!r} names a file, and a server reads a column of"
            " the index or a curation of near-duplicates: give --together :COLUMN or"
            " curations/3f2a"
        )
    return {"together_column": payload_column(job.together, "--together")}
