"""The tests of the kernels on this device, before any timing."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

from bench.gpu.run import Run
from bench.provenance import ROOT
from bench.say import say

ON_GPU = tuple(
    str(path.relative_to(ROOT))
    for path in sorted(ROOT.glob("tests/device/test_on_gpu*.py"))
)
LEFT_FOR_LATER = "fp16 or -960- or -100-"
"""Kinds and dimensions that no target needs; each kernel is compiled anew for them."""

SUITES = {
    "core": (*ON_GPU, "-k", f"not ({LEFT_FOR_LATER})"),
    "rest": (*ON_GPU, "tests/conformance", "-k", f"triton or {LEFT_FOR_LATER}"),
}
COMMON = ("-q", "-rs", "-p", "no:cacheprovider", "--timeout", "120")
LENIENT = ("-W", "default")
"""Another NumPy's deprecations are no reason to waste a lease."""

MOST_WORKERS = 14
"""Side by side, where pytest-xdist is there: most of the time goes into compiling."""

KEPT = 3000
"""Characters of the end of a failed run's output that are kept."""


class NotGreenError(Exception):
    """Tests failed, were skipped, or there were none."""


def conformance(run: Run, _: str) -> None:
    """A row for each suite: how many tests passed, failed and were skipped."""
    if run.device.type != "cuda":
        run.skip(ON_GPU[0], "there is no CUDA device")
        return
    for name, arguments in SUITES.items():
        if run.options.wants(name):
            run.attempt(name, lambda n=name, a=arguments: tests(run, n, a))


def tests(run: Run, name: str, arguments: tuple[str, ...]) -> None:
    """Run pytest within the time left; a skipped test is as bad as a failed one.

    Raises:
        NotGreenError: with the end of what pytest printed.
    """
    command = [sys.executable, "-m", "pytest", *COMMON, *arguments, *LENIENT]
    if find_spec("xdist"):
        command += ["-n", str(min(MOST_WORKERS, os.cpu_count() or 1))]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"GLEANN_REQUIRE_GPU": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=max(1.0, run.left),
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace")
        raise NotGreenError(
            f"cut off after {late.timeout:.0f} s: {said[-KEPT:]}"
        ) from late
    said = done.stdout.decode(errors="replace")
    found = counted(said)
    run.row(what=name, exit=done.returncode, **found)
    if done.returncode or found.get("skipped") or not found.get("passed"):
        say(f"NOT GREEN: {name}\n{said[-KEPT:]}")
        raise NotGreenError(said[-KEPT:])


def counted(said: str) -> dict[str, int]:
    """The counts in the last line of pytest."""
    last = said.strip().rpartition("\n")[2]
    found = re.findall(r"(\d+) (passed|failed|skipped|errors?|deselected)", last)
    return {what: int(number) for number, what in found}
