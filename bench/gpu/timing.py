"""Seconds by the wall clock, and seconds that kernels keep a device busy."""

from collections.abc import Callable
from statistics import median
from time import monotonic, perf_counter

import torch

from bench.gpu.run import Run
from bench.say import say

WARM_UPS, LEAST_REPEATS = 2, 3


def seconds_of(run: Run, call: Callable[[], object], *, most: float = 5.0) -> float:
    """Median seconds of `call` by the wall clock, the device idle before and after.

    Args:
        run: has the number of repeats.
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
    """Wait until the device has finished all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
