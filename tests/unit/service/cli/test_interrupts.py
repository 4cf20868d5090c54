"""Ctrl-C while modules load: one line and code 130, never a traceback."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from gleann.service.cli.interrupts import leaving_on_interrupt

SCRIPT = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)

wanted = sys.argv.pop(1)
sys.meta_path.insert(0, Interrupting())
from gleann.service.cli.main import main
main()
"""


def hear_interrupts() -> None:
    """Undo that a shell makes its background jobs, and what they start, ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["click", "numpy", "gleann.index.soar_index", "gleann.service.cli.build"]
)
def test_an_interrupted_import_is_one_line(module, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((9, 2), np.float32))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, module, "build", "x.npy", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        preexec_fn=hear_interrupts,
    )
    assert (done.returncode, done.stderr) == (130, "gleann: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_python_s_own_handler_comes_back():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with leaving_on_interrupt():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
