"""A disk that is full in any phase of a build: an error, and the same build goes on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gleann.index import BuildParams
from gleann.index.payload.schema import Schema
from gleann.index.shards.build.build import ask_for, build_shards
from gleann.index.shards.build.sources import Wanted
from tests.support.shard_builds import files_of, write_parquet

N, DIM, BLOCK, SHARDS = 600, 12, 100 * 4 * 12, 3

PHASES = ("place", "gather", "train", "assign", "tune", "write", "written", "done")
"""Progress from which on the disk takes no more; "written" is the end of "write"."""

FULL_DISK = """
import json, resource, sys
from pathlib import Path
from gleann.index import BuildParams
from gleann.index.build import assign
from gleann.index.errors import StorageError
from gleann.index.payload.schema import Schema
from gleann.index.shards.build import assigned
from gleann.index.shards.build.build import ask_for, build_shards
from gleann.index.shards.build.sources import Wanted

assign.PROGRESS_ROWS = assigned.RANGE_ROWS = 200  # three tasks
source, out = sys.argv[1], Path(sys.argv[2])
block, phases = map(json.loads, sys.argv[3:])
wanted = Wanted(schema=Schema.of({"word": "string"}))
params = BuildParams(nlist=9, tune_queries=30)
asked = ask_for([source], params, shards=3, wanted=wanted, block_bytes=block)
unlimited = resource.RLIM_INFINITY

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, unlimited))

def build(phase):
    def heard(progress):
        is_end = progress.phase == "write" and progress.done == progress.total
        if phase in (progress.phase, "written" if is_end else ""):
            limit(200)
    try:
        return build_shards(asked, out, threads=1, progress=heard).resumed
    finally:
        limit(unlimited)

for phase in phases:
    try:
        print(phase, "ended", build(phase))
    except StorageError as error:
        left = sorted(path.name for path in out.rglob("tmp-*"))
        print(phase, (out / "shards.json").exists(), left, error)
print("resumed", build("none"))
"""


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N, DIM), dtype=np.float32)
    words = [f"w{n % 9}" for n in range(N)]
    return write_parquet(tmp_path / "in", rows, groups=70, word=words)


def test_a_full_disk_is_told_and_the_build_goes_on(tmp_path: Path, pages: Path) -> None:
    """The kernel refuses all but 200 bytes of a file, in each phase once."""
    out = tmp_path / "out"
    words = [str(pages), str(out), json.dumps(BLOCK), json.dumps(PHASES)]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *refused, last = done.stdout.splitlines()
    for phase, line in zip(PHASES, refused, strict=True):
        assert line.startswith(f"{phase} False [] could not save to {out}"), line
        assert line.endswith(": File too large")
    assert last == f"resumed {SHARDS}"
    asked = ask_for(
        [str(pages)],
        BuildParams(nlist=9, tune_queries=30),
        shards=SHARDS,
        wanted=Wanted(schema=Schema.of({"word": "string"})),
        block_bytes=BLOCK,
    )
    build_shards(asked, tmp_path / "calm")
    assert files_of(out) == files_of(tmp_path / "calm")
