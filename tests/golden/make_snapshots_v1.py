"""Makes tests/golden/snapshots-v1 and its expected answers; run once, with d11b21f9.

Two archives as `export_to` of `client.snapshots` wrote them when their format had
version 1: of an index with a sealed version and every kind of change since, and of one
that was never built, by a condition. They are never made again.
`python tests/golden/make_snapshots_v1.py FOLDER`
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.append(str(Path(__file__).parents[1] / "support" / "worlds"))

from golden_snapshots import WHERE, answers, fill_names, fill_papers

import gleann


def main(folder: Path) -> None:
    """Fill FOLDER/snapshots-v1, and write FOLDER/snapshots-v1-expected.json."""
    archives = folder / "snapshots-v1"
    archives.mkdir(exist_ok=True)
    expected = {}
    with TemporaryDirectory() as scratch, gleann.Client(Path(scratch)) as client:
        fill_papers(client)
        fill_names(client)
        for name, where in (("papers", None), ("names", WHERE["names"])):
            made = client.snapshots.create(name, where=where).wait(timeout=60)
            file = archives / f"{name}.tar"
            client.snapshots.export_to(made.name, file).wait(timeout=60)
            client.snapshots.restore(made.name, "again").wait(timeout=60)
            said = answers(client, "again", where=WHERE[name])
            expected[name] = {"name": made.name} | said
            client.delete_index("again")
    text = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    (folder / "snapshots-v1-expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
