"""Makes tests/golden/data-v1 and its expected answers; run once, with commit c3bc06f.

The directory is to be opened, migrated, by every later gleann: so it is never made
again. `python tests/golden/make_data_v1.py FOLDER`
"""

import json
import sys
from pathlib import Path

import numpy as np

import gleann
from gleann.index import BuildParams, SearchParams
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams

EXACT = SearchParams(k=4, exact=True)


def rows_of(n: int, dim: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def words_of(n: int) -> list[str]:
    return [f"wörd {number}" for number in range(n)]


def fill(client: gleann.Client) -> dict[str, str]:
    """Make the collections, a selection and two sessions; the names of the latter."""
    client.create_index("angles", dim=6, metric="cosine", request_id="make angles")
    client.upsert("angles", np.arange(80), rows_of(80, 6, seed=0), request_id="first")
    build = BuildParams(metric="cosine", nlist=4, tune_queries=8)
    built = client.build("angles", build, request_id="build angles")
    built.wait(timeout=60)
    made = client.active.start(
        "angles",
        ids=np.arange(12),
        labels=np.arange(12) % 2,
        params=ActiveParams(batch=5),
        request_id="start active",
    )
    asked = client.next_batch(made).ids
    client.submit_labels(made, asked[:2], asked[:2] % 2)
    client.upsert("angles", np.arange(70, 100), rows_of(30, 6, seed=1))
    client.delete_vectors("angles", [3, 75, 90])

    client.create_index("texts", dim=5, metric="l2")
    client.upsert("texts", words_of(60), 3 * rows_of(60, 5, seed=2))
    build = BuildParams(metric="l2", nlist=3, tune_queries=8, spill="none")
    client.build("texts", build).wait(timeout=60)
    proxy = (words_of(60), np.linspace(0, 1, 60))
    estimate = client.estimates.start(
        "texts", params=EstimateParams(budget=30, strata=2), proxy=proxy
    )
    drawn = client.next_batch(estimate).ids
    client.submit_labels(estimate, drawn[:4], np.arange(4) % 2 == 0)
    client.delete_vectors("texts", words_of(8))
    client.upsert("texts", ["later", "ねこ"], rows_of(2, 5, seed=3))

    client.create_index("never-built", dim=3, metric="ip")
    client.upsert("never-built", [5, 1 << 60], rows_of(2, 3, seed=4))
    client.create_index("empty", dim=2)
    chosen = client.coresets.farthest_first("texts", k=3)
    chosen.wait(timeout=60)
    return {
        "build": built.name,
        "active": made.name,
        "estimate": estimate.name,
        "chosen": chosen.name,
    }


def answers(client: gleann.Client, names: dict[str, str]) -> dict:
    """What the directory answers, as JSON."""
    found = {
        "angles": client.search("angles", rows_of(3, 6, seed=9), EXACT),
        "texts": client.search("texts", rows_of(3, 5, seed=9), EXACT),
        "never-built": client.search(
            "never-built", rows_of(3, 3, seed=9), SearchParams(k=2, exact=True)
        ),
    }
    return {
        "names": names,
        "indexes": [
            [i.name, i.dim, i.metric, i.id_type, i.count, i.pending, i.version]
            for i in client.list_indexes()
        ],
        "sequences": [[i.name, i.sequence] for i in client.list_indexes()],
        "ids": {name: one.ids.tolist() for name, one in found.items()},
        "distances": {name: one.distances.tolist() for name, one in found.items()},
        "vectors": {
            "angles": client.get_vectors("angles", [0, 72, 99]).tolist(),
            "texts": client.get_vectors("texts", ["later", "wörd 59"]).tolist(),
            "never-built": client.get_vectors("never-built", [5, 1 << 60]).tolist(),
        },
        "batches": {
            kind: client.next_batch(names[kind]).ids.tolist()
            for kind in ("active", "estimate")
        },
        "chosen": client.operations.get(names["chosen"]).wait().ids.tolist(),
        "sessions": [[s.name, s.index, s.version] for s in client.sessions.list()],
        "operations": [
            [o.name, o.kind, o.index, o.done] for o in client.operations.list()
        ],
    }


def main(folder: Path) -> None:
    """Fill FOLDER/data-v1, and write FOLDER/data-v1-expected.json."""
    data = folder / "data-v1"
    with gleann.Client(data) as client:
        names = fill(client)
        expected = answers(client, names)
    (data / "lock").unlink()
    text = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    (folder / "data-v1-expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
