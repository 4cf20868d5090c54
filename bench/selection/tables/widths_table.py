"""The tables of `python -m bench selection widths`, from its result."""

from typing import Any

from bench.tables import markdown

LOOKS = {
    "plain, all rounds hold": "plain_all_hold",
    "plain, width / truth": "plain_width",
    "anytime, all rounds hold": "anytime_all_hold",
    "anytime, width / truth": "anytime_width",
}


def widths_table(result: dict[str, Any]) -> str:
    """Labels to a width, stopping at one, and intervals that hold at every look."""
    said = (
        f"Counts; {result['trials']} trials from seed {result['seed']} (a quarter of"
        " them for the fixed budget), "
        f"{result['rows']} rows of a set with classes. Labels over those of a uniform"
        " sample by the textbook formula; stopping at a relative width, and at a width"
    )
    head = [
        "data",
        "proxy",
        "uniform labels",
        "width / truth",
        "planned (low, high)",
        "fixed / uniform",
        "relative stop: coverage",
        "labels / fixed",
        "stop: coverage",
        "labels / fixed",
    ]
    rows = [_row(row) for row in result["table"]]
    looks = [
        [row["data"], *(_shown(row[key]) for key in LOOKS.values())]
        for row in result["looks"]
    ]
    return (
        f"{said}\n\n{markdown(head, rows)}\n\n2,000 labels in 8 rounds, an interval"
        f" after each\n\n{markdown(['data', *LOOKS], looks)}"
    )


def _row(row: dict[str, Any]) -> list[str]:
    low, labels, high = row["planned"]
    relative, absolute = row["relative_stop"], row.get("width_stop")
    return [
        row["data"],
        row["proxy"],
        str(row["uniform_labels"]),
        _shown(row["width_over_truth"]),
        f"{labels} ({low}, {high})",
        _shown(row["over_uniform"]),
        _shown(relative["coverage"]),
        _shown(relative["labels_over_fixed"]),
        _shown(absolute and absolute["coverage"]),
        _shown(absolute and absolute["labels_over_fixed"]),
    ]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
