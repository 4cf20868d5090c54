"""The file of --state: a session that the next run continues."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import (
    CorruptDataError,
    GleannError,
    InvalidInputError,
    MissingFileError,
)
from gleann.index.filters.condition import Condition
from gleann.selection.among import Among
from gleann.service.cli.files import outputs
from gleann.service.cli.files.saved_state import State, read_state
from gleann.service.views.passing import condition_as_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Arrays = Mapping[str, NDArray[np.generic]]


class SavableSession(Protocol):
    """A session of labels of any kind."""

    @property
    def params(self) -> Any:
        """Its parameters, a dataclass."""

    @property
    def among(self) -> Among | None:
        """The rows of its population."""

    def state(self) -> State:
        """The session as JSON values."""


Session = TypeVar("Session", bound=SavableSession)

OPTIONS_OF = {"statistics": "--mean, --share and --avg"}
"""Options that set a parameter of another name."""


class SessionFile:
    """A session on disk, and arrays beside it that can be computed again.

    Both files are replaced as a whole. The arrays, in `<path>.npz`, name the labels
    that they are made from, so that they need not be as new as the session.

    Args:
        path: of the session; None keeps nothing.
        resume: whether the session must be there.
        overwrite: whether one that does not fit is replaced.

    Raises:
        InvalidInputError: `resume` without a path.
        MissingFileError: `resume`, and no file.
    """

    def __init__(self, path: Path | None, *, resume: bool, overwrite: bool) -> None:
        if path is None and resume:
            raise InvalidInputError("--resume continues from --state: give that too")
        if path is not None and resume and not path.exists():
            raise MissingFileError(f"--state: there is no {path} to resume from")
        self._path = path
        self._overwrite = overwrite
        self._written = ""
        self._source = ""

    def resumed(
        self,
        resume: Callable[[State], Session],
        start: Callable[[], Session],
        *,
        params: "DataclassInstance",
        first: int = 0,
        condition: Condition | None = None,
    ) -> Session:
        """The saved session, or a new one where there is none.

        Args:
            resume: makes a session from its state.
            start: makes a new one.
            params: that the session must have.
            first: representatives, which the session's budget includes.
            condition: that its items must have been chosen by. Which items passed it is
                saved: their payload may have changed since.

        Raises:
            CorruptDataError: damaged, or of other data.
            InvalidInputError: no session, or of other parameters.
        """
        path = self._path
        if path is None or not path.exists():
            return start()
        try:
            state = read_state(path)
            session = resume(state)
            self._require_same(session.params, params, first=first)
            _require_condition(session.among, condition)
        except (CorruptDataError, InvalidInputError) as error:
            if self._overwrite:
                return start()
            raise self._named(error) from error
        self._written = json.dumps(state)
        return session

    def keep(
        self, session: SavableSession, arrays_of: Callable[[], Arrays] = dict
    ) -> None:
        """Write the session, and the arrays if they are of other labels than before."""
        if self._path is None:
            return
        text = json.dumps(session.state())
        if text != self._written:
            outputs.write_text(self._path, text)
            self._written = text
        arrays = arrays_of()
        if arrays and (source := str(arrays["source"][0])) != self._source:
            outputs.publish(
                _arrays_path(self._path), lambda path: _write_npz(path, arrays)
            )
            self._source = source

    def arrays(self) -> Arrays:
        """The arrays beside the session; none where they are missing or damaged."""
        if self._path is None:
            return {}
        try:
            # NumPy leaves a file open that it was given by path and cannot read.
            with (
                _arrays_path(self._path).open("rb") as file,
                np.load(file, allow_pickle=False) as found,
            ):
                arrays = {name: found[name] for name in found.files}
                self._source = str(arrays["source"][0])
        except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile):
            return {}
        return arrays

    def _require_same(self, was: Any, now: Any, *, first: int) -> None:
        """Refuse other parameters than those given; the message names the option.

        Raises:
            InvalidInputError: naming those that differ.
        """
        own, asked = (
            replace(one, budget=one.budget - first) if first else one
            for one in (was, now)
        )
        pairs = {
            OPTIONS_OF.get(field.name, f"--{field.name.replace('_', '-')}"): (
                getattr(own, field.name),
                getattr(asked, field.name),
            )
            for field in fields(now)
        }
        other = [
            f"{option} {_shown(old)}, not {_shown(new)}"
            for option, (old, new) in pairs.items()
            if old != new
        ]
        if other:
            raise InvalidInputError(f"it was started with {'; '.join(other)}")

    def _named(self, error: GleannError) -> GleannError:
        advice = "add --overwrite to start anew"
        return type(error)(f"--state {self._path}: {error}; {advice}")


def _require_condition(was: Among | None, now: Condition | None) -> None:
    """Refuse a session over other items than --where asks for.

    Raises:
        InvalidInputError: another condition, or other parameters of it.
    """
    own = {} if was is None else dict(was.by)
    asked = {} if now is None else condition_as_json(now)
    if own != asked:
        raise InvalidInputError(
            f"it was started with --where {_condition(own)}, not {_condition(asked)}"
        )


def _condition(by: Mapping[str, Any]) -> str:
    if not by:
        return "unset"
    values = ", ".join(map(repr, by["parameters"]))
    return f"{by['where']!r:.200}" + (f" and --param {values}" if values else "")


def _write_npz(path: Path, arrays: Arrays) -> None:
    # Given a path, NumPy would add a suffix.
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _arrays_path(path: Path) -> Path:
    return path.with_name(path.name + ".npz")


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and all(map(is_dataclass, value)):
        return ", ".join(map(str, value))
    return "unset" if value is None else str(value)
