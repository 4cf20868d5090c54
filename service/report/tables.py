"""Tables as HTML."""

from collections.abc import Sequence
from numbers import Real

from gleann.service.report.markup import Html, element
from gleann.service.report.numerals import MINUS, PLUS_MINUS, short

Cell = str | float | int | None
"""What a table holds: text, a number (written by `short`) or nothing."""


def table(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, best: Sequence[int] = ()
) -> Html:
    """Make a table; numbers are right-aligned.

    Args:
        columns: the headings.
        rows: one sequence of cells per row, as long as `columns`.
        best: indices of the rows to set in bold.
    """
    numeric = [_is_numeric(rows, number) for number in range(len(columns))]
    head = element("tr", {}, *map(_heading, columns, numeric))
    body = [_row(cells, numeric, number in best) for number, cells in enumerate(rows)]
    inside = element("table", {}, element("thead", {}, head), _body(body))
    return element("div", {"class": "table"}, inside)


def facts(pairs: Sequence[tuple[str, Cell]]) -> Html:
    """Make a two-column table of names and values."""
    rows = [
        element("tr", {}, element("th", {}, name), element("td", {}, _write(value)))
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
    return element("th", {"class": "number" if numeric else None}, name)


def _row(cells: Sequence[Cell], numeric: Sequence[bool], best: bool) -> Html:
    made = [
        element("td", {"class": "number" if right else None}, _write(cell))
        for cell, right in zip(cells, numeric, strict=True)
    ]
    return element("tr", {"class": "best" if best else None}, *made)


def _write(cell: Cell) -> str:
    if cell is None:
        return "\N{EN DASH}"
    return cell if isinstance(cell, str) else short(float(cell))


def _is_number(cell: Cell) -> bool:
    if isinstance(cell, str):
        return cell[:1].isdigit() or cell[:1] in (MINUS, PLUS_MINUS)
    return isinstance(cell, Real)
