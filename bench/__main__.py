"""The command line: `python -m bench COMMAND`; `--help` lists the commands."""

import argparse
import sys
from pathlib import Path

from bench.ann import Options, Run
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
    _add_ann(commands.add_parser("ann", help="gleann beside its peers"))
    add_compaction(commands.add_parser("compaction", help="folding beside building"))
    add_costs(commands.add_parser("costs", help="what a search's steps take"))
    add_curation(commands.add_parser("curation", help="what curation is worth"))
    add_data(commands.add_parser("data", help="memory of reading large files"))
    add_effort(commands.add_parser("effort", help="lists a query by its effort"))
    add_estimators(commands.add_parser("estimators", help="graphs in pipelines"))
    add_filters(commands.add_parser("filters", help="recall or speed under filters"))
    add_grpc(commands.add_parser("grpc", help="what gRPC leaves of the speed"))
    add_growth(commands.add_parser("growth", help="what grows with the rows, and how"))
    add_hard(commands.add_parser("hard", help="recall on data hard for small codes"))
    add_ingest(commands.add_parser("ingest", help="durable upserts a second"))
    add_imports(commands.add_parser("imports", help="what an import costs"))
    add_knn_graph(commands.add_parser("knn-graph", help="neighbour graphs of all rows"))
    _add_kmeans(commands.add_parser("kmeans", help="our k-means beside faiss'"))
    add_memory(commands.add_parser("memory", help="bytes and speed of each layout"))
    add_on_disk(commands.add_parser("on-disk", help="memory of a build out of core"))
    add_plans(commands.add_parser("plans", help="what long work takes beside its plan"))
    add_promise(commands.add_parser("promise", help="whether recall is as asked"))
    add_reads(commands.add_parser("reads", help="entries read for each recall"))
    add_scale(commands.add_parser("scale", help="millions of rows beside the peers"))
    add_selection(commands.add_parser("selection", help="what selection is worth"))
    add_service(commands.add_parser("service", help="a server under load"))
    add_single(commands.add_parser("single", help="latency of calls of few queries"))
    add_table(commands.add_parser("table", help="the recorded results as markdown"))
    add_tenants(commands.add_parser("tenants", help="many tenants in one collection"))
    add_updates(commands.add_parser("updates", help="searches with newer rows"))
    work = commands.add_parser("work", help="work counts on seeded data")
    work.set_defaults(run=_work)
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
    ann.add_argument("--threads", type=int, help="default: all cores; 1 with single")
    ann.add_argument("--k", type=int, default=10)
    ann.add_argument("--levels", type=float, nargs="+", default=[0.90, 0.95, 0.99])
    ann.add_argument("--rounds", type=int, help="default: 7, 3 with build or --quick")
    ann.add_argument(
        "--minutes", type=float, help="tuning budget of a peer (default 1.5)"
    )
    ann.add_argument("--seed", type=int, default=0)
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
    kmeans.add_argument("--nlist", type=int, help="default: about 2 sqrt(n)")
    kmeans.add_argument("--iterations", type=int, default=10)
    kmeans.add_argument("--rounds", type=int, default=3)
    kmeans.add_argument("--threads", type=int, default=len(allowed_cores()))
    kmeans.add_argument("--seed", type=int, default=0)
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


if __name__ == "__main__":
    sys.exit(main())
