"""The tables of a recorded `growth` result."""

from typing import Any

from bench.scale.fit import growth_of
from bench.tables import busy, markdown

Cells = dict[int, dict[str, Any]]


def growth_table(result: dict[str, Any]) -> str:
    """The exponents of each set, and what was measured of each size."""
    sets = _by_set(result)
    head = (
        f"m5 and the like: drawn, {result['dim']} dimensions, cosine;"
        f" {result['queries']:,} held-out queries, recall@10, spill"
        f" {result['spill']}, seed {result['seed']}"
    )
    parts = [head, _exponents(sets, result["levels"]), _sizes(sets, result["levels"])]
    return "\n\n".join(part for part in [*parts, *busy(result)] if part)


def _by_set(result: dict[str, Any]) -> dict[str, Cells]:
    sets: dict[str, Cells] = {}
    for key, cell in result["cells"].items():
        name, n = key.rsplit("/", maxsplit=1)
        sets.setdefault(name, {})[int(n)] = cell
    return {name: dict(sorted(cells.items())) for name, cells in sets.items()}


def _exponents(sets: dict[str, Cells], levels: list[float]) -> str:
    """A line a set: how entries grow at each recall."""
    head = ["set", "rows", "TwoNN", "before embedding"]
    for level in levels:
        head += [f"exponent at {level}", "95 % interval", "last step"]
    lines = []
    for name, cells in sets.items():
        done = {n: cell for n, cell in cells.items() if "search" in cell}
        if len(done) < 2:
            continue
        line = [name, f"{min(done):,} to {max(done):,}", *_dimensions(done)]
        for at in range(len(levels)):
            counts = [cell["search"]["levels"][at]["entries"] for cell in done.values()]
            line += _exponent(list(done), counts)
        lines.append(line)
    return markdown(head, lines) if lines else ""


def _exponent(sizes: list[int], counts: list[float]) -> list[str]:
    growth = growth_of(sizes, counts)
    if growth is None:
        return ["", "", ""]
    interval = ""
    if growth.low is not None and growth.high is not None:
        interval = f"{growth.low:.2f} to {growth.high:.2f}"
    return [f"{growth.exponent:.3f}", interval, f"{growth.last:.3f}"]


def _dimensions(cells: Cells) -> list[str]:
    """TwoNN at the least and most rows, and of the rows before they were embedded."""
    truths = [cell["truth"] for cell in cells.values() if "truth" in cell]
    if not truths:
        return ["", ""]
    ends = {f"{truth['two_nn']:.1f}": None for truth in (truths[0], truths[-1])}
    before = truths[0].get("two_nn_before")
    return [" to ".join(ends), "" if before is None else f"{before:.1f}"]


def _sizes(sets: dict[str, Cells], levels: list[float]) -> str:
    """A line a cell."""
    head = ["set", "rows", "lists", "spill", "build s", "build MiB"]
    for level in levels:
        head += [f"entries at {level}", "lists probed", "planned / least", "QPS"]
    head += ["bytes a row", "opened MiB"]
    lines = []
    for name, cells in sets.items():
        for n, cell in cells.items():
            lines.append([name, f"{n:,}", *_built(cell), *_searched(cell, len(levels))])
    return markdown(head, lines)


def _built(cell: dict[str, Any]) -> list[str]:
    built = cell.get("build")
    if built is None:
        return [""] * 4
    return [
        f"{built['nlist']:,}",
        built["spill"],
        f"{built['seconds']:.1f}",
        f"{built['peak_anonymous_bytes'] / 2**20:,.0f}",
    ]


def _searched(cell: dict[str, Any], levels: int) -> list[str]:
    found = cell.get("search")
    if found is None:
        return [""] * (4 * levels + 2)
    line = []
    for at in found["levels"]:
        least = at["least"]
        reached = "" if least["recall"] >= at["asked"] else " (missed)"
        line += [
            f"{at['entries']:,.0f}{reached}",
            f"{least['nprobe']:,}",
            f"{at['planned']['entries'] / at['entries']:.2f}",
            f"{at['qps']:,.0f}",
        ]
    line.append(f"{sum(found['bytes_a_row'].values()):.0f}")
    return [*line, f"{found['opened_bytes'] / 2**20:,.0f}"]
