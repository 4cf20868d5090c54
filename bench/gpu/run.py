"""What the stages of `bench.gpu` share: a device, time limits, and the result file."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, CalledProcessError, check_output
from time import monotonic, perf_counter
from typing import Any

import torch

from bench.ann import write_json
from bench.provenance import provenance
from bench.say import say

SCHEMA = 1
CLOCKS = "clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.draw,temperature.gpu"
WARM_UPS, LEAST_REPEATS = 2, 3


@dataclass(kw_only=True)
class Run:
    """One run of `bench.gpu`.

    Attributes:
        device: that is measured.
        out: the result file, written after every row.
        data: the folder with real data sets, or None.
        sets: names of the workloads to measure.
        quick: tiny sizes, to see that everything runs.
        seed: of everything drawn.
        repeats: timings of which the median is told.
        result: what goes into the file.
        kept: what stages share, by name: workloads and indexes.
    """

    device: torch.device
    out: Path
    data: Path | None
    sets: tuple[str, ...]
    quick: bool
    seed: int
    repeats: int
    result: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    _stage: str = ""
    _ends: float = 0.0

    def begin(self, stage: str, *, seconds: float) -> None:
        """Start a stage that should take no more than `seconds`."""
        say(f"{stage}: at most {seconds:.0f} s")
        self._stage, self._ends = stage, monotonic() + seconds
        entry = {"rows": [], "skipped": [], "limit": seconds, "clocks": clocks()}
        self.result.setdefault("stages", {})[stage] = entry

    @property
    def entry(self) -> dict[str, Any]:
        """What the stage under way has found."""
        return self.result["stages"][self._stage]

    @property
    def left(self) -> float:
        """Seconds that the stage may still take."""
        return self._ends - monotonic()

    def row(self, **values: Any) -> None:
        """Keep one measurement."""
        self.entry["rows"].append(values)
        say(" ".join(f"{key}={_short(value)}" for key, value in values.items()))
        self.save()

    def skip(self, what: str, why: str) -> None:
        """Keep what was not measured, and why."""
        self.entry["skipped"].append({"what": what, "why": why})
        say(f"SKIPPED {what}: {why}")
        self.save()

    def attempt(self, what: str, work: Callable[[], object]) -> bool:
        """Do one case, unless time is up; what fails is told, and the next is tried."""
        if self.left <= 0:
            self.skip(what, "the stage's time was up")
            return False
        try:
            work()
        except Exception as error:  # noqa: BLE001  the other cases still count
            self.skip(what, f"FAILED: {type(error).__name__}: {error}"[:600])
            return False
        return True

    def batches(self, sizes: tuple[int, ...], *, there: int) -> list[int]:
        """The sizes that can be asked; a quick run takes two, cut to what is there.

        Args:
            sizes: of batches, ascending.
            there: queries there are.
        """
        if self.quick:
            return sorted({min(size, there) for size in sizes[:2]})
        for size in (size for size in sizes if size > there):
            self.skip(f"batch {size}", f"there are {there} queries")
        return [size for size in sizes if size <= there]

    def save(self) -> None:
        """Write the file in one step."""
        write_json(self.result, self.out)


def open_run(run: Run) -> Run:
    """Fill in who measured what; stages measured before on this device are kept."""
    before: dict[str, Any] = {}
    if run.out.exists():
        with suppress(ValueError):
            before = json.loads(run.out.read_text())
    same = before.get("device", {}).get("name") == device_facts(run.device)["name"]
    run.result = {
        "schema": SCHEMA,
        "device": device_facts(run.device),
        "quick": run.quick,
        "seed": run.seed,
        "repeats": run.repeats,
        "sets": run.sets,
        **provenance(),
        "stages": before.get("stages", {}) if same else {},
    }
    return run


def device_facts(device: torch.device) -> dict[str, Any]:
    """What the device is."""
    facts: dict[str, Any] = {"type": device.type, "torch": torch.__version__}
    if device.type != "cuda":
        return facts | {"name": "CPU", "threads": torch.get_num_threads()}
    found = torch.cuda.get_device_properties(device)
    return facts | {
        "name": found.name,
        "capability": f"{found.major}.{found.minor}",
        "multiprocessors": found.multi_processor_count,
        "memory_gib": round(found.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        "devices": torch.cuda.device_count(),
    }


def clocks() -> dict[str, str]:
    """What nvidia-smi says of the first device now; empty where there is none."""
    ask = ["nvidia-smi", f"--query-gpu={CLOCKS}", "--format=csv,noheader", "--id=0"]
    try:
        said = check_output(ask, text=True, stderr=DEVNULL, timeout=10)
    except (OSError, CalledProcessError):
        return {}
    return dict(zip(CLOCKS.split(","), said.strip().split(", "), strict=False))


def seconds_of(run: Run, call: Callable[[], object], *, most: float = 5.0) -> float:
    """Median seconds of `call` by the wall clock, the device idle before and after.

    Args:
        run: says how often.
        call: what is timed.
        most: seconds after which no repeat is begun, `LEAST_REPEATS` excepted.
    """
    for _ in range(0 if run.quick else WARM_UPS):
        call()
    taken: list[float] = []
    began = monotonic()
    for number in range(run.repeats):
        if number >= min(LEAST_REPEATS, run.repeats) and monotonic() - began > most:
            break
        wait(run.device)
        start = perf_counter()
        call()
        wait(run.device)
        taken.append(perf_counter() - start)
    return median(taken)


def busy_seconds(run: Run, call: Callable[[], object]) -> dict[str, float]:
    """Seconds that each kernel of one `call` keeps a CUDA device busy.

    The rest of the wall clock is launching, copying and waiting. Empty on a CPU, and
    where the profiler does not work: that is no reason to lose a row.
    """
    if run.device.type != "cuda":
        return {}
    call()
    wait(run.device)
    try:
        return _profiled(run, call)
    except RuntimeError as error:
        say(f"no profile: {error}")
        return {}


def _profiled(run: Run, call: Callable[[], object]) -> dict[str, float]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        call()
        wait(run.device)
    found = {
        event.key[:60]: event.self_device_time_total / 1e6
        for event in seen.key_averages()
    }
    return {name: taken for name, taken in found.items() if taken > 0}


def wait(device: torch.device) -> None:
    """Until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
