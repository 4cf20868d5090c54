"""`python -m bench table`: the recorded results as markdown, and into the documents.

A document holds tables between two comments, which name a result file without .json, or
"summary" or "headline":

    <!-- results: glove-100-batch-t2 -->
    <!-- end of results -->

So no number in a table is typed by hand; a test compares documents and results.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cluster.command import PARTS as CLUSTER_PARTS
from bench.cluster.command import cluster_table
from bench.cluster.scale_part import scale_tables
from bench.curation.command import curation_table
from bench.curation.parts import PARTS
from bench.demo_table import demo_table
from bench.filtered.speed import speed_table
from bench.filtered.tenants import tenants_table
from bench.graphs.result import graph_table
from bench.measures.compaction import compaction_table
from bench.measures.costs import costs_table
from bench.measures.data_memory import data_table
from bench.measures.effort import effort_table
from bench.measures.estimators import estimators_table
from bench.measures.filters import filters_table
from bench.measures.grpc_calls import grpc_table
from bench.measures.hard import hard_table
from bench.measures.imports import imports_table
from bench.measures.ingest import ingest_table
from bench.measures.kmeans import kmeans_table
from bench.measures.memory import memory_table
from bench.measures.on_disk import on_disk_table
from bench.measures.promise import promise_table
from bench.measures.updates import updates_table
from bench.plans.command import plans_table
from bench.records import RESULTS, read_results
from bench.say import say
from bench.scale.growth_table import growth_table
from bench.scale.scale_table import scale_table
from bench.selection.proxy_choices import choices_table
from bench.selection.tables.coverage_table import coverage_table
from bench.selection.tables.defaults_table import defaults_table
from bench.selection.tables.pools_table import pools_table
from bench.selection.tables.rounds_tables import rounds_tables
from bench.selection.tables.tasti_table import tasti_table
from bench.selection.tables.widths_table import widths_table
from bench.service.command import SCENARIOS, service_table
from bench.summary import headline, summary
from bench.tables import build_table, speed_tables

TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "batch": speed_tables,
    "batch100": speed_tables,
    "single": speed_tables,
    "build": build_table,
    "compaction": compaction_table,
    "costs": costs_table,
    "data": data_table,
    "effort": effort_table,
    "estimators": estimators_table,
    "filter-speed": speed_table,
    "filters": filters_table,
    "growth": growth_table,
    "grpc": grpc_table,
    "hard": hard_table,
    "imports": imports_table,
    "ingest": ingest_table,
    "kmeans": kmeans_table,
    "knn-graph": graph_table,
    "memory": memory_table,
    "on-disk": on_disk_table,
    "plans": plans_table,
    "promise": promise_table,
    "scale": scale_table,
    "selection-choices": choices_table,
    "selection-coverage": coverage_table,
    "selection-defaults": defaults_table,
    "selection-pools": pools_table,
    "selection-rounds": rounds_tables,
    "selection-tasti": tasti_table,
    "selection-widths": widths_table,
    "tenants": tenants_table,
    "updates": updates_table,
    **{f"cluster-{name}": cluster_table for name in CLUSTER_PARTS},
    **{f"curation-{name}": curation_table for name in PARTS},
    **{f"service-{name}": service_table for name in SCENARIOS},
}
"""By the `mode` of a result; the rest have documents of their own."""

_BLOCK = re.compile(
    r"(<!-- results: (?P<name>[\w-]+) -->\n).*?(<!-- end of results -->)", re.DOTALL
)


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    parser.add_argument(
        "--into",
        type=Path,
        nargs="+",
        default=[],
        metavar="DOCUMENT",
        help="renew the tables of these instead of printing all",
    )
    parser.set_defaults(run=run_table)


def run_table(arguments: argparse.Namespace) -> int:
    """Print every table, or renew those of documents."""
    results = read_results(arguments.results)
    for document in arguments.into:
        document.write_text(filled(document.read_text(), results))
        say(f"renewed {document}")
    if not arguments.into:
        print("\n\n".join(f"## {name}\n\n{text}" for name, text in tables(results)))
    return 0


def tables(results: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """Both summaries, and the table of every result that has one."""
    found = [("headline", headline(results)), ("summary", summary(results))]
    for name, result in results.items():
        if (make := _maker(result)) is not None:
            found.append((name, make(result)))
        if result.get("mode") == "cluster-scale":
            found += scale_tables(result).items()
    return found


def filled(text: str, results: dict[str, dict[str, Any]]) -> str:
    """The document with its tables renewed.

    Raises:
        KeyError: it names a result that is not there, or has no table.
    """
    known = dict(tables(results))

    def block(found: re.Match[str]) -> str:
        before, name, after = found[1], found["name"], found[3]
        return f"{before}\n{known[name]}\n\n{after}"

    return _BLOCK.sub(block, text)


def _maker(result: dict[str, Any]) -> Callable[[dict[str, Any]], str] | None:
    if {"scale", "tour", "speed"} <= result.keys():
        return demo_table
    return TABLES.get(result.get("mode", ""))
