"""The command line: `python -m bench COMMAND`; `--help` lists the commands."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from bench.ann import Options, Run
from bench.cluster.command import add_cluster
from bench.comparison.building import run_builds
from bench.comparison.plots import plot_recall
from bench.curation.command import add_curation
from bench.ending import refusing_data
from bench.filtered.tenants import add_tenants
from bench.graphs.knn_graph import add_knn_graph
from bench.measures.compaction import add_compaction
from bench.measures.costs import add_costs
from bench.measures.data_memory import add_data
from bench.measures.effort import add_effort
from bench.measures.estimators import add_estimators
from bench.measures.filters import add_filters
from bench.measures.grpc_calls import add_grpc
from bench.measures.hard import add_hard
from bench.measures.imports import add_imports
from bench.measures.ingest import add_ingest
from bench.measures.kmeans import run_kmeans
from bench.measures.memory import add_memory
from bench.measures.on_disk import add_on_disk
from bench.measures.promise import add_promise
from bench.measures.reads import add_reads
from bench.measures.single import add_single
from bench.measures.updates import add_updates
from bench.option_types import natural, positive
from bench.peers import DEFAULT_PEERS, PEERS
from bench.plans.command import add_plans
from bench.provenance import BUSY_LOAD, allowed_cores, load
from bench.recorded import add_table
from bench.records import default_file, write_json
from bench.say import say
from bench.scale.growth import add_growth
from bench.scale.scale import add_scale
from bench.selection.commands import add_selection
from bench.service.command import add_service
from bench.tables import ann_tables, build_table
from bench.work import work_table


@refusing_data
def main() -> int:
    """Run one command; the exit status."""
    arguments = make_parser().parse_args()
    return arguments.run(arguments)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, (add_arguments, words) in sorted(COMMANDS.items()):
        add_arguments(commands.add_parser(name, help=words))
    return parser


def _add_ann(ann: argparse.ArgumentParser) -> None:
    ann.add_argument("--data", type=Path, required=True, help="folder or HDF5 file")
    ann.add_argument(
        "--peers",
        nargs="+",
        choices=PEERS,
        metavar="PEER",
        help=f"of {', '.join(PEERS)} (default: {' '.join(DEFAULT_PEERS)})",
    )
    modes = ("batch", "batch100", "single", "build")
    ann.add_argument("--mode", choices=modes, default="batch")
    ann.add_argument(
        "--threads", type=positive, help="default: all cores; 1 with single"
    )
    ann.add_argument("--k", type=positive, default=10)
    ann.add_argument("--levels", type=float, nargs="+", default=[0.90, 0.95, 0.99])
    ann.add_argument(
        "--rounds", type=positive, help="default: 7, 3 with build or --quick"
    )
    ann.add_argument(
        "--minutes", type=float, help="tuning budget of a peer (default 1.5)"
    )
    ann.add_argument("--seed", type=natural, default=0)
    ann.add_argument(
        "--out", type=Path, help="default: bench/results/<data>-<mode>-t<threads>.json"
    )
    ann.add_argument(
        "--quick",
        action="store_true",
        help="few rows and settings, to see that all runs",
    )
    ann.set_defaults(run=_ann)


def _add_kmeans(kmeans: argparse.ArgumentParser) -> None:
    kmeans.add_argument("--data", type=Path, required=True, help="folder or HDF5 file")
    kmeans.add_argument("--nlist", type=positive, help="default: about 2 sqrt(n)")
    kmeans.add_argument("--iterations", type=positive, default=10)
    kmeans.add_argument("--rounds", type=positive, default=3)
    kmeans.add_argument("--threads", type=positive, default=len(allowed_cores()))
    kmeans.add_argument("--seed", type=natural, default=0)
    kmeans.add_argument(
        "--out", type=Path, help="default: bench/results/kmeans-<data>.json"
    )
    kmeans.add_argument("--quick", action="store_true", help="see that it runs")
    kmeans.set_defaults(run=run_kmeans)


def _ann(arguments: argparse.Namespace) -> int:
    options = _options(arguments)
    out = arguments.out or _default_out(options)
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): timings will be noise")
    if options.mode == "build":
        result = run_builds(options)
        write_json(result, out)
        print(build_table(result))
    else:
        result = Run(options, out).run()
        print(ann_tables(result))
        drawn = plot_recall(result, out.with_suffix(".svg"))
        say(f"plot: {out.with_suffix('.svg')}" if drawn else "no plot: no matplotlib")
    say(f"result: {out}")
    return 0


def _options(arguments: argparse.Namespace) -> Options:
    few = arguments.quick or arguments.mode == "build"
    threads = 1 if arguments.mode == "single" else len(allowed_cores())
    minutes = 0.2 if arguments.quick else 1.5
    return Options(
        data=arguments.data,
        peers=tuple(dict.fromkeys(arguments.peers or DEFAULT_PEERS)),
        mode=arguments.mode,
        threads=arguments.threads or threads,
        k=arguments.k,
        levels=tuple(arguments.levels),
        rounds=arguments.rounds or (3 if few else 7),
        minutes=arguments.minutes or minutes,
        seed=arguments.seed,
        quick=arguments.quick,
    )


def _default_out(options: Options) -> Path:
    name = f"{options.data.resolve().stem}-{options.mode}-t{options.threads}"
    return default_file(name, quick=options.quick)


def _work(_: argparse.Namespace) -> int:
    print(work_table())
    return 0


def _add_work(work: argparse.ArgumentParser) -> None:
    work.set_defaults(run=_work)


COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "ann": (_add_ann, "gleann beside its peers"),
    "cluster": (add_cluster, "builds and searches of shards on Ray"),
    "compaction": (add_compaction, "folding beside building"),
    "costs": (add_costs, "what a search's steps take"),
    "curation": (add_curation, "what curation is worth"),
    "data": (add_data, "memory of reading large files"),
    "effort": (add_effort, "lists a query by its effort"),
    "estimators": (add_estimators, "graphs in pipelines"),
    "filters": (add_filters, "recall or speed under filters"),
    "grpc": (add_grpc, "what gRPC leaves of the speed"),
    "growth": (add_growth, "what grows with the rows, and how"),
    "hard": (add_hard, "recall on data hard for small codes"),
    "ingest": (add_ingest, "durable upserts a second"),
    "imports": (add_imports, "what an import costs"),
    "knn-graph": (add_knn_graph, "neighbour graphs of all rows"),
    "kmeans": (_add_kmeans, "our k-means beside faiss'"),
    "memory": (add_memory, "bytes and speed of each layout"),
    "on-disk": (add_on_disk, "memory of a build out of core"),
    "plans": (add_plans, "what long work takes beside its plan"),
    "promise": (add_promise, "whether recall is as asked"),
    "reads": (add_reads, "entries read for each recall"),
    "scale": (add_scale, "millions of rows beside the peers"),
    "selection": (add_selection, "what selection is worth"),
    "service": (add_service, "a server under load"),
    "single": (add_single, "latency of calls of few queries"),
    "table": (add_table, "the recorded results as markdown"),
    "tenants": (add_tenants, "many tenants in one collection"),
    "updates": (add_updates, "searches with newer rows"),
    "work": (_add_work, "work counts on seeded data"),
}
"""What adds the arguments of each command, and its help."""


if __name__ == "__main__":
    sys.exit(main())
