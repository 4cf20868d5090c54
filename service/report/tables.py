"""Tables as HTML."""

from collections.abc import Collection, Sequence
from math import isclose
from numbers import Real
from typing import Literal

from gleann.service.report.markup import Html, element
from gleann.service.report.numerals import MINUS, PLUS_MINUS, short

Cell = str | float | int | None
"""What a table holds: text, a number (written by `short`) or nothing."""


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    best: Collection[tuple[int, int]] = (),
    caption: str = "",
) -> Html:
    """Make a table; numbers are right-aligned.

    Args:
        columns: the headings.
        rows: one sequence of cells per row, as long as `columns`.
        best: row and column of the cells to mark as the best of their column.
        caption: what the table shows; "" for none.
    """
    numeric = [_is_numeric(rows, number) for number in range(len(columns))]
    head = element("tr", {}, *map(_heading, columns, numeric))
    body = [
        _row(cells, numeric, {column for row, column in best if row == number})
        for number, cells in enumerate(rows)
    ]
    about = [element("caption", {}, caption)] if caption else []
    inside = element("table", {}, *about, element("thead", {}, head), _body(body))
    return element("div", {"class": "table"}, inside)


def best_of(
    values: Sequence[float | None], *, column: int, want: Literal["high", "low"]
) -> set[tuple[int, int]]:
    """Row and column of the best values; none where no value is better than another.

    Values that differ by rounding only are equal.

    Args:
        values: one per row; None is never the best.
        column: of the table.
        want: which values are better.
    """
    held = [value for value in values if value is not None]
    if not held:
        return set()
    best = max(held) if want == "high" else min(held)
    equal = [value is not None and isclose(value, best) for value in values]
    if sum(equal) == len(held):
        return set()
    return {(row, column) for row, same in enumerate(equal) if same}


def facts(pairs: Sequence[tuple[str, Cell]]) -> Html:
    """Make a two-column table of names and values."""
    rows = [
        element(
            "tr",
            {},
            element("th", {"scope": "row"}, name),
            element("td", {}, _write(value)),
        )
        for name, value in pairs
    ]
    inside = element("table", {"class": "facts"}, _body(rows))
    return element("div", {"class": "table"}, inside)


def _body(rows: Sequence[Html]) -> Html:
    return element("tbody", {}, *rows)


def _is_numeric(rows: Sequence[Sequence[Cell]], column: int) -> bool:
    """Whether all non-empty cells of a column look like numbers."""
    held = [cells[column] for cells in rows if cells[column] is not None]
    return bool(held) and all(map(_is_number, held))


def _heading(name: str, numeric: bool) -> Html:
    look = {"scope": "col", "class": "number" if numeric else None}
    return element("th", look, name)


def _row(cells: Sequence[Cell], numeric: Sequence[bool], best: set[int]) -> Html:
    made = [
        _cell(cell, right, number in best)
        for number, (cell, right) in enumerate(zip(cells, numeric, strict=True))
    ]
    return element("tr", {}, *made)


def _cell(cell: Cell, right: bool, best: bool) -> Html:
    look = " ".join(["number"] * right + ["best"] * best) or None
    # Bold is silent: a screen reader says it in words.
    said = [element("span", {"class": "said"}, " (best)")] if best else []
    return element("td", {"class": look}, _write(cell), *said)


def _write(cell: Cell) -> str:
    if cell is None:
        return "\N{EN DASH}"
    return cell if isinstance(cell, str) else short(float(cell))


def _is_number(cell: Cell) -> bool:
    if isinstance(cell, str):
        return cell[:1].isdigit() or cell[:1] in (MINUS, PLUS_MINUS, "+")
    return isinstance(cell, Real)
