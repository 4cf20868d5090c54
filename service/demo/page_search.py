"""The report's sections on the service and on speed."""

from gleann.service.demo.result import DemoResult, SpeedResult
from gleann.service.demo.speech import listed
from gleann.service.demo.speed import K, Point
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.markup import Html
from gleann.service.report.numerals import compact, percent
from gleann.service.report.page import Section, figure, paragraph, side_by_side
from gleann.service.report.scales import Axis, axis_over
from gleann.service.report.tables import Cell, best_of, table

LOWEST_RECALL = 0.8
RATE = 5
"""Column of the queries per second in the table of the race."""


def service_section(result: DemoResult) -> Section:
    """Import, build and nearest words, all through gRPC."""
    tour = result.tour
    rows = [
        [word, ", ".join(f"{other} {distance:.2f}" for other, distance in nearest)]
        for word, nearest in tour.nearest.items()
    ]
    return Section(
        title="Through the service",
        body=(
            paragraph(
                f"A server ran on a loopback port. The client had it import"
                f" {tour.count:,} words from a parquet file"
                f" ({tour.import_seconds:.1f} s) and build the index"
                f" ({tour.build_seconds:.1f} s; {tour.nlist:,} lists, engine"
                f" {tour.engine}), then asked for the nearest words of a few words."
            ),
            table(["word", "nearest words, with 1 - cos"], rows),
        ),
    )


def speed_section(result: DemoResult) -> Section:
    """Recall against queries per second, and the overhead of gRPC."""
    speed = result.speed
    body = [
        paragraph(
            f"Held-out words are the queries ({speed.queries:,} in one batch), the"
            f" other {speed.n:,} words the base; recall@{K} is against exact search."
            f" Every method was tuned over nprobe and rerank, and the fastest setting"
            f" that reaches a recall was timed in turns with its rivals, in process,"
            f" by the engine {speed.engine}."
        ),
        side_by_side(
            [
                figure(_curves(speed), caption=_curves_caption(speed)),
                figure(_entries(speed), caption="Entries that a query reads."),
            ]
        ),
        _raced_table(speed),
        *(paragraph(words) for words in _missed_words(speed)),
    ]
    if speed.wire:
        body += [paragraph(_wire_words(speed)), _wire_table(speed)]
    return Section(title="Recall and speed", body=tuple(body))


def at(race: list[Point], method: str) -> Point | None:
    """The point of one method, or None if it missed the recall."""
    return next((point for point in race if point.method == method), None)


def fastest_exact(race: list[Point]) -> Point:
    """The faster exhaustive search, as the baseline."""
    return max((p for p in race if not p.nprobe), key=lambda p: p.qps)


def _curves(speed: SpeedResult) -> Html:
    shown = {
        name: [p for p in points if p.recall >= LOWEST_RECALL]
        for name, points in speed.curves.items()
    }
    series = [
        Series(
            name=name,
            x=[p.recall for p in points],
            y=[p.qps for p in points],
            notes=[_note(p) for p in points],
        )
        for name, points in shown.items()
    ]
    exact = fastest_exact(next(iter(speed.raced.values())))
    edges = [LOWEST_RECALL, 1.0]
    series.append(
        Series(name=exact.method, x=edges, y=[exact.qps] * 2, notes=["", _note(exact)])
    )
    rates = [rate for one in series for rate in one.y]
    return line_chart(
        series,
        x=Axis(label=f"recall@{K}", low=LOWEST_RECALL - 0.005, high=1.005),
        y=axis_over("queries per second", rates, scale="log", write=compact),
    )


def _curves_caption(speed: SpeedResult) -> str:
    return (
        "Up and to the right is better. Points on each line are Pareto-best settings;"
        f" single timings while tuning, batches of up to {speed.queries:,} queries."
    )


def _entries(speed: SpeedResult) -> Html:
    series = [
        Series(
            name=name,
            x=[p.recall for p in points if p.recall >= LOWEST_RECALL],
            y=[p.entries for p in points if p.recall >= LOWEST_RECALL],
        )
        for name, points in speed.curves.items()
    ]
    counts = [count for one in series for count in one.y]
    return line_chart(
        series,
        x=Axis(label=f"recall@{K}", low=LOWEST_RECALL - 0.005, high=1.005),
        y=axis_over("entries read a query", counts, scale="log", write=compact),
    )


def _note(point: Point) -> str:
    return (
        f"{point.method}: recall {point.recall:.4f}, {point.qps:,.0f} queries/s,"
        f" nprobe {point.nprobe}, rerank {point.rerank}"
    )


def _raced_table(speed: SpeedResult) -> Html:
    rows: list[list[Cell]] = []
    best: set[tuple[int, int]] = set()
    for target, race in speed.raced.items():
        rates = [None] * len(rows) + [point.qps for point in race]
        best |= best_of(rates, column=RATE, want="high")
        rows += [_raced_row(speed, target, point, race) for point in race]
    head = ["recall wanted", "method", "nprobe", "rerank", "recall", "queries/s"]
    head += ["range", "entries read", "share", "x exact", "x no spilling"]
    return table(head, rows, best=best)


def _raced_row(
    speed: SpeedResult, target: float, point: Point, race: list[Point]
) -> list[Cell]:
    slow, fast = point.qps_range
    plain = at(race, "no spilling")
    return [
        f"{target:.2f}",
        point.method,
        point.nprobe or None,
        point.rerank or None,
        f"{point.recall:.4f}",
        point.qps,
        f"{compact(slow)} to {compact(fast)}",
        point.entries,
        percent(point.entries / speed.n),
        f"{point.qps / fastest_exact(race).qps:.1f}",
        None if plain is None else f"{point.qps / plain.qps:.2f}",
    ]


def _missed_words(speed: SpeedResult) -> list[str]:
    """Methods that no setting took to a recall."""
    missed = {
        target: [name for name in speed.curves if at(race, name) is None]
        for target, race in speed.raced.items()
    }
    return [
        f"At recall {target}: {listed(names)} did not reach it with any setting that"
        " was tried."
        for target, names in missed.items()
        if names
    ]


def _wire_words(speed: SpeedResult) -> str:
    best = max(speed.wire, key=lambda p: p.kept)
    return (
        f"Through gRPC one client, one call at a time, kept between"
        f" {percent(min(p.kept for p in speed.wire))} and {percent(best.kept)} of the"
        f" in-process rate at the same size of call (SOAR, {speed.wire_params})."
    )


def _wire_table(speed: SpeedResult) -> Html:
    rows: list[list[Cell]] = [
        [p.size, p.local_qps, p.remote_qps, percent(p.kept)] for p in speed.wire
    ]
    head = ["queries a call", "in process, queries/s", "gRPC, queries/s", "kept"]
    return table(head, rows)
