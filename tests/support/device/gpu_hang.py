"""A process of `bench.gpu` with a stage that never ends, and one that kills it."""

import os
import signal
import time

from bench.gpu import (
    worker,
)
from bench.gpu.stages.table import STAGES, Stage


def hangs(run, _):
    run.attempt("quick", lambda: run.row(what="quick"))
    run.attempt("endless", lambda: time.sleep(600))


def dies(run, _):
    run.attempt("last words", lambda: run.row(what="last words"))
    os.kill(os.getpid(), signal.SIGKILL)


def work(setup, units, parent):
    STAGES["kernel"] = Stage(hangs, 1)
    STAGES["coarse"] = Stage(dies, 1)
    worker.work(setup, units, parent)
