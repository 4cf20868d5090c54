"""A Ray of its own that loses workers while it starts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.support import ray_workers

pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")

STARTING = """
import sys
from pathlib import Path
from gleann.service.cluster.session import joined

with joined(workers=2) as cluster:
    Path(sys.argv[1]).touch()
    sys.stdin.read()
    print(list(cluster.run(abs, [-1, -2, -3])))
"""


@contextmanager
def starting(joined: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that starts a Ray, makes a file, and works when its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTING, str(joined)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            try:
                yield process
            except BaseException:
                kill([*ray_workers.descendants(process.pid), process.pid])
                raise
    finally:
        assert process.returncode is not None


def kill(processes: list[int]) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGKILL)


def is_worker(pid: int) -> bool:
    """Whether it is to be a worker; they take their names when they are ready."""
    with suppress(OSError):
        said = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        script = b"python" in Path(os.fsdecode(said[0])).name.encode()
        own = any(part.endswith(b"/default_worker.py") for part in said[1:4])
        return (script and own) or said[0].startswith(b"ray::IDLE")
    return False


def test_workers_lost_while_ray_starts_are_not_waited_for(tmp_path: Path) -> None:
    """Ray's own way is to start some for the first driver, and to answer it then."""
    mark = tmp_path / "joined"
    with starting(mark) as process:

        def is_joined() -> bool:
            below = ray_workers.descendants(process.pid)
            kill([pid for pid in below if is_worker(pid)])
            return mark.exists() or process.poll() is not None

        assert ray_workers.wait_for(is_joined, seconds=120)
        assert mark.exists()
        found, _ = process.communicate(timeout=120)
    assert found.splitlines()[-1:] == ["[1, 2, 3]"]
