"""Tables of vectors, ids and payload in every form that is opened."""

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq

ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)
IDS = [f"é{row:02}" for row in range(20)]


def lists_of(rows, kind=None):
    return pa.array(list(rows), kind or pa.list_(pa.float32()))


def table_of(rows=ROWS, ids=IDS, **columns):
    return pa.table({"id": ids, "vector": lists_of(rows), **columns})


def write_parquet(table, path):
    pq.write_table(table, path, row_group_size=7)


def write_feather(table, path):
    pyarrow.feather.write_feather(table, path, chunksize=6)


def write_ipc(table, path):
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=6)


def write_stream(table, path):
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=6)


WRITERS = {
    ".parquet": write_parquet,
    ".pq": write_parquet,
    ".feather": write_feather,
    ".arrow": write_stream,
    ".ipc": write_ipc,
}


def source_of(kind, table, folder):
    """A table as one of `SOURCES`."""
    if kind in WRITERS:
        WRITERS[kind](table, folder / f"t{kind}")
        return folder / f"t{kind}"
    return HELD[kind](table, folder)


def sliced(table, folder):
    thrice = pa.concat_tables([table, table, table]).combine_chunks()
    return thrice.slice(len(table), len(table))


def dataset(table, folder):
    write_parquet(table, folder / "d.parquet")
    return pa.dataset.dataset(folder / "d.parquet")


HELD = {
    "table": lambda table, folder: table,
    "chunked": lambda table, folder: pa.concat_tables(
        [table.slice(0, 5), table.slice(5)]
    ),
    "sliced": sliced,
    "batch": lambda table, folder: table.combine_chunks().to_batches()[0],
    "reader": lambda table, folder: table.to_reader(max_chunksize=6),
    "dataset": dataset,
}
SOURCES = [*WRITERS, *HELD]
