"""What tests of `gleann select` share."""

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from gleann.service.cli.main import run

N = 500
"""Items in the folder of `tests/unit/service/cli/conftest.py`."""


def select(folder, out, *arguments):
    return run(["select", *arguments, "--out", str(out)])


def points_file(folder):
    """Arguments for the raw points of the folder as the source."""
    return [str(folder / "points.npy"), "--metric", "l2"]


def picks(path):
    return pq.read_table(path)["id"].to_pylist()


def label_file(path, labels):
    table = pa.table({"id": list(labels), "label": list(labels.values())})
    pacsv.write_csv(table, path)
