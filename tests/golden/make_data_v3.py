"""Makes tests/golden/data-v3 and its expected answers; run once, with commit 9cddd0d9.

It is what make_data_v1.py makes, and an index with payload, by the last gleann whose
database had schema version 3: without owners and logs. It is never made again.
`python tests/golden/make_data_v3.py FOLDER`
"""

import json
import sys
from pathlib import Path

import numpy as np
from make_data_v1 import answers, fill, rows_of

import gleann


def add_papers(client: gleann.Client) -> None:
    """Make an index with columns, sealed rows and newer ones, and an optimizer."""
    client.create_index(
        "papers",
        dim=4,
        columns={"year": "int64", "venue": "string"},
        optimizer=gleann.OptimizerParams(enabled=False, pending_share=0.25),
    )
    payload = {"year": [2000 + i for i in range(20)], "venue": ["acl", None] * 10}
    client.upsert("papers", np.arange(20), rows_of(20, 4, seed=5), payload=payload)
    client.build("papers").wait(timeout=60)
    client.upsert("papers", [20], rows_of(1, 4, seed=6), payload={"year": [2024]})


def main(folder: Path) -> None:
    """Fill FOLDER/data-v3, and write FOLDER/data-v3-expected.json."""
    data = folder / "data-v3"
    with gleann.Client(data) as client:
        names = fill(client)
        add_papers(client)
        expected = answers(client, names)
        expected["since 2010"] = client.count("papers", where="year >= 2010")
    (data / "lock").unlink()
    text = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    (folder / "data-v3-expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
