"""The table of `python -m bench selection coverage`."""

from typing import Any

from bench.selection.trials.coverage_populations import HEAVY, MISSING, PLAIN, PROXIES
from bench.tables import markdown

LEAST_SHARE = 0.5
"""Trials with 20 positives or more that a cell needs to be in the table. Where fewer
have them they are lucky draws, and the sum of a lucky draw is too large."""

FEWEST = 40
"""Such trials that another cell needs to be mentioned."""

HEAD = [
    "data, labels, proxy",
    "count: auto / delta",
    "plain values, lowest: auto / delta",
    "flagged",
    "width / ideal",
    "heavy values: misses flagged",
    "coded missing, with a range",
]


def coverage_table(result: dict[str, Any]) -> str:
    """A line a proxy and budget: the lowest coverage of its cells, and the flags."""
    told = result["summary"]
    plain, heavy = told["plain"], told["heavy"]
    said = (
        f"{result['trials']} trials a cell from seed {result['seed']}, confidence 0.95;"
        f" {len(result['rows'])} cells. Answers of 20 positives or more but for counts."
        f" Plain values ({', '.join(PLAIN)}): {plain['answers']:,} answers, coverage"
        f" {plain['covered']:.3f}, {plain['flagged']:.1%} flagged; heavy ones"
        f" ({', '.join(HEAVY)}): {heavy['misses_flagged']:,} of {heavy['misses']:,}"
        f" misses flagged. {_of_lucky_draws(result['rows'])}"
    )
    sets = dict.fromkeys((row["data"], row["budget"]) for row in result["rows"])
    lines = [
        _line([row for row in _of(result, data, budget) if row["proxy"] == proxy])
        for data, budget in sorted(sets)
        for proxy in PROXIES
    ]
    return f"{said}\n\n{markdown(HEAD, [line for line in lines if line])}"


def _of(result: dict[str, Any], data: str, budget: int) -> list[dict[str, Any]]:
    rows = result["rows"]
    return [row for row in rows if (row["data"], row["budget"]) == (data, budget)]


def _line(rows: list[dict[str, Any]]) -> list[str]:
    """Of one data set, budget and proxy; empty without any cell."""
    counts = [row["all"] for row in rows if row["target"] == "count"]
    if not counts:
        return []
    plain = _parts(rows, PLAIN)
    heavy = [part["auto"] for part in _parts(rows, HEAVY)]
    missing = [part["ranged"] for part in _parts(rows, (MISSING,))]
    answers = sum(part["answers"] for part in plain)
    flagged = sum(part["auto"]["flagged"] * part["answers"] for part in plain)
    widths = [part["auto"]["width_over_ideal"] for part in plain]
    first = rows[0]
    told = sum(part["misses_flagged"] for part in heavy)
    return [
        f"{first['data']}, {first['budget']:,}, {first['proxy']}",
        _lowest(counts),
        _lowest(plain),
        f"{flagged / answers:.3f}" if answers else "-",
        f"{min(widths):.2f}-{max(widths):.2f}" if widths else "-",
        f"{told} of {sum(part['misses'] for part in heavy)}" if heavy else "-",
        f"{min(part['coverage'] for part in missing):.3f}" if missing else "-",
    ]


def _parts(rows: list[dict[str, Any]], values: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        row["enough"]
        for row in rows
        if row["target"] != "count"
        and row["values"] in values
        and row["enough"]["answers"] >= LEAST_SHARE * row["trials"]
    ]


def _of_lucky_draws(rows: list[dict[str, Any]]) -> str:
    """The cells of plain values where fewer than half of the draws count."""
    found = [
        row["enough"]["auto"]["coverage"]
        for row in rows
        if row["target"] != "count"
        and row["values"] in PLAIN
        and FEWEST <= row["enough"]["answers"] < LEAST_SHARE * row["trials"]
    ]
    if not found:
        return ""
    return (
        f"Left out are {len(found)} cells of plain values where fewer than half of the"
        " draws have as many: what counts there are lucky draws, whose sums are too"
        f" large (coverage from {min(found):.3f})."
    )


def _lowest(parts: list[dict[str, Any]]) -> str:
    if not parts:
        return "-"
    both = [min(part[name]["coverage"] for part in parts) for name in ("auto", "delta")]
    return f"{both[0]:.3f} / {both[1]:.3f}"
