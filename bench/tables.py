"""Results as markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.provenance import BUSY_LOAD

OVERUSE = 1.15
"""More CPU seconds a second than threads times this are reported."""


def ann_tables(result: dict[str, Any]) -> str:
    """Speed at equal recall, missing results, and the settings."""
    return "\n\n".join([speed_tables(result), _settings_table(result)]).rstrip()


def speed_tables(result: dict[str, Any]) -> str:
    """Speed at equal recall, entries read by the forms of gleann, missing results."""
    ours = list(dict.fromkeys(found["ours"]["name"] for found in result["comparisons"]))
    parts = [title(result)]
    parts += [_speed_table(result, name) for name in ours]
    parts += [_work_table(result), notes(result)]
    return "\n\n".join(part for part in parts if part)


def build_table(result: dict[str, Any]) -> str:
    """Seconds and memory of every build."""
    n = result["data"]["n"]
    rows = [
        [
            entry["peer"],
            _params(entry["build"]),
            _median(run["seconds"] for run in entry["runs"]),
            spread(entry["ratio"]),
            _mib(run["peak_anonymous_bytes"] for run in entry["runs"]),
            f"{np.median([r['serving_bytes'] for r in entry['runs']]) / n:.0f}",
        ]
        for entry in result["builds"]
        if entry["runs"]
    ]
    head = [
        "peer",
        "build",
        "seconds",
        "ratio to the first",
        "peak MiB",
        "bytes a vector",
    ]
    failed = [
        f"- {entry['peer']} {_params(entry['build'])} failed: {entry['failure']}"
        for entry in result["builds"]
        if entry["failure"]
    ]
    parts = [title(result), markdown(head, rows), "\n".join(failed), notes(result)]
    return "\n\n".join(part for part in parts if part)


def title(result: dict[str, Any]) -> str:
    """The measurement and its machine."""
    data, machine = result["data"], result["machine"]
    flags = [name for name in ("amx", "vnni", "avx512", "avx2") if machine[name]]
    quick = ", QUICK (not a measurement)" if result["quick"] else ""
    return (
        f"{data['name']} ({data['n']} x {data['dim']}, {data['metric']}), mode"
        f" {result['mode']}, {result['threads']} thread(s), k = {result['k']}{quick};"
        f" {machine['cpu']}, {machine['cores']} cores, {' '.join(flags)}"
    )


def notes(result: dict[str, Any]) -> str:
    """Skipped, failed, dropped and doubtful results."""
    lines = []
    for name, report in result["peers"].items():
        if report.get("status") in ("skipped", "failed"):
            lines.append(f"- {name} {report['status']}: {report['reason']}")
        dropped = report.get("dropped", [])
        if dropped:
            lines.append(f"- {name}: {len(dropped)} settings dropped, see the file")
    lines += [f"- failed: {reason}" for reason in result.get("failures", [])]
    return "\n".join([*lines, *_overuse(result), *busy(result)])


def busy(result: dict[str, Any]) -> list[str]:
    """A warning, where others used the machine when the run began."""
    if result["load_at_start"] <= BUSY_LOAD:
        return []
    return [
        f"- the machine was busy (load {result['load_at_start']} at the start):"
        " its timings are noisy, the ratios of alternating rounds less so"
    ]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _speed_table(result: dict[str, Any], ours: str) -> str:
    """One line a peer: speed at each level, and how many times faster `ours` is."""
    levels = result["levels"]
    found = {
        (one["theirs"]["name"], one["level"]): one
        for one in result["comparisons"]
        if one["ours"]["name"] == ours
    }
    single = result["mode"] == "single"
    speed = "p50 / p99 us" if single else "QPS"
    head = ["peer"]
    for level in levels:
        head += [f"{speed} at recall {level}", f"{ours} is faster by"]
    rows = [_own_line(ours, levels, list(found.values()), single=single)]
    for name in dict.fromkeys(name for name, _ in found):
        line = [name]
        for level in levels:
            one = found.get((name, level))
            line += ["not reached", ""] if one is None else _cells(one, single=single)
        rows.append(line)
    return markdown(head, rows)


def _own_line(
    ours: str, levels: Sequence[float], found: list[dict[str, Any]], *, single: bool
) -> list[str]:
    line = [f"**{ours}**"]
    for level in levels:
        sides = [one["ours"] for one in found if one["level"] == level]
        line += [_speed(sides, single=single) if sides else "not reached", ""]
    return line


def _cells(one: dict[str, Any], *, single: bool) -> list[str]:
    return [_speed([one["theirs"]], single=single), ratio_of(one)]


def ratio_of(one: dict[str, Any]) -> str:
    """Speed-up of ours in a comparison, with its spread."""
    return spread({"median": one["ratio"], "low": one["low"], "high": one["high"]})


def _speed(sides: list[dict[str, Any]], *, single: bool) -> str:
    """Median over all timings of one peer at one level."""
    if single:
        halves = [
            np.median([side[f"{p}_seconds"] for side in sides]) for p in ("p50", "p99")
        ]
        return " / ".join(f"{1e6 * seconds:.0f}" for seconds in halves)
    return f"{np.median([side['qps'] for side in sides]):,.0f}"


def _settings_table(result: dict[str, Any]) -> str:
    rows = [
        [
            name,
            str(level),
            f"{side['recall']:.4f}",
            f"{side['qps']:,.0f}",
            _params(side["search"]),
            _params(side["build"]),
            f"{np.median(side['cores']):.2f}",
        ]
        for (name, level), side in _sides(result).items()
    ]
    head = ["peer", "level", "recall", "QPS", "search", "build", "cores used"]
    return markdown(head, rows) if rows else ""


def _work_table(result: dict[str, Any]) -> str:
    """Work counts per query, of the peers that report them."""
    counts = ("lists_probed", "entries_scanned", "survivors", "reranked")
    rows = [
        [name, str(level), side["work"]["engine"]]
        + [f"{side['work']['spilled_share']:.0%}"]
        + [f"{side['work'][count]:,.0f}" for count in counts]
        for (name, level), side in _sides(result).items()
        if side["work"]
    ]
    head = ["form", "recall", "engine", "rows spilled", "lists a query"]
    head += ["entries scanned", "survivors", "re-ranked"]
    return markdown(head, rows) if rows else ""


def _sides(result: dict[str, Any]) -> dict[tuple[str, float], dict[str, Any]]:
    """A side for every peer and level, the first that was timed."""
    sides: dict[tuple[str, float], dict[str, Any]] = {}
    for one in result["comparisons"]:
        for side in (one["ours"], one["theirs"]):
            sides.setdefault((side["name"], one["level"]), side)
    for one in result.get("alone", []):
        sides.setdefault((one["side"]["name"], one["level"]), one["side"])
    return sides


def _overuse(result: dict[str, Any]) -> list[str]:
    limit = OVERUSE * result["threads"]
    over = {
        side["name"]
        for one in result.get("comparisons", [])
        for side in (one["ours"], one["theirs"])
        if max(side["cores"]) > limit
    }
    return [f"- {name} used more than its threads" for name in sorted(over)]


def _params(params: dict[str, Any]) -> str:
    return " ".join(
        f"{name}={value}" for name, value in params.items() if name != "seed"
    )


def spread(ratio: dict[str, float] | None) -> str:
    """A ratio's median, minimum and maximum; empty without a ratio."""
    if ratio is None:
        return ""
    return f"{ratio['median']:.2f}x ({ratio['low']:.2f}..{ratio['high']:.2f})"


def _median(values: Iterable[float]) -> str:
    return f"{np.median(list(values)):.2f}"


def _mib(values: Iterable[float]) -> str:
    return f"{np.median(list(values)) / 2**20:,.0f}"
