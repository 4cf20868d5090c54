"""The table of `python -m bench selection tasti`, from its result."""

from typing import Any

from bench.tables import markdown


def tasti_table(result: dict[str, Any]) -> str:
    """Error, bias, coverage and width of every method, and the counts."""
    said = (
        f"{result['rows']} rows, {result['labels']} labels, {result['representatives']}"
        f" of them representatives where there is a proxy; {result['trials']} trials,"
        f" seeds from {result['seed']}"
    )
    columns = {
        "RMSE / truth": "rmse",
        "bias / RMSE": "bias_over_rmse",
        "coverage": "coverage",
        "width / truth": "width",
        "width / ideal": "width_over_ideal",
    }
    rows = [
        [
            f"{row['data']}, {row['concept']} ({row['positives']})",
            row["method"],
            *(_shown(row[key]) for key in columns.values()),
        ]
        for row in result["table"]
    ]
    return f"{said}\n\n{markdown(['concept (rows)', 'method', *columns], rows)}"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
