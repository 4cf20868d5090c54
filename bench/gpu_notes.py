"""From a result file of `bench.gpu` to rows for `bench/results/gpu-notes.md`.

    python -m bench.gpu_notes bench/results/gpu.json >> bench/results/gpu-notes.md

A row has a prediction, a measurement and a verdict. Predictions are computed here from
sizes, by the formulas the planner uses; a verdict only says how far apart the two are.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.gpu.reading import short_time
from gleann.index.engines.device.plan.kinds import KINDS
from gleann.index.engines.device.plan.planner import choose_query_tile
from gleann.index.engines.device.plan.roofline import H200, Batch, bounds

Row = dict[str, Any]

TARGETS = {
    ("made-1m-128", 10_000): 3.4e6,
    ("made-10m-96", 10_000): 1.9e6,
    ("made-1m-768", 1000): 0.4e6,
}
"""Queries a second that must be reached at recall 0.95, by workload and batch."""

HEAD = ("what", "prediction", "measurement", "verdict")


def table(result: Row) -> str:
    """The rows of all stages, as a Markdown table under a line that says where."""
    device = result["device"]
    said = f"### {device['name']}, {result['started']}, {result['commit']}"
    lines = [said, "", _line(HEAD), _line(["---"] * len(HEAD))]
    for stage, entry in result["stages"].items():
        told = TELLERS.get(stage, _plain)
        lines += [_line(cells) for row in entry["rows"] for cells in told(result, row)]
        lines += [
            _line((f"{stage}: {skip['what']}", "-", "not measured", skip["why"]))
            for skip in entry["skipped"]
        ]
    return "\n".join(lines) + "\n"


def predicted_seconds(result: Row, row: Row) -> float | None:
    """The least that a list-major scan takes on an H200; None where unknown."""
    data = result["data"][row["set"]]
    kind = row["engine"].rpartition("/")[2]
    if kind not in KINDS or data["nlist"] == "auto":
        return None
    copies = 2 if row["segments"] == "both" else 1
    batch = Batch(
        queries=row["batch"],
        nprobe=row["nprobe"],
        nlist=data["nlist"],
        entries=copies * data["n"],
        dim=data["dim"],
    )
    tile = choose_query_tile(batch.queries_a_list)
    return bounds(batch, kind=kind, on=H200, query_tile=tile).scan


def _search(result: Row, row: Row) -> Iterator[tuple[str, ...]]:
    least = predicted_seconds(result, row)
    what = (
        f"{row['set']} {row['engine']} {row['segments']}, batch {row['batch']},"
        f" recall {row['recall']:.4f}, nprobe {row['nprobe']}"
    )
    taken = row["resident_seconds"]
    to_host = short_time(row["seconds"])
    said = f"{row['qps']:,.0f} QPS ({short_time(taken)}; {to_host} to host)"
    verdict = "no prediction" if least is None else f"{taken / least:.1f}x it"
    target = TARGETS.get((row["set"], row["batch"]))
    if target and row["level"] == 0.95:
        met = "meets" if row["qps"] >= target else "MISSES"
        verdict += f"; {met} {target:,.0f} QPS"
    yield what, "-" if least is None else f"scan >= {short_time(least)}", said, verdict


def _kernel(_: Row, row: Row) -> Iterator[tuple[str, ...]]:
    least = row["predicted_seconds"]
    what = (
        f"scan kernel, {row['entries']:,} x {row['dim']} {row['kind']},"
        f" tile {row['tile']}, batch {row['batch']}"
    )
    said = f"{short_time(row['seconds'])}, {row['tflops']:.0f} TFLOP/s"
    yield what, f">= {short_time(least)}", said, f"{row['seconds'] / least:.1f}x it"


def _coarse(_: Row, row: Row) -> Iterator[tuple[str, ...]]:
    least = row["predicted_seconds"]
    what = (
        f"coarse step by {row['way']}, {row['nlist']:,} lists of d = {row['dim']},"
        f" nprobe {row['nprobe']}, batch {row['batch']}"
    )
    said = f"{short_time(row['seconds'])}, {row['doubted']:.2%} in doubt"
    same = row["same_lists"]
    right = "none compared" if same is None else f"lists {same:.2%} right"
    verdict = f"{row['seconds'] / least:.1f}x it, {right}"
    yield what, f">= {short_time(least)}", said, verdict


def _latency(_: Row, row: Row) -> Iterator[tuple[str, ...]]:
    busy = sum(row["busy"].values())
    what = f"{row['set']} {row['engine']}, one query, nprobe {row['nprobe']}"
    said = f"p50 {short_time(row['p50_seconds'])}, p99 {short_time(row['p99_seconds'])}"
    verdict = f"device busy {short_time(busy)}" if busy else "device time unknown"
    yield what, "30-70 us in a graph", said, verdict


HIDDEN = {"busy", "case"}


def _plain(_: Row, row: Row) -> Iterator[tuple[str, ...]]:
    shown = {key: value for key, value in row.items() if key not in HIDDEN}
    names = [str(value) for value in shown.values() if isinstance(value, str)]
    numbers = [
        f"{key} {value:.4g}"
        for key, value in shown.items()
        if isinstance(value, int | float)
    ]
    yield " ".join(names), "-", ", ".join(numbers), "-"


TELLERS = {
    "search": _search,
    "kernel": _kernel,
    "coarse": _coarse,
    "latency": _latency,
}


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())))
