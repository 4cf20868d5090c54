"""Whether the kernels are right on this device: their tests, before any timing."""

import re
import subprocess
import sys
from importlib.util import find_spec

from bench.gpu.run import Run
from bench.provenance import ROOT

TESTS = (
    "tests/device/test_on_gpu.py",
    "tests/device/test_on_gpu_build.py",
    "tests/conformance",
)
ONLY = ("-k", "triton or on_gpu")
LENIENT = ("-W", "default")
"""Another NumPy's deprecations are no reason to waste a lease."""

WORKERS = 8
"""Side by side, where pytest-xdist is there: most of the time goes into compiling."""

TOLD = 3000
"""Characters of the end of a failed run's output that are kept."""


def conformance(run: Run) -> None:
    """One row: how many tests passed, failed and were skipped."""
    if run.device.type != "cuda":
        run.skip("tests/device/test_on_gpu.py", "there is no CUDA device")
        return
    run.attempt("tests", lambda: _tests(run))


def _tests(run: Run) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    if find_spec("xdist"):
        command += ["-n", str(WORKERS)]
    try:
        done = subprocess.run(
            [*command, *TESTS, *ONLY, *LENIENT],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=max(1.0, run.left),
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace")
        run.skip("a whole run", f"cut off after {late.timeout:.0f} s: {said[-TOLD:]}")
        return
    said = done.stdout.decode(errors="replace")
    run.row(what=" ".join(TESTS), exit=done.returncode, **counted(said))
    if done.returncode:
        run.skip("a green run", said[-TOLD:])


def counted(said: str) -> dict[str, int]:
    """What pytest's last line counts."""
    found = re.findall(r"(\d+) (passed|failed|skipped|errors?|deselected)", said)
    return {what: int(number) for number, what in found}
