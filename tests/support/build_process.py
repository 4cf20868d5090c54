"""Build shards on a Ray of two workers: a process to be killed.

Arguments: the input, the folder to write, and the bytes of a block.
"""

import sys
from pathlib import Path

from gleann.index import BuildParams
from gleann.index.shards.build.build import ask_for, build_shards
from gleann.service.cluster.session import joined

PARAMS = BuildParams(nlist=24, tune_queries=100)
SHARDS = 3


def main(source: str, out: str, block_bytes: str) -> None:
    asked = ask_for([source], PARAMS, shards=SHARDS, block_bytes=int(block_bytes))
    with joined(workers=2) as cluster:
        build_shards(asked, Path(out), runner=cluster.run)


if __name__ == "__main__":
    main(*sys.argv[1:])
