"""All recorded searches and builds in short, and one line a data set."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.tables import markdown, ratio_of, spread

Result = dict[str, Any]

FORMS = {
    "gleann": "best",
    "gleann-avx512": "AVX-512 VNNI forced",
    "gleann-avx2": "AVX2 forced",
}
RIVALS = {
    "ScaNN": ("scann",),
    "faiss IVF-PQ": ("faiss-ivfpq",),
    "best HNSW": ("hnswlib", "faiss-hnsw", "usearch"),
}
LEVELS = (0.95, 0.99)
HEADLINE = 0.95
"""Recall of the one line a data set."""


def summary(results: dict[str, Result]) -> str:
    """Batches, single queries and builds, against the best of each kind of rival."""
    of_mode = {
        mode: [one for one in results.values() if one.get("mode") == mode]
        for mode in ("batch", "single", "build")
    }
    parts = [
        _searches(of_mode["batch"], "QPS", _qps),
        _searches(of_mode["single"], "p50 us", _p50),
        _builds(of_mode["build"]),
    ]
    return "\n\n".join(part for part in parts if part)


def headline(results: dict[str, Result]) -> str:
    """Batches at one recall, one line per data set, for the front page.

    Rivals that were not run together are in one line, each with the ratio of its own
    run; the speed of gleann is that of the first run.
    """
    lines: dict[str, list[str]] = {}
    for one in results.values():
        if one.get("mode") != "batch":
            continue
        if cells := _line(one, "gleann", HEADLINE, _qps):
            known = lines.setdefault(_data(one), cells)
            lines[_data(one)] = [
                new if old == "-" else old
                for old, new in zip(known, cells, strict=True)
            ]
    head = ["data", "gleann, QPS", *(f"{name} x" for name in RIVALS)]
    return markdown(head, ([data, *cells] for data, cells in lines.items()))


def _searches(results: Sequence[Result], speed: str, shown: Any) -> str:
    rows = [
        [_data(one), str(one["threads"]), FORMS[form], f"{level:g}", *cells]
        for one in results
        for form in FORMS
        for level in LEVELS
        if (cells := _line(one, form, level, shown))
    ]
    head = ["data", "threads", "instruction set", "recall", f"gleann, {speed}"]
    return markdown([*head, *(f"{name} x" for name in RIVALS)], rows) if rows else ""


def _line(result: Result, form: str, level: float, shown: Any) -> list[str]:
    """Speed of a form of gleann at a level, and how many times that of each rival."""
    found = {
        one["theirs"]["name"]: one
        for one in result["comparisons"]
        if one["ours"]["name"] == form and one["level"] == level
    }
    if not found:
        return []
    ours = shown(one["ours"] for one in found.values())
    return [ours, *(_best(result, found, names) for names in RIVALS.values())]


def _best(result: Result, found: dict[str, Result], names: tuple[str, ...]) -> str:
    """The least ratio: against the best of several rivals."""
    here = [found[name] for name in names if name in found]
    if here:
        return ratio_of(min(here, key=lambda one: float(one["ratio"])))
    reports = [result["peers"].get(name, {}) for name in names]
    tried = any(report.get("status") == "measured" for report in reports)
    return "not reached" if tried else "-"


def _qps(sides: Iterable[Result]) -> str:
    return f"{np.median([side['qps'] for side in sides]):,.0f}"


def _p50(sides: Iterable[Result]) -> str:
    return f"{1e6 * np.median([side['p50_seconds'] for side in sides]):.0f}"


def _builds(results: Sequence[Result]) -> str:
    """Each rival's first build parameters against gleann's, which has more lists."""
    rows = []
    for result in results:
        ours, *others = result["builds"]
        rows.append(
            [
                _data(result),
                str(result["threads"]),
                f"{np.median([run['seconds'] for run in ours['runs']]):.2f}",
                *(_built(others, names) for names in RIVALS.values()),
            ]
        )
    head = ["data", "threads", "gleann, build seconds"]
    return markdown([*head, *(f"{name} x" for name in RIVALS)], rows) if rows else ""


def _built(entries: Sequence[Result], names: tuple[str, ...]) -> str:
    here = [one["ratio"] for one in entries if one["peer"] in names and one["ratio"]]
    return spread(min(here, key=lambda ratio: float(ratio["median"]))) if here else "-"


def _data(result: Result) -> str:
    data = result["data"]
    return f"{data['name']} ({data['n']:,} x {data['dim']}, {data['metric']})"
