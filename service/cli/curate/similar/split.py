"""`gleann curate split`: splits that control how near test and training rows are."""

import click
import numpy as np

from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import take_ids
from gleann.index.nouns import counted
from gleann.selection.curation.leakage import (
    SimilaritySplit,
    resampled_training,
    similarity_split,
)
from gleann.selection.curation.leakage.split import FOLDS, HELD_OUT
from gleann.service.cli import options, reports
from gleann.service.cli.curate.served.options import served_by
from gleann.service.cli.curate.similar.inputs import (
    Opened,
    opened,
    source_options,
)
from gleann.service.cli.curate.similar.jobs import SplitJob
from gleann.service.cli.curate.similar.split_words import say_split
from gleann.service.cli.files import inputs, output_paths, outputs
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import say
from gleann.service.report.asked import Asked
from gleann.service.report.pages.divided import DividedReport, divided_page
from gleann.service.report.pages.split import SplitReport, split_page

PER_TEST = 10
"""Training rows of each test row, where the caller does not say."""


@click.command(
    "split",
    short_help="Split rows so that test rows are near to training rows, or far.",
    epilog=options.examples(
        "gleann curate split items.gleann --folds 5 --out split.parquet --report"
        " split.html",
        "gleann curate split items.gleann --together found.parquet:duplicate_of --out"
        " split.csv",
        "gleann curate split items.gleann --tests tests.csv --per-test 20 --out"
        " parts.csv",
    ),
)
@source_options("split.parquet")
@click.option(
    "--folds", default=FOLDS, show_default=True, help="Buckets of similar rows."
)
@click.option(
    "--held-out",
    default=HELD_OUT,
    show_default=True,
    help="Share of each bucket that tests inside it.",
)
@click.option(
    "--together",
    metavar="FILE[:COLUMN]",
    help="Rows of one group come into one bucket and are held out together (.npy, or a"
    " column, group by default), such as duplicate_of of `curate duplicates`.",
)
@click.option(
    "--tests",
    type=options.PATH,
    help="Ids of given test rows (.npy, or csv with a column id): instead of buckets,"
    " divide the training rows into those near to them and the others.",
)
@click.option(
    "--per-test",
    type=int,
    help=f"With --tests, nearest training rows of each test row; {PER_TEST} by"
    " default.",
)
@options.seed_option
@options.report_options
@options.takes(SplitJob)
@served_by("similar.leakage_served:split_served")
def command(job: SplitJob) -> None:
    """Put similar rows of SOURCE into the same of a few buckets.

    Train on all buckets but one: the rows held out in them measure interpolation, the
    bucket that training never saw measures extrapolation. OUT has id, bucket, held_out.

    With --server or --data, SOURCE is the name of an index there, and --together a
    column of its payload, as :COLUMN, or a curation of near-duplicates.

    With --tests, OUT has id and part: test; near, among the nearest training rows of a
    test row; or far. Training on the near rows measures interpolation, on the far ones
    extrapolation.
    """
    out = output_paths.table("--out", job.out)
    together = None
    if job.together is not None:
        together, _ = inputs.split_column(job.together, inputs.GROUP_COLUMN)
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *reports.pages_of(job, own=job.source),
        inputs=(job.source, job.payload, together, job.tests),
        overwrite=job.overwrite,
    )
    _require_one_way(job)
    record = JobRecord("curate split", job)
    with progress_bars(wanted=job.progress) as report:
        given = opened(job, record, report)
        if job.tests is not None:
            _divide(job, given, record)
        else:
            _split(job, given, record)


def _require_one_way(job: SplitJob) -> None:
    if job.tests is None:
        if job.per_test is not None:
            raise InvalidInputError("--per-test is for --tests: give that too")
        return
    if job.together is not None:
        raise InvalidInputError("--tests does not go with --together")
    if job.where is not None:
        raise InvalidInputError(
            "--where does not go with --tests: all rows of SOURCE are divided"
        )


def _split(job: SplitJob, given: Opened, record: JobRecord) -> None:
    together = None
    if job.together is not None:
        record.add_file(inputs.split_column(job.together, inputs.GROUP_COLUMN)[0])
        names, own = given.source.names, given.source.path
        together = inputs.read_groups(job.together, names, own=own)
    with record.timed("split"):
        split = similarity_split(
            given.index,
            folds=job.folds,
            held_out=job.held_out,
            together=together,
            among=given.among,
            seed=job.seed,
        )
    results = _write(job, given, split, record)
    say_split(job.out, results, _folds(split))
    if given.items is not None:
        asked = Asked.of(record.contents(job.out, results))
        page = split_page(SplitReport(asked=asked, split=split, items=given.items))
        reports.write(given.items, page)


def _folds(split: SimilaritySplit) -> list[dict[str, int]]:
    """How many rows each bucket leaves to train on and to test with."""
    folds = [split.fold(bucket) for bucket in range(split.folds)]
    return [
        {
            "bucket": bucket,
            "train": len(one.train),
            "interpolation": len(one.interpolation),
            "extrapolation": len(one.extrapolation),
        }
        for bucket, one in enumerate(folds)
    ]


def _write(
    job: SplitJob, given: Opened, split: SimilaritySplit, record: JobRecord
) -> dict[str, object]:
    table = split.table()
    results: dict[str, object] = {
        **table.facts["summary"],
        "rows": int((split.buckets >= 0).sum()),
        "held_out": int(split.held_out.sum()),
        "metric": given.index.metric,
        "provenance": split.provenance,
    }
    with outputs.staged() as files:
        files.add_table(job.out, table.columns)
        record.add_to(files, job.out, results)
    return results


def _divide(job: SplitJob, given: Opened, record: JobRecord) -> None:
    assert job.tests is not None
    tests = inputs.read_id_rows(job.tests, given.source.names)
    record.add_file(job.tests)
    n = len(given.index)
    per_test = PER_TEST if job.per_test is None else job.per_test
    mask = np.zeros(n, np.bool_)
    mask[tests] = True
    with record.timed("split"):
        near, far = resampled_training(given.index, tests=mask, per_test=per_test)
    parts = np.full(n, "test", "U4")
    parts[near], parts[far] = "near", "far"
    results: dict[str, object] = {
        "tests": len(tests),
        "near": len(near),
        "far": len(far),
        "metric": given.index.metric,
    }
    with outputs.staged() as files:
        ids = take_ids(given.index.held_ids, np.arange(n))
        files.add_table(job.out, {"id": ids, "part": parts})
        record.add_to(files, job.out, results)
    say(
        f"{job.out}: {counted(len(near), 'training rows')} are among the {per_test}"
        f" nearest of any of {counted(len(tests), 'test rows')}, {len(far):,} are not"
    )
    if given.items is not None:
        page = divided_page(
            DividedReport(
                asked=Asked.of(record.contents(job.out, results)),
                tests=tests,
                near=near,
                far=far,
                per_test=per_test,
                items=given.items,
            )
        )
        reports.write(given.items, page)
