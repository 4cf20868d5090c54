"""The search part of a recorded `gleann demo`."""

from statistics import median
from typing import Any

from bench.tables import markdown


def demo_table(result: dict[str, Any]) -> str:
    """Exact search and tuned settings at equal recall, then the gRPC calls."""
    speed = result["speed"]
    points = [point for race in speed["raced"].values() for point in race]
    exact = {p["method"]: p for p in points if not p["nprobe"]}
    points = [*exact.values(), *(p for p in points if p["nprobe"])]
    head = ["method", "recall@10", "queries/s (median)", "range", "entries a query"]
    rows = [
        [
            point["method"],
            f"{point['recall']:.3f}",
            f"{point['queries'] / median(point['seconds']):,.0f}",
            f"{point['queries'] / max(point['seconds']):,.0f} to"
            f" {point['queries'] / min(point['seconds']):,.0f}",
            f"{point['entries']:,.0f}",
        ]
        for point in points
    ]
    return "\n\n".join([_setting(result), markdown(head, rows), _wire(speed)])


def _setting(result: dict[str, Any]) -> str:
    machine, speed = result["about"]["machine"], result["speed"]
    built = ", ".join(
        f"{seconds:.1f} s with {method}"
        for method, seconds in speed["build_seconds"].items()
    )
    return (
        f"{speed['n']:,} words, {speed['queries']:,} queries a batch;"
        f" {machine['cores']} cores of {machine['cpu']}, {speed['engine']};"
        f" built in {built}."
    )


def _wire(speed: dict[str, Any]) -> str:
    head = ["queries a call", "in process, queries/s", "gRPC, queries/s", "kept"]
    rows = []
    for point in speed["wire"]:
        local = point["queries"] / median(point["local_seconds"])
        remote = point["queries"] / median(point["remote_seconds"])
        rows.append(
            [
                f"{point['size']:,}",
                f"{local:,.0f}",
                f"{remote:,.0f}",
                f"{remote / local:.0%}",
            ]
        )
    return markdown(head, rows)
