"""Wrote `index-v3` and what it answers, once, with the gleann that began version 3.

Not run again: a golden file that is written anew proves nothing.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.payload import file
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema

N = 40
WHERE = "split = 'train' AND NOT flag AND when >= TIMESTAMP '2024-01-03T00:00:00Z'"
SCHEMA = Schema(
    [
        Column("split", "string", indexed=True),
        Column("year", "int64"),
        Column("score", "float64"),
        Column("flag", "bool"),
        Column("when", "timestamp"),
        Column("tags", "strings"),
        Column("meta", "json"),
    ]
)


def payload() -> Payload:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    columns = {
        "split": [["train", "test", None, "日本"][row % 4] for row in range(N)],
        "year": [None if row % 7 == 3 else 2**63 - 1 - row for row in range(N)],
        "score": [None if row % 5 == 1 else row / 8 for row in range(N)],
        "flag": [[True, False, None][row % 3] for row in range(N)],
        "when": [start + timedelta(hours=6 * row, microseconds=1) for row in range(N)],
        "tags": [[["a", "bc"], [], None, [""]][row % 4] for row in range(N)],
        "meta": [None if row % 9 == 8 else f'{{"row": {row}}}' for row in range(N)],
    }
    return Payload.of(columns, SCHEMA)


def main(folder: Path) -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((N, 5)).astype(np.float32)
    whole = payload()
    file.BATCH_ROWS = 17  # several record batches, as a large file has
    SoarIndex.build_on_disk(
        rows,
        folder / "index-v3",
        BuildParams(metric="l2", nlist=4, tune_queries=8),
        ids=[f"r{row}" for row in range(N)],
        payload=[whole.slice(0, 17), whole.slice(17, N)],
        schema=SCHEMA,
    )
    index = SoarIndex.load(folder / "index-v3")
    allowed = index.where(WHERE)
    params = SearchParams(k=3, nprobe=4, allowed=allowed)
    found = index.search(index.vectors[:5], params)
    said = {
        "schema": SCHEMA.to_values(),
        "payload": [
            {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}
            for row in whole.to_pylist()
        ],
        "where": WHERE,
        "passing": np.flatnonzero(allowed).tolist(),
        "ids": found.ids.tolist(),
        "distances": found.distances.tolist(),
    }
    text = json.dumps(said, indent=1, ensure_ascii=False)
    (folder / "index-v3-expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
