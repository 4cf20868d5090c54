"""Tables with a column for each class: probabilities of items, and shares."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.errors import InvalidInputError
from gleann.selection.checks import IdMap
from gleann.selection.words import column_names, shown_words
from gleann.service.cli.files import columns
from gleann.service.cli.files.inputs import ID_COLUMN, read_array
from gleann.service.cli.files.outputs import TABLE_SUFFIXES, Values
from gleann.service.cli.files.tables import Table, read_table

CLASS_COLUMN, SHARE_COLUMN, LABEL_COLUMN = "class", "share", "label"

_INTEGER = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassTable:
    """Probabilities of classes, one line an item.

    Attributes:
        ids: (n,) of the items; None where the file has none.
        classes: of the columns, in order.
        values: float64 (n, c).
    """

    ids: HeldIds | None
    classes: tuple[Hashable, ...]
    values: NDArray[np.float64]


def read_class_table(path: Path, *, classes: Sequence[str] = ()) -> ClassTable:
    """Read a `.npy` array (n, c), or a table with a column for each class.

    Args:
        path: of the file; a column `id` of a table has the ids, every other column is a
            class.
        classes: names of the columns of an array, or the columns of a table to read, in
            this order; none takes all.

    Raises:
        InvalidInputError: no such columns, or a cell that is no number.
        NonFiniteError: NaN or infinity.
    """
    if path.suffix.lower() == ".npy":
        return _of_array(path, classes)
    names = read_table(path, columns=()).names
    wanted = list(classes) or [name for name in names if name != ID_COLUMN]
    if not wanted:
        raise InvalidInputError(f"{path} has no column of a class, only {ID_COLUMN}")
    table = read_table(path, columns=wanted, optional=(ID_COLUMN,))
    values = [columns.numbers(table, name) for name in wanted]
    ids = columns.own_ids(table, ID_COLUMN) if ID_COLUMN in table.columns else None
    return ClassTable(
        ids=ids, classes=as_classes(wanted), values=np.stack(values, axis=1)
    )


def class_columns(
    ids: HeldIds, classes: Sequence[Hashable], values: NDArray[np.float64]
) -> dict[str, Values]:
    """The columns of a table that `read_class_table` reads."""
    named = column_names(classes, taken=(ID_COLUMN,))
    return {ID_COLUMN: ids, **dict(zip(named, values.T, strict=True))}


def as_classes(names: Sequence[str]) -> tuple[Hashable, ...]:
    """Classes by their names as typed: integers where all of them are."""
    if all(_INTEGER.fullmatch(name) for name in names):
        return tuple(map(int, names))
    return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelTable:
    """Labelled items.

    Attributes:
        rows: int64 (m,), of the items.
        labels: (m,) integers or texts.
        weights: float64 (m,), or None.
    """

    rows: Rows
    labels: NDArray[np.generic]
    weights: NDArray[np.float64] | None


def read_label_table(
    path: Path, column: str, names: IdMap, *, weight_column: str | None
) -> LabelTable:
    """Read the columns `id`, that of the labels, and that of their weights.

    Raises:
        UnknownIdError: an id of no item.
        DuplicateIdError: an id twice.
        InvalidInputError: a column that is missing, or an empty cell.
    """
    more = [weight_column] if weight_column else []
    table = read_table(path, columns=(ID_COLUMN, column, *more))
    return LabelTable(
        rows=columns.rows_in(table, ID_COLUMN, names),
        labels=columns.categories(table, column),
        weights=columns.numbers(table, weight_column) if weight_column else None,
    )


def read_class_numbers(
    given: str, classes: Sequence[Hashable], *, flag: str
) -> NDArray[np.float64]:
    """One number for each class: CLASS=NUMBER,... or a table with class and share.

    Args:
        given: as it was typed.
        classes: in the order of the answer.
        flag: the option, for messages.

    Raises:
        InvalidInputError: a class without a number, a number without a class, or
            neither form.
    """
    path = Path(given)
    is_file = path.suffix.lower() in TABLE_SUFFIXES and "=" not in path.name
    numbers = _numbers_in(path) if is_file else _typed(given, flag)
    named = {str(word): word for word in classes}
    if unknown := [name for name in numbers if name not in named]:
        raise InvalidInputError(
            f"{flag} has {len(unknown)} of {len(numbers)} classes that are not among"
            f" the {len(named)} of the probabilities: {shown_words(unknown)}"
        )
    if missing := [name for name in named if name not in numbers]:
        raise InvalidInputError(
            f"{flag} has no number for {len(missing)} of {len(named)} classes:"
            f" {shown_words(missing)}"
        )
    return np.array([numbers[name] for name in named])


def class_counts(
    labels: NDArray[np.generic], classes: Sequence[Hashable], *, path: Path
) -> NDArray[np.int64]:
    """How many labels (m,) each class (c,) has.

    Raises:
        InvalidInputError: a label of none of the classes.
    """
    places = {str(word): number for number, word in enumerate(classes)}
    listed = [str(label) for label in labels.tolist()]
    if strange := sorted({label for label in listed if label not in places}):
        raise InvalidInputError(
            f"{path} has {len(strange)} classes that are not among the"
            f" {len(places)} of the probabilities: {shown_words(strange)}"
        )
    numbers = [places[label] for label in listed]
    return np.bincount(numbers, minlength=len(places))


def _of_array(path: Path, classes: Sequence[str]) -> ClassTable:
    values = read_array(path)
    if values.ndim != 2:
        raise InvalidInputError(
            f"{path}: probabilities must have shape (n, c), got {values.shape}"
        )
    if classes and len(classes) != values.shape[1]:
        raise InvalidInputError(
            f"--classes has {len(classes)} names for the {values.shape[1]} columns of"
            f" {path}"
        )
    if values.dtype.kind not in "fiub":
        raise InvalidInputError(f"{path} must hold numbers, got {values.dtype}")
    named = as_classes(classes) if classes else tuple(range(values.shape[1]))
    return ClassTable(ids=None, classes=named, values=values.astype(np.float64))


def _numbers_in(path: Path) -> dict[str, float]:
    table = read_table(path, columns=(CLASS_COLUMN, SHARE_COLUMN))
    names = columns.words(table, CLASS_COLUMN).tolist()
    numbers = columns.numbers(table, SHARE_COLUMN).tolist()
    _require_once(table, names)
    return dict(zip(names, numbers, strict=True))


def _require_once(table: Table, names: list[str]) -> None:
    seen: set[str] = set()
    for row, name in enumerate(names):
        if name in seen:
            raise InvalidInputError(
                f"{table.where(row)}: class {name!r} is there twice"
            )
        seen.add(name)


def _typed(given: str, flag: str) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for part in given.split(","):
        name, _, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            name = ""
        if not name or name in numbers:
            raise InvalidInputError(
                f"{flag}: {part!r} is no CLASS=NUMBER, once for each class, such as"
                " cat=0.7,dog=0.3; nor is it a file with the columns class and share"
            )
        numbers[name] = value
    return numbers
