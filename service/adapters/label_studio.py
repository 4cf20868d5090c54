"""Label Studio: items to label as tasks, and its export as labels.

Nothing of Label Studio is imported: its files are JSON. Tasks are in its "Basic JSON"
format with predictions, exports in "JSON" or "JSON-MIN".
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isinf, isnan
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Ids
from gleann.index.checks import as_array
from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    MissingFileError,
)
from gleann.index.tables.tabular import Table, Tabular

ID = "gleann_id"
"""The key of a task's data that holds the id of its item."""

CONTROL = "label"
"""The name of the control tag that asks for the class."""

_OBJECTS = {"text": "Text", "image": "Image", "audio": "Audio", "html": "HyperText"}
"""Keys of a task's data that Label Studio shows, and the tags that do."""


def labelling_config(
    classes: Sequence[str], *, shows: str = "text", several: bool = False
) -> str:
    """The labelling configuration of a project that asks for the class of an item.

    Args:
        classes: to choose from.
        shows: "text", "image", "audio" or "html": the key of a task's data to show.
        several: whether an item may have several classes.

    Raises:
        InvalidInputError: no such object, no classes, or one that is empty or there
            twice.
    """
    if shows not in _OBJECTS:
        raise InvalidInputError(
            f"shows must be one of {', '.join(_OBJECTS)}; got {shows!r}"
        )
    if not classes:
        raise InvalidInputError("classes must be one or more texts, got none")
    require_distinct(classes)
    choice = "multiple" if several else "single"
    return "\n".join(
        [
            "<View>",
            f'  <{_OBJECTS[shows]} name="item" value="${shows}"/>',
            f'  <Choices name="{CONTROL}" toName="item" choice="{choice}">',
            *(f"    <Choice value={quoteattr(str(one))}/>" for one in classes),
            "  </Choices>",
            "</View>",
        ]
    )


def require_distinct(classes: Sequence[str]) -> None:
    """Refuse classes of which one is empty or there twice.

    Raises:
        InvalidInputError: for the first such.
    """
    for at, one in enumerate(classes):
        if not str(one).strip() or one in classes[:at]:
            why = "is there twice" if str(one).strip() else "is empty"
            raise InvalidInputError(f"class {at} of {len(classes)}, {one!r:.60}, {why}")


def tasks_of(
    ids: ArrayLike,
    data: Mapping[str, Sequence[Any]],
    *,
    guesses: Sequence[str | None] | None = None,
    scores: ArrayLike | None = None,
    model: str = "gleann",
) -> list[dict[str, Any]]:
    """Tasks that Label Studio imports, in the order of `ids`.

    With "Sequential" task sampling they are labelled in that order. Guesses are shown
    as predictions; with "Uncertainty sampling" the lowest score comes first.

    Args:
        ids: (m,) of the items, such as a batch to label.
        data: m values of each key that the labelling configuration shows.
        guesses: m classes that a model gives; None for no guess, of one or of all.
        scores: (m,) of the guesses, such as their probabilities; NaN for none.
        model: the name under which guesses are stored.

    Raises:
        DimensionMismatchError: not m values of a key, guesses or scores.
        InvalidInputError: a key that is the adapter's own; scores without guesses, or
            infinite ones.
    """
    names = as_array(ids, name="ids").tolist()
    columns: dict[str, Sequence[Any]] = dict(data)
    if ID in columns:
        raise InvalidInputError(f"{ID!r} holds the ids: call the data otherwise")
    if scores is not None and guesses is None:
        raise InvalidInputError("scores are of guesses, and there are no guesses")
    listed: dict[str, Sequence[Any]] = {} if guesses is None else {"guesses": guesses}
    points: list[float | None] = [None] * len(names)
    if scores is not None:
        points = _scores(scores)
        listed["scores"] = points
    for what, values in (columns | listed).items():
        if len(values) != len(names):
            raise DimensionMismatchError(
                f"{what} has {len(values)} entries for {len(names)} ids"
            )
    tasks = []
    for at, name in enumerate(names):
        shown = {key: _plain(values[at]) for key, values in columns.items()}
        task: dict[str, Any] = {"data": {**shown, ID: name}}
        if guesses is not None and guesses[at] is not None:
            task["predictions"] = [_prediction(guesses[at], points[at], model)]
        tasks.append(task)
    return tasks


def write_tasks(tasks: list[dict[str, Any]], path: str | Path) -> None:
    """Write tasks into a file that Label Studio imports."""
    text = json.dumps(tasks, ensure_ascii=False, indent=1)
    Path(path).write_text(text + "\n", "utf-8")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudioLabels(Tabular):
    """Labels of an export, one an item.

    As a table it has the columns id, label and votes.

    Attributes:
        ids: (m,) of the items with a label, int64 or text, in the order of the export.
        labels: (m,) text, the class that most annotations of the item have.
        votes: int64 (m,), annotations that have it.
        unclear: ids of items whose annotations give several classes equally often.
        skipped: ids of items that were only skipped, or have no annotation.
    """

    ids: Ids
    labels: NDArray[np.str_]
    votes: NDArray[np.int64]
    unclear: Ids
    skipped: Ids

    def table(self) -> Table:
        """One line an item with a label."""
        counts = {"unclear": len(self.unclear), "skipped": len(self.skipped)}
        return Table(
            columns={"id": self.ids, "label": self.labels, "votes": self.votes},
            facts={"summary": {"labelled": len(self.ids), **counts}},
        )


def labels_of(
    export: str | Path | Sequence[Mapping[str, Any]], *, control: str = CONTROL
) -> StudioLabels:
    """Labels of the items of an export.

    An item's annotations that were skipped do not count. Where an annotator marked one
    as ground truth, only those so marked do; JSON-MIN, which has an entry for each
    annotation of a task, does not tell.

    Args:
        export: a file of Label Studio in the format JSON or JSON-MIN, or its tasks.
        control: name of the control tag whose choices are labels.

    Raises:
        MissingFileError: no such file.
        CorruptDataError: no such export, or annotations of another form.
        InvalidInputError: a task without the id of an item, an item twice, or an
            annotation with several choices.
    """
    votes: dict[int | str, Counter[str]] = {}
    homes: dict[int | str, Any] = {}
    for number, task in enumerate(_tasks(export)):
        name = _id_of(task, number)
        home = task.get("id") if "annotations" not in task else number
        if name in votes and (home is None or home != homes[name]):
            raise InvalidInputError(
                f"task {number} has {ID} {name!r}, as one before it has"
            )
        homes[name] = home
        votes.setdefault(name, Counter()).update(_choices(task, control, number))
    clear: list[tuple[int | str, str, int]] = []
    unclear, skipped = [], []
    for name, given in votes.items():
        ranked = given.most_common(2)
        if not ranked:
            skipped.append(name)
        elif len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
            unclear.append(name)
        else:
            clear.append((name, *ranked[0]))
    words = any(isinstance(name, str) for name in votes)
    return StudioLabels(
        ids=_ids([name for name, _, _ in clear], words=words),
        labels=np.array([label for _, label, _ in clear], np.str_),
        votes=np.array([count for _, _, count in clear], np.int64),
        unclear=_ids(unclear, words=words),
        skipped=_ids(skipped, words=words),
    )


def _prediction(guess: str | None, score: float | None, model: str) -> dict[str, Any]:
    result = {
        "from_name": CONTROL,
        "to_name": "item",
        "type": "choices",
        "value": {"choices": [str(guess)]},
    }
    scored = {} if score is None else {"score": float(score)}
    return {"model_version": model, "result": [result], **scored}


def _scores(scores: ArrayLike) -> list[float | None]:
    """Numbers that JSON holds, None for NaN.

    Raises:
        InvalidInputError: an infinite one; names its place.
    """
    values = as_array(scores, name="scores").tolist()
    for at, value in enumerate(values):
        if value is not None and isinf(value):
            raise InvalidInputError(f"score {at} of {len(values)} is {value}")
    return [None if value is None or isnan(value) else value for value in values]


def _plain(value: Any) -> Any:
    """A value that JSON holds, of one of NumPy's."""
    return value.item() if isinstance(value, np.generic) else value


def _tasks(
    export: str | Path | Sequence[Mapping[str, Any]],
) -> Sequence[Mapping[str, Any]]:
    """The tasks of an export.

    Raises:
        MissingFileError: no such file.
        CorruptDataError: it is no list of tasks.
    """
    found: Any = export
    where = "the export"
    if isinstance(export, str | Path):
        where = str(export)
        try:
            found = json.loads(Path(export).read_text("utf-8"))
        except OSError as error:
            raise MissingFileError(f"{export} cannot be read: {error}") from error
        except ValueError as error:
            raise CorruptDataError(f"{export} is no JSON: {error}") from error
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise CorruptDataError(f"{where} is no list of tasks: got {type(found)}")
    for number, task in enumerate(found):
        if not isinstance(task, Mapping):
            raise CorruptDataError(f"{where}: task {number} is {task!r:.80}")
    return found


def _id_of(task: Mapping[str, Any], number: int) -> int | str:
    """The id of a task's item.

    Raises:
        InvalidInputError: it has none.
    """
    data = task.get("data", task)
    name = data.get(ID) if isinstance(data, Mapping) else None
    if isinstance(name, bool) or not isinstance(name, int | str):
        raise InvalidInputError(
            f"task {number} (Label Studio's id {task.get('id')}) has no {ID}: it was"
            " not written by this adapter"
        )
    if isinstance(name, int) and not -(1 << 63) <= name < 1 << 63:
        raise InvalidInputError(f"task {number} has the {ID} {name}, beyond int64")
    return name


def _choices(task: Mapping[str, Any], control: str, number: int) -> Iterator[str]:
    """The classes that a task's annotations give.

    Raises:
        InvalidInputError: an annotation gives several.
    """
    if "annotations" not in task:  # JSON-MIN, one annotation an entry
        if task.get(control) is not None:
            yield _one(task[control], number)
        return
    listed = _objects(task["annotations"], "annotations", number)
    given = [one for one in listed if not one.get("was_cancelled")]
    marked = [one for one in given if one.get("ground_truth")]
    for annotation in marked or given:
        for result in _objects(annotation.get("result"), "result", number):
            if result.get("from_name") == control:
                yield _one(result.get("value"), number)


def _objects(found: Any, what: str, number: int) -> list[Mapping[str, Any]]:
    """The objects of a list of an export; none for null.

    Raises:
        CorruptDataError: it is none, or holds others.
    """
    listed = [] if found is None else found
    are_objects = isinstance(listed, list | tuple) and all(
        isinstance(one, Mapping) for one in listed
    )
    if not are_objects:
        raise CorruptDataError(
            f"task {number}: {what} is no list of objects: {found!r:.80}"
        )
    return list(listed)


def _one(found: Any, number: int) -> str:
    """The choice of an annotation.

    Raises:
        CorruptDataError: it has no list of choices.
        InvalidInputError: there are several, or none.
    """
    choices = found.get("choices") if isinstance(found, Mapping) else found
    listed = [choices] if isinstance(choices, str) else choices
    if not isinstance(listed, list | tuple):
        raise CorruptDataError(f"task {number} has no list of choices: {found!r:.80}")
    if len(listed) != 1:
        raise InvalidInputError(
            f"task {number} has {len(listed)} choices, expected 1: {listed}"
        )
    return str(listed[0])


def _ids(names: Sequence[int | str], *, words: bool) -> Ids:
    if words:
        return np.array([str(name) for name in names], np.str_)
    return np.array(names, np.int64)
