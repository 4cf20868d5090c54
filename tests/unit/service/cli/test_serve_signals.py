"""No signal to a server is lost, whichever of its threads takes it."""

import signal
import subprocess
import sys

import pytest

# Signals that another thread takes do not interrupt a wait for a lock in the main one.
TAKEN_ELSEWHERE = """
import signal, threading, time
from gleann.service.cli.serve import _signals

signals = _signals()

def take():
    for number in (signal.SIGHUP, signal.SIGHUP, signal.{last}):
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), number)

threading.Thread(target=take, daemon=True).start()
print(*[next(signals) for _ in range(3)], flush=True)
"""


@pytest.mark.parametrize("last", ["SIGTERM", "SIGINT"])
def test_signals_that_another_thread_takes_arrive(last: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", TAKEN_ELSEWHERE.format(last=last)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    numbers = [signal.SIGHUP, signal.SIGHUP, getattr(signal, last)]
    assert run.stdout.split() == [str(int(number)) for number in numbers]


OUT_OF_ORDER = """
import signal
from gleann.service.cli.serve import _signals

signals = _signals()
signal.raise_signal(signal.SIGTERM)
signal.raise_signal(signal.SIGHUP)
print(next(signals), next(signals), flush=True)
"""


def test_settings_are_read_before_a_stop_that_waits_too() -> None:
    run = subprocess.run(
        [sys.executable, "-c", OUT_OF_ORDER],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stdout.split() == [str(int(signal.SIGHUP)), str(int(signal.SIGTERM))]


def test_a_second_signal_to_stop_ends_the_process() -> None:
    code = TAKEN_ELSEWHERE.format(last="SIGTERM") + (
        "signal.raise_signal(signal.SIGTERM); print('still here')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 128 + signal.SIGTERM
    assert "still here" not in run.stdout
