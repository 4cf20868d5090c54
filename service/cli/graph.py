"""`gleann graph`: write the k nearest neighbours of every row of an index."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from gleann.index import KnnGraph, SoarIndex, knn_graph
from gleann.index.ids.held import take_ids
from gleann.index.params import Metric
from gleann.selection.among import origin_of
from gleann.selection.checks import IdMap
from gleann.service.cli import options, reports
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.among import rows_among, said_of
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.progress import progress_bars
from gleann.service.cli.say import say
from gleann.service.config.config import require_host_engine
from gleann.service.devices.devices import Devices
from gleann.service.report.asked import Asked, Step
from gleann.service.report.items import Items
from gleann.service.report.pages.graph import GraphReport, graph_page
from gleann.service.values import DeviceChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphJob(options.AmongOptions):
    """Parameters of `gleann graph`."""

    index: Path
    out: Path
    k: int
    nprobe: int | None
    target_recall: float | None
    engine: str
    threads: int
    device: DeviceChoice
    overwrite: bool
    progress: bool


@click.command(
    "graph",
    short_help="Find the nearest neighbours of every row of an index.",
    epilog=options.examples(
        "gleann graph words.gleann --k 10 --out words-graph.npz",
        "gleann graph words.gleann --k 100 --target-recall 0.99 --out graph.npz",
        "gleann graph words.gleann --out graph.npz --report graph.html",
        'gleann graph words.gleann --where "lang = $1" --param en --out en.npz',
    ),
)
@click.argument("index", type=options.PATH)
@options.out_option("graph.npz")
@click.option("--k", default=10, show_default=True, help="Neighbours per row.")
@click.option(
    "--target-recall",
    type=float,
    help="Target recall; 0.95 if --nprobe is not set either.",
)
@click.option("--nprobe", type=int, help="Lists to scan per row.")
@options.among_options
@options.engine_options
@options.device_option("rows search")
@options.report_options
@options.overwrite_option
@options.progress_option
@options.takes(GraphJob)
def command(job: GraphJob) -> None:
    """Write the neighbours of all rows of INDEX as a sparse matrix of distances.

    scipy.sparse.load_npz reads the .npz file (indptr, indices, data, shape, format:
    distances in CSR form, nearest first), which also has the array ids with the ids of
    the rows. With --where it has the array among too: the rows that pass, whose
    neighbours are the nearest of them; other rows of the matrix are empty.
    """
    out = OutputPath(flag="--out", path=job.out, suffixes=(".npz",))
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *reports.pages_of(job, own=None),
        inputs=(job.index, job.payload),
        overwrite=job.overwrite,
    )
    require_host_engine(job.engine, job.device)
    devices = Devices(job.device)
    record = JobRecord("graph", job)
    with record.timed("load"):
        index = SoarIndex.load(job.index, engine=job.engine, threads=job.threads)
        record.add_index(job.index, index.data_hash)
        names = IdMap(index.held_ids, n=len(index))
        among = rows_among(job, record, names, index=index)
        items = reports.open_items(job, names, own=None)
    with record.timed("graph"), progress_bars(wanted=job.progress) as report:

        def join(served: SoarIndex) -> KnnGraph:
            return knn_graph(
                served,
                k=job.k,
                target_recall=job.target_recall,
                nprobe=job.nprobe,
                among=None if among is None else among.mask,
                threads=job.threads,
                progress=report,
            )

        graph = devices.run_on(index, join)
    results = _results(graph) | origin_of(among)
    with outputs.staged() as files:
        with record.timed("save"):
            files.add(job.out, lambda temporary: _write(temporary, graph))
        record.add_to(files, job.out, results)
    say(
        f"{job.out}: {graph.k} neighbours of {said_of(among, len(graph), what='rows')}"
        f" in {record.seconds('graph'):.2f} s\nnprobe {graph.nprobe}, estimated recall"
        f" {graph.estimated_recall:.4f}, engine {graph.engine}"
    )
    if items is not None:
        asked = Asked.of(record.contents(job.out, results))
        shown, items = alone(graph), items.limited(among)
        reports.write(items, _page(job, shown, index.metric, items, asked))


def _results(graph: KnnGraph) -> dict[str, object]:
    return {
        "n": len(graph),
        "k": graph.k,
        "nprobe": graph.nprobe,
        "estimated_recall": graph.estimated_recall,
        "engine": graph.engine,
    }


def alone(graph: KnnGraph) -> KnnGraph:
    """The graph of some rows as that of these rows alone, numbered from 0."""
    if graph.among is None:
        return graph
    m = len(graph.among)
    return replace(
        graph,
        indptr=np.arange(m + 1, dtype=np.int64) * graph.k,
        rows=np.searchsorted(graph.among, graph.rows).astype(np.int32),
        held_ids=take_ids(graph.held_ids, graph.among),
        among=None,
    )


def _page(
    job: GraphJob, graph: KnnGraph, metric: Metric, items: Items, asked: Asked
) -> str:
    return graph_page(
        GraphReport(
            asked=asked, graph=graph, metric=metric, items=items, steps=_steps(job)
        )
    )


def _steps(job: GraphJob) -> list[Step]:
    load = f"import scipy.sparse as s; print(s.load_npz({str(job.out)!r}))"
    index = reports.quoted(job.index)
    return [
        Step(
            what="Read the graph in Python, as distances in a sparse matrix:",
            command=reports.in_python(load),
        ),
        Step(
            what="Choose items that cover all others, without near-duplicates:",
            command=f"gleann select farthest-first {index} --k 500 --out picks.parquet"
            " --report picks.html",
        ),
        Step(
            what="Estimate from few labels how many items have a property:",
            command=f"gleann estimate --index {index} --budget 1000 --oracle-csv"
            " answers.csv --out share.json --report share.html",
        ),
    ]


def _write(path: Path, graph: KnnGraph) -> None:
    more: dict[str, Any] = {} if graph.among is None else {"among": graph.among}
    with path.open("wb") as file:  # NumPy would append .npz to a path
        np.savez(
            file,
            indptr=graph.indptr,
            indices=graph.rows,
            data=graph.distances,
            shape=np.array([len(graph), len(graph)]),
            format=np.array(b"csr"),
            ids=graph.row_ids,
            **more,
        )
