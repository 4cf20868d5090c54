"""Measurements noted one by one, so that a run that is killed goes on where it was.

The notes of a run stand beside its result, as `RESULT.partial.jsonl`: a first line that
says what is measured, then a line a measurement. They go when the result is there
(`write_result`). Notes of another plan (other parameters, code, versions or machine)
are not gone on with; the data are told by the keys.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bench.records import write_json
from bench.say import say

Measured = TypeVar("Measured")
Key = tuple[str | int | float, ...]

ORIGIN = ("machine", "versions", "commit")
"""What must be the same of a run's provenance for its measurements to stand side by
side."""


def notes_of(out: Path) -> Path:
    """Where the notes of a run stand that leads to the result `out`."""
    return out.with_name(f"{out.name}.partial.jsonl")


def command_of(family: str) -> list[str]:
    """How a family was called; of paths the last part, the rest is the machine's."""
    given = [Path(word).name if os.sep in word else word for word in sys.argv[1:]]
    return ["python", "-m", f"bench.selection.{family}", *given]


def write_result(result: dict[str, Any], out: Path) -> None:
    """Write a result; its notes are not needed any more."""
    write_json(result, out)
    notes_of(out).unlink(missing_ok=True)


class Notes:
    """The notes of one run.

    Args:
        out: the result that they lead to.
        plan: what is measured, as JSON values.
        origin: the run's provenance.
    """

    def __init__(self, out: Path, plan: dict[str, Any], origin: dict[str, Any]) -> None:
        self._path = notes_of(out)
        self._plan = json.dumps(
            [plan, {name: origin.get(name) for name in ORIGIN}], sort_keys=True
        )
        self._known = self._read()
        self.resumed = len(self._known)
        if self.resumed:
            say(f"going on after {self.resumed} measurements of {self._path.name}")

    def has(self, key: Key) -> bool:
        """Whether a note exists under `key`."""
        return json.dumps(key) in self._known

    def once(self, key: Key, measure: Callable[[], Measured]) -> Measured:
        """The value noted under `key`; if absent, measure it now and note it.

        Args:
            key: names the measurement within the plan.
            measure: returns JSON values.
        """
        name = json.dumps(key)
        if name not in self._known:
            value = measure()
            line = json.dumps([key, value], allow_nan=False)
            if not self._known:
                self._begin()
            with self._path.open("a", encoding="utf-8") as opened:
                opened.write(line + "\n")
                opened.flush()
                os.fsync(opened.fileno())
            # As it will be read again: tuples become lists either way.
            self._known[name] = json.loads(line)[1]
        found: Measured = self._known[name]
        return found

    def _begin(self) -> None:
        """Write the plan before the first measurement."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(self._plan + "\n", encoding="utf-8")

    def _read(self) -> dict[str, Any]:
        """The existing notes; a truncated last line is dropped."""
        if not self._path.is_file():
            return {}
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        if not lines or lines[0] != self._plan + "\n":
            say(f"{self._path.name} is of another plan: starting over")
            return {}
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):
            self._path.write_text("".join(whole), encoding="utf-8")
        noted = (json.loads(line) for line in whole[1:])
        return {json.dumps(key): value for key, value in noted}
