"""What the stages of `bench.gpu` share: a device, time limits, and the result file."""

import gc
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from bench.ann import write_json
from bench.gpu.facts import clocks, device_facts
from bench.gpu.reading import short
from bench.gpu.unit import Options, Unit
from bench.provenance import provenance
from bench.say import say

SCHEMA = 2
QUICK_BATCHES = 2


class TimeUpError(Exception):
    """The unit has no time left for another case."""


@dataclass(kw_only=True)
class Run:
    """One run of `bench.gpu`.

    A case is what `attempt` is called with. A case that succeeded is not run again
    when a run is resumed, and its rows are kept; other rows of the unit are dropped.

    Attributes:
        device: that is measured.
        out: the result file, written after every row.
        data: the folder with real data sets, or None.
        quick: tiny sizes, to see that everything runs.
        seed: of everything drawn.
        repeats: timings of which the median is reported.
        ends: when everything must end, by `monotonic()`.
        result: what goes into the file.
        kept: what the stages of one data set share, by name: workload, index, engines.
        options: of the unit under way.
    """

    device: torch.device
    out: Path
    data: Path | None
    quick: bool
    seed: int
    repeats: int
    ends: float = float("inf")
    result: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    _unit: Unit = field(default_factory=lambda: Unit(stage="", name="", seconds=0))
    _kept_for: str = ""
    _limit: float = 0.0
    _began: float = 0.0
    _path: list[str] = field(default_factory=list)
    _missed: int = 0

    def begin(self, unit: Unit) -> None:
        """Start a unit; what is kept for another data set is given up."""
        self._limit = min(unit.seconds, self.ends - monotonic())
        self._began = monotonic()
        say(f"{unit.title}: at most {max(0, self._limit):.0f} s")
        self._unit, self.options = unit, unit.options
        self._path, self._missed = [unit.root], 0
        if unit.name and unit.name != self._kept_for:
            self.give_up_kept()
            self._kept_for = unit.name
        entry = self._entry_of(unit.stage)
        entry["limits"][unit.name], entry["clocks"] = unit.seconds, clocks()
        self._drop_unfinished(entry)
        self.save()

    def give_up_kept(self) -> None:
        """Free the memory of what stages shared."""
        self.kept.clear()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def end(self) -> None:
        """Mark the unit as finished, if no case of it failed or was left out."""
        entry = self.entry
        entry["seconds"][self._unit.name] = round(monotonic() - self._began, 1)
        if not self._missed and self._unit.key not in entry["finished"]:
            entry["finished"].append(self._unit.key)
        self.save()

    @property
    def entry(self) -> dict[str, Any]:
        """What the stage under way has found."""
        return self.result["stages"][self._unit.stage]

    @property
    def left(self) -> float:
        """Seconds that the unit may still take."""
        return self._began + self._limit - monotonic()

    def row(self, **values: Any) -> None:
        """Keep one measurement."""
        self.entry["rows"].append({**values, "case": self._case()})
        say(" ".join(f"{key}={short(value)}" for key, value in values.items()))
        self.save()

    def skip(self, what: str, why: str) -> None:
        """Keep what was not measured, and why."""
        skipped = {"what": what, "why": why, "unit": self._unit.key}
        self.entry["skipped"].append(skipped)
        say(f"SKIPPED {what}: {why}")
        self.save()

    def stage(self, work: Callable[[], object]) -> bool:
        """Do all of the unit; a failure outside its cases is kept as a skip."""
        return self._tried(self._unit.title, work)

    def attempt(self, what: str, work: Callable[[], object]) -> bool:
        """Do one case unless it is done or time is up; a failure is kept as a skip.

        Returns whether it is done.
        """
        with self._named(what):
            return self._tried(what, lambda: self._once(work))

    def group(self, what: str, work: Callable[[], object]) -> bool:
        """Do what several cases share; a failure is kept as a skip."""
        with self._named(what):
            return self._tried(what, work)

    def _once(self, work: Callable[[], object]) -> None:
        case, done = self._case(), self.entry["done"]
        if case in done:
            say(f"done before: {case}")
            return
        work()
        done.append(case)
        self.save()

    def _tried(self, what: str, work: Callable[[], object]) -> bool:
        try:
            if self.left <= 0:
                raise TimeUpError
            work()
        except TimeUpError:
            self.miss(what, "the time of the stage was up")
        except Exception as error:  # noqa: BLE001  the other cases still count
            self.miss(what, f"FAILED: {type(error).__name__}: {error}"[:600])
        else:
            return True
        return False

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        self._path.append(what)
        try:
            yield
        finally:
            self._path.pop()

    def miss(self, what: str, why: str) -> None:
        """A skip that another try may mend: the unit is not finished."""
        self._missed += 1
        self.skip(what, why)

    def batches(self, *, there: int, least: int = 1) -> list[int]:
        """The sizes asked for; a quick run takes two, cut to what is there.

        Args:
            there: queries there are.
            least: smaller batches are left out.
        """
        sizes = [size for size in self.options.batches if size >= least]
        if self.quick:
            return sorted({min(size, there) for size in sizes[:QUICK_BATCHES]})
        for size in (size for size in sizes if size > there):
            self.skip(f"batch {size}", f"there are {there} queries")
        return [size for size in sizes if size <= there]

    def save(self) -> None:
        """Write the file in one step."""
        write_json(self.result, self.out)

    def _case(self) -> str:
        return " > ".join(self._path)

    def _entry_of(self, stage: str) -> dict[str, Any]:
        stages = self.result.setdefault("stages", {})
        if stage not in stages:
            lists: dict[str, Any] = {
                name: [] for name in ("rows", "skipped", "done", "finished")
            }
            stages[stage] = {
                **lists,
                "limits": {},
                "seconds": {},
                "commit": self.result.get("commit"),
            }
        return stages[stage]

    def _drop_unfinished(self, entry: dict[str, Any]) -> None:
        """Rows of this data set whose case did not succeed, skips of this unit."""
        start, done = self._unit.root + " > ", set(entry["done"])
        entry["rows"] = [
            row
            for row in entry["rows"]
            if row["case"] in done or not row["case"].startswith(start)
        ]
        entry["skipped"] = [
            skip for skip in entry["skipped"] if skip["unit"] != self._unit.key
        ]


def open_run(run: Run) -> Run:
    """Fill in the provenance; what was measured before on this device is kept."""
    facts = device_facts(run.device)
    before = read_result(run.out)
    same = before.get("device", {}).get("name") == facts["name"]
    same = same and before.get("schema") == SCHEMA
    run.result = {
        "schema": SCHEMA,
        "device": facts,
        "quick": run.quick,
        "seed": run.seed,
        "repeats": run.repeats,
        **provenance(),
        "data": before.get("data", {}) if same else {},
        "stages": before.get("stages", {}) if same else {},
    }
    return run


def read_result(path: Path) -> dict[str, Any]:
    """A result file; empty where there is none that can be read."""
    if path.exists():
        with suppress(ValueError):
            return json.loads(path.read_text())
    return {}


def drop_stages(path: Path, stages: Iterable[str]) -> None:
    """Forget what a result file has of some stages, so that they are measured anew."""
    result = read_result(path)
    if result:
        for stage in stages:
            result.get("stages", {}).pop(stage, None)
        write_json(result, path)


def stale_stages(path: Path, *, now: dict[str, Any]) -> list[str]:
    """Stages of a result file that were measured by other code or settings than `now`.

    Args:
        path: of the result file.
        now: commit, quick and seed of the run to come.
    """
    result = read_result(path)
    same = all(result.get(name) == now[name] for name in ("quick", "seed"))
    return [
        stage
        for stage, entry in result.get("stages", {}).items()
        if not same or entry.get("commit") != now["commit"]
    ]
