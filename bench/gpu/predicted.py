"""Rows of predictions for `bench/results/gpu-notes.md`, out of the counts.

    python -m bench.gpu.predicted

writes them into the notes, between two lines that say so. Measurements are filled in by
hand beside the notes' own tables, or by `bench.gpu_notes`: here they are "-".
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.gpu.launches import RERANK, SETTINGS, Setting
from bench.gpu.predict import (
    LAUNCH,
    SPILLED,
    WORK,
    Search,
    Taken,
    search_of,
    step_seconds,
    taken_by,
)
from bench.gpu.reading import short_time
from bench.provenance import ROOT
from gleann.index.engines.device.plan.planner import (
    choose_query_tile,
    choose_segments,
    least_seconds,
)
from gleann.index.engines.device.plan.roofline import H100, H200, Batch, Ceilings

Entry = dict[str, Any]

COUNTS = ROOT / "bench/results/gpu-counts.json"
NOTES = ROOT / "bench/results/gpu-notes.md"
BEGIN = "<!-- written by bench.gpu.predicted -->"
END = "<!-- until here -->"

LABELS = ("before", "after")

FLAGGED = 0.087
"""Queries that the first pass left uncertain; see
`index/engines/device/DECISIONS.md` 1."""

SECOND_PASS = 0.3e-3, 0.6e-3
"""Before it was recorded, as estimated by hand: some 35 launches and four waits if any
query is uncertain, and scoring, merging and re-ranking for 10,000 queries. Since then
it is a part of the step."""

ANSWERS = 60e-6, 440e-6
"""Before they came as one array, by the same estimate: a dozen launches, and two
copies into pageable memory for 10,000 queries."""

BUS = 5e10
"""Bytes a second into page-locked memory."""

DECODE = 1.3e-9
"""Of an answer on the host, as measured here on one core: 0.13 ms for 100,000."""

REPLAY = 15e-6
"""To launch a graph, to copy queries to where it reads them, and to wait for it."""

NEIGHBOURS = 10

RERANK_BYTES = 60
"""A value that torch re-ranks in float64: read, written and read again, five times."""

LARGE, LISTS_16K, LONG, ONE = SETTINGS

TAIL = {"merge_keys", "merge_runs", "rerank_rows"}
RANKING = {"rank_lists", "group_peaks", "best_lists"}


@dataclass(frozen=True, slots=True)
class Target:
    """A search, the least that is wanted of it and what is aimed at, in queries a
    second."""

    setting: Setting
    least: float
    aim: float


TARGETS = (
    Target(LARGE, 3.4e6, 8e6),
    Target(LISTS_16K, 1.9e6, 3.5e6),
    Target(LONG, 0.4e6, 0.6e6),
)


def search_seconds(
    setting: Setting, label: str, counts: Entry, *, on: Ceilings
) -> float:
    """A whole search: the step, what follows it, and the answers on the host."""
    step = sum(step_seconds(search_of(setting), counts, on=on).values())
    if label == "before":
        chance, share = min(1.0, FLAGGED * setting.queries), setting.queries / 10_000
        again = chance * SECOND_PASS[0] + share * SECOND_PASS[1]
        return step + REPLAY + again + ANSWERS[0] + share * ANSWERS[1]
    return step + REPLAY + answers_seconds(setting)


def answers_seconds(setting: Setting) -> float:
    """Keys of 8 bytes over the bus, and decoded."""
    return NEIGHBOURS * setting.queries * (8 / BUS + DECODE)


def kernel_taken(
    setting: Setting, names: set[str], counts: Entry, *, on: Ceilings
) -> list[Taken]:
    """The launches of some kernels in a recorded step, in order."""
    search = search_of(setting)
    return [
        taken_by(WORK[kernel["name"]](search, kernel), counts, on=on)
        for kernel in counts["launches"][setting.name]["kernels"]
        if kernel["name"] in names
    ]


def searches(results: Entry) -> Iterator[tuple[str, ...]]:
    """A row for each target, and for the delay of one query."""
    for target in TARGETS:
        setting = target.setting
        batch = f"{setting.name}, {setting.nprobe} probes with copies, {setting.kind}"
        wanted = f"at least {_millions(target.least)}, aim {_millions(target.aim)}"
        yield batch, *_both(results, setting, on=H200), wanted, "-"
        yield "the same on an H100", *_both(results, setting, on=H100), wanted, "-"
    name = f"{ONE.name}, {ONE.nprobe} probes, one query after another"
    cells = _cells(
        results, lambda label, of: short_time(search_seconds(ONE, label, of, on=H200))
    )
    yield name, *cells, "at least 300 us, aim 150 us", "-"


def _both(results: Entry, setting: Setting, *, on: Ceilings) -> Iterator[str]:
    def cell(label: str, counts: Entry) -> str:
        seconds = search_seconds(setting, label, counts, on=on)
        return f"{short_time(seconds)}: {_millions(setting.queries / seconds)}"

    return _cells(results, cell)


def _cells(results: Entry, cell: Callable[[str, Entry], str]) -> Iterator[str]:
    """A cell for each label; "-" where it is not counted yet."""
    for label in LABELS:
        yield cell(label, results[label]) if label in results else "-"


def experiments(results: Entry) -> Iterator[tuple[str, ...]]:
    """A row for each change P1 to P8, by what it changes of a step."""
    rows = LARGE.queries * RERANK * LARGE.dim
    by_torch = RERANK_BYTES * rows / H200.bytes_a_second + 80 * LAUNCH
    before = {
        "P1": f"{short_time(by_torch)}, by torch",
        "P4": f"{short_time(sum(SECOND_PASS))}, outside of the graph",
        "P5": short_time(sum(ANSWERS)),
    }
    for name, setting, kernels in EXPERIMENTS:
        first, second = _cells(
            results, lambda _, of, s=setting, k=kernels: _launches(s, k, of)
        )
        first = before.get(name[:2], first)
        yield f"{name}, {setting.name}", first, second, "-", "-"
    yield (
        f"P5 answers to the host, {LARGE.name}",
        before["P5"],
        short_time(answers_seconds(LARGE)),
        "-",
        "-",
    )
    for setting in SETTINGS:
        cells = _cells(results, lambda _, of, s=setting: _step(s, of))
        yield f"P6 launches of a step, {setting.name}", *cells, "-", "-"


EXPERIMENTS = (
    ("P1 re-ranking", LARGE, {"rerank_rows"}),
    ("P2 merge", LARGE, {"merge_keys", "merge_runs"}),
    ("P3 scan with its folds", LARGE, {"scan_lists"}),
    ("P4 scoring again what is flagged", LARGE, {"score_pairs"}),
    ("P7 scan, merge, re-ranking", ONE, {"scan_pairs", *TAIL}),
    ("P8 coarse step", LARGE, RANKING),
    ("P8 coarse step", LISTS_16K, RANKING),
)
"""With the kernels that each is about."""


SHAPES = (
    ("1M x 128", 1_000_000, LARGE, (15, 30)),
    ("10M x 96", 10_000_000, LISTS_16K, (24, 48)),
    ("1M x 768", 1_000_000, LONG, (20, 40)),
)
"""Name, rows, a search of them, and probes of recall 0.95 with copies and without."""


def batches(rows: int, setting: Setting, probes: tuple[int, int]) -> tuple[Batch, ...]:
    """The same search with second copies, and without."""
    return tuple(
        Batch(
            queries=setting.queries,
            nprobe=nprobe,
            nlist=setting.nlist,
            entries=round(rows * copies),
            dim=setting.dim,
        )
        for nprobe, copies in zip(probes, (1 + SPILLED, 1), strict=True)
    )


def scans(results: Entry) -> Iterator[tuple[str, ...]]:
    """The scan alone: with copies and without, at the probes of equal recall."""
    for name, rows, setting, probes in SHAPES:
        pair = batches(rows, setting, probes)
        for segments, batch in zip(("both", "primary"), pair, strict=True):
            for kind in ("bf16", "int8"):
                what = (
                    f"{name}, {setting.nlist:,} lists, {segments}, {batch.nprobe}"
                    f" probes, batch {setting.queries:,}, {kind}"
                )
                search = Search(name=setting.name, batch=batch, kind=kind)
                cells = _cells(results, lambda _, of, s=search: _scan(s, of))
                yield what, *cells, "-", "-"


def choices() -> Iterator[tuple[str, ...]]:
    """What the planner reckons with and without second copies, and takes."""
    for name, rows, setting, probes in SHAPES:
        both, primary = batches(rows, setting, probes)
        for kind in ("bf16", "int8"):
            costs = (
                least_seconds(batch, kind=kind, on=H200) for batch in (both, primary)
            )
            chosen = choose_segments(both, primary, kind=kind, on=H200)
            what = f"{name}, batch {setting.queries:,}, {kind}"
            yield what, *(short_time(cost) for cost in costs), chosen, "-", "-"


def _scan(search: Search, counts: Entry) -> str:
    tile = choose_query_tile(search.batch.queries_a_list)
    while (
        f"scan_lists d={search.batch.dim} {search.kind} tile {tile}"
        not in (counts["kernels"])
    ):
        tile //= 2
    kernel = {"numbers": {"QUERIES": tile}}
    taken = taken_by(WORK["scan_lists"](search, kernel), counts, on=H200)
    least = max(taken.issue, taken.memory, taken.matrix)
    return (
        f"{short_time(taken.seconds)} by {taken.bound_by} (tile {tile}; no less than"
        f" {short_time(least)})"
    )


def _launches(setting: Setting, kernels: set[str], counts: Entry) -> str:
    taken = kernel_taken(setting, kernels, counts, on=H200)
    if not taken:
        return "no kernel of its own"
    seconds = sum(one.seconds for one in taken)
    longest = max(taken, key=lambda one: one.seconds)
    return f"{short_time(seconds)}, bound by {longest.bound_by}"


def _step(setting: Setting, counts: Entry) -> str:
    total = counts["launches"][setting.name]["total"]
    return f"{total} launches, {short_time(total * LAUNCH)}"


def _millions(rate: float) -> str:
    return f"{rate / 1e6:.2f}M a second"


CHOICE_HEAD = ("what", "copies", "primaries", "taken", "measured", "verdict")


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def written(results: Entry) -> str:
    """All tables, between the two lines that mark them."""
    commits = ", ".join(
        f"{label} is commit {entry['commit'][:8]}" for label, entry in results.items()
    )
    head = ("what", *LABELS)
    return "\n\n".join(
        [
            BEGIN,
            f"Predicted for an H200 unless said; {commits}.",
            "### Whole searches, answers on the host",
            _table((*head, "wanted", "measured"), searches(results)),
            "### By experiment, batch 10,000 of 1M x 128 unless said",
            _table((*head, "measured", "verdict"), experiments(results)),
            "### The scan alone",
            _table((*head, "measured", "verdict"), scans(results)),
            "### Copies against primaries: scan and merge, by the planner's model",
            _table(CHOICE_HEAD, choices()),
            END,
        ]
    )


def main() -> None:
    """Write the tables into the notes."""
    notes = NOTES.read_text()
    before, _, rest = notes.partition(BEGIN)
    _, _, after = rest.partition(END)
    NOTES.write_text(before + written(json.loads(COUNTS.read_text())) + after)


if __name__ == "__main__":
    main()
