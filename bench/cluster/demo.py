"""`make cluster-demo`: runs the commands of `service/cluster/README.md`, one by one.

    python -m bench.cluster.demo FOLDER

The commands find the folder as their working directory.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.scale.manifold import Manifold

README = Path(__file__).resolve().parents[2] / "service" / "cluster" / "README.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROWS, REPEATED, QUERIES, DIM, INTRINSIC = 60_000, 600, 200, 64, 12
SHIFT = 1e-3
"""Of a row and its near-duplicate, in each number."""


def main(folder: Path) -> int:
    """Run the commands; the exit status of the first that fails, or 0."""
    write_inputs(folder, rows=ROWS)
    begun = perf_counter()
    for line in commands(README.read_text("utf-8")):
        print(f"\n$ {line}", flush=True)
        status = subprocess.call(line, shell=True, cwd=folder, env=_with_gleann())
        if status:
            return status
    print(f"\nall of it took {perf_counter() - begun:.0f} s; the files: {folder}")
    return 0


def commands(text: str) -> list[str]:
    """The commands of the first block for the shell, continued lines joined."""
    found = BLOCK.search(text)
    assert found is not None
    joined = re.sub(r"\\\n\s*", "", found[1])
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def write_inputs(folder: Path, *, rows: int) -> None:
    """`rows-0.npy` and `rows-1.npy`, which repeats some rows nearly; `queries.npy`."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Manifold(intrinsic=INTRINSIC, dim=DIM)
    drawn = np.concatenate(list(source.blocks(rows)))
    half = rows // 2
    repeated = min(REPEATED, half // 10)
    drawn[half : half + repeated] = drawn[:repeated] + np.float32(SHIFT)
    (folder / "rows").mkdir(exist_ok=True)
    np.save(folder / "rows" / "rows-0.npy", drawn[:half])
    np.save(folder / "rows" / "rows-1.npy", drawn[half:])
    np.save(
        folder / "queries.npy",
        np.concatenate(list(source.blocks(QUERIES, stream="queries"))),
    )


def _with_gleann() -> dict[str, str]:
    """The environment in which `gleann` is that of this Python."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
