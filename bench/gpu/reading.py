"""What of a result is read first, as lines of text: `bench/GPU.md` says why."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bench.gpu.unit import Unit

Row = dict[str, Any]

KERNELS_SHOWN = 8
"""Of those that keep the device busy, the longest."""


def first_lines(result: Row, units: Iterable[Unit]) -> Iterator[str]:
    """The device, then each stage: its rows, then what is missing.

    Args:
        result: as `bench.gpu` writes it.
        units: that were asked for, to name those with nothing in it.
    """
    device = result.get("device", {})
    yield f"== {device.get('name')}, commit {result.get('commit')}"
    if result.get("uncommitted"):
        yield "!! the tree had uncommitted changes"
    stages = result.get("stages", {})
    asked = list(units)
    for stage in dict.fromkeys(unit.stage for unit in asked):
        entry = stages.get(stage)
        if entry is None:
            yield f"!! {stage}: not begun"
            continue
        yield f"== {stage}"
        for row in entry["rows"]:
            yield "  " + LINES.get(stage, _plain)(row)
        for unit in asked:
            if unit.stage == stage and unit.key not in entry["finished"]:
                yield f"!! {unit.title}: not whole"
        for skip in entry["skipped"]:
            yield f"!! {skip['what']}: {skip['why'][:300]}"


def _search(row: Row) -> str:
    ours = f"{row['set']} {row['engine']} {row['segments']} recall {row['recall']:.4f}"
    same = "-" if row["same_rows"] is None else f"{row['same_rows']:.4f}"
    return (
        f"{ours} nprobe={row['nprobe']} inner={row['inner_dimension']}"
        f" batch={row['batch']} same_rows={same} qps={row['qps']:,.0f}"
        f" ({_us(row['resident_seconds'])}, host to host {_us(row['seconds'])},"
        f" on the device {_us(row['on_device_seconds'])}){_uncertain(row)}{_busy(row)}"
    )


def _latency(row: Row) -> str:
    return (
        f"{row['set']} {row['engine']} nprobe={row['nprobe']}"
        f" p50={_us(row['p50_seconds'])} p99={_us(row['p99_seconds'])}{_busy(row)}"
    )


def _kernel(row: Row) -> str:
    return (
        f"{row['entries']:,} x {row['dim']} {row['kind']} tile={row['tile']}"
        f" batch={row['batch']}: {_us(row['seconds'])}"
        f" (at least {_us(row['predicted_seconds'])}), {row['tflops']:.0f} TFLOP/s"
    )


def _coarse(row: Row) -> str:
    return (
        f"{row['way']} {row['nlist']:,} lists batch={row['batch']}:"
        f" {_us(row['seconds'])} same_lists={row['same_lists']}"
        f" doubted={row['doubted']:.4f}"
    )


def _machine(row: Row) -> str:
    if "seconds" not in row:
        return _plain(row)
    return f"{row['what']}: {_us(row['seconds'])}"


def _peers(row: Row) -> str:
    return (
        f"{row['set']} {row['peer']} recall {row['recall']:.4f}"
        f" effort={row['effort']} batch={row['batch']} qps={row['qps']:,.0f}"
        f" ({_us(row['seconds'])}, on the device {_us(row['on_device_seconds'])})"
        f" built in {row['build_seconds']:.1f} s"
    )


def _plain(row: Row) -> str:
    shown = {name: value for name, value in row.items() if name not in HIDDEN}
    return " ".join(f"{name}={short(value)}" for name, value in shown.items())


HIDDEN = {"case", "busy"}
LINES: dict[str, Callable[[Row], str]] = {
    "search": _search,
    "latency": _latency,
    "kernel": _kernel,
    "coarse": _coarse,
    "machine": _machine,
    "peers": _peers,
}


def _uncertain(row: Row) -> str:
    if "uncertain_qps" not in row:
        return ""
    return (
        f" without a second look qps={row['uncertain_qps']:,.0f}"
        f" recall {row['uncertain_recall']:.4f}"
    )


def _busy(row: Row) -> str:
    """The kernels that take longest, and the time in which none runs."""
    busy = sorted(row["busy"].items(), key=lambda item: -item[1])
    if not busy:
        return ""
    parts = [f"\n      {_us(taken):>10} {name}" for name, taken in busy]
    total = f"\n      {_us(sum(row['busy'].values())):>10} in {len(busy)} kernels"
    return "".join([*parts[:KERNELS_SHOWN], total])


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} us"


def short_time(seconds: float) -> str:
    """A time in us, or in ms from one on."""
    return f"{seconds * 1e6:.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def short(value: Any) -> str:
    """A value to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
