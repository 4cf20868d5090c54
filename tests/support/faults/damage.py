"""Damage to JSON values, one place at a time: what a fuzzer of saved states tries."""

import copy
import math
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

STRANGE = (
    None,
    True,
    -1,
    7,
    10**9,
    10**30,
    0.5,
    -0.25,
    1e300,
    math.nan,
    "abc",
    "",
    [],
    [0],
    [[0, 1]],
    {},
    {"rows": [0]},
)
"""What stands in a place of its own kind in one session and of another in the next."""


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every object, list and value within `value`; of a list both ends only."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list) and value:
        for at in sorted({0, len(value) - 1}):
            yield from places(value[at], (*path, at))


def damaged(state: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Copies of `state` with one part deleted, replaced, cut, doubled or turned."""
    for path in places(state):
        old = _at(state, path)
        yield f"{path} deleted", _with(state, path, delete=True)
        for new in STRANGE:
            if type(new) is not type(old) or new != old:
                yield f"{path} = {new!r}", _with(state, path, new)
        if isinstance(old, list) and old:
            yield f"{path} cut", _with(state, path, old[:-1])
            yield f"{path} doubled", _with(state, path, old + old[-1:])
            yield f"{path} of texts", _with(state, path, [str(v) for v in old])
            if old != old[::-1]:
                yield f"{path} turned", _with(state, path, old[::-1])
        if isinstance(old, str) and old:
            yield f"{path} of another letter", _with(state, path, "x" + old[1:])


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(
    state: dict[str, Any], path: Path, new: Any = None, *, delete: bool = False
) -> dict[str, Any]:
    changed = copy.deepcopy(state)
    holder = _at(changed, path[:-1])
    if delete:
        del holder[path[-1]]
    else:
        holder[path[-1]] = copy.deepcopy(new)
    return changed
