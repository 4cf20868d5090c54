"""One index as a folder and behind a server, and what commands make of both."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

import gleann
from gleann.index import BuildParams, SoarIndex
from gleann.service.cli.main import run
from gleann.service.config import Config
from gleann.service.server import serve

N, DIM = 240, 8
NAMES = np.array([f"r{row:03d}" for row in range(N)])
TOPICS = np.arange(N) % 3
SPLITS = np.where(np.arange(N) < 150, "train", "test")
LABELS = np.where(np.arange(N) % 40 < 3, "cat", "dog")
KEY = "a-key-of-the-tests"


def points() -> np.ndarray:
    """(N, DIM) clustered rows; each of the last 60 is near one of the first 60."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(6, DIM)) * 3
    rows = centres[rng.integers(6, size=N)] + rng.normal(size=(N, DIM))
    rows[-60:] = rows[:60] + rng.normal(scale=0.02, size=(60, DIM))
    return rows.astype(np.float32)


def payload() -> dict[str, Any]:
    """Columns of the rows."""
    return {
        "topic": TOPICS,
        "split": SPLITS,
        "score": np.linspace(1, 0, N) ** 2,
    }


def build_params() -> BuildParams:
    """Of the folder and of the server, so that both have the same lists."""
    return BuildParams(metric="l2", nlist=8, tune_queries=0)


def write_files(folder: Path) -> None:
    """The indexes as folders, and the files that commands read."""
    rows, names = points(), NAMES
    for name, part in (("docs", slice(None)), ("old", slice(0, 90))):
        columns = {key: values[part] for key, values in payload().items()}
        made = SoarIndex.build(
            rows[part], build_params(), ids=names[part], payload=columns
        )
        made.save(folder / name)
    np.save(folder / "wanted.npy", rows[:5] + 0.1)
    pq.write_table(
        pa.table({"id": ["w1", "w2", "w3"], "vector": rows[7:10].tolist()}),
        folder / "named.parquet",
    )
    few = np.arange(0, N, 30)
    tables = {
        "items": {"id": names, **payload()},
        "seeds": {"id": names[few], "task": np.where(few % 60, "law", "code")},
        "labels": {"id": names[few], "label": LABELS[few]},
        "tests": {"id": names[200:]},
        "excluded": {"id": names[60:120:2]},
        "picks": {"id": names[5:65:2], "good": np.arange(30) % 2},
        "pairs": {
            "query": [str(query) for query in range(5) for _ in range(2)],
            "id": names[:10],
        },
        "seed_pairs": {"query": np.repeat(names[few], 2), "id": names[: 2 * len(few)]},
        "sample": {"label": LABELS[:50]},
    }
    for name, columns in tables.items():
        pacsv.write_csv(pa.table(columns), folder / f"{name}.csv")
    soft = {"id": names[few], "cat": np.linspace(0, 1, len(few))}
    soft["dog"] = 1 - soft["cat"]
    pacsv.write_csv(pa.table(soft), folder / "soft.csv")


def fill(data: Path) -> None:
    """The same indexes in a data directory."""
    types = {"topic": "int64", "split": "string", "score": "float64"}
    with gleann.Client(data) as client:
        for name, part in (("docs", slice(None)), ("old", slice(0, 90))):
            columns = {key: values[part].tolist() for key, values in payload().items()}
            client.create_index(name, dim=DIM, metric="l2", columns=types)
            client.upsert(name, NAMES[part], points()[part], columns)
            client.build(name, build_params()).wait(timeout=120)


@contextmanager
def served(data: Path) -> Iterator[str]:
    """The address of a server of that directory, which wants `KEY`."""
    config = Config(data_dir=data, listen="127.0.0.1:0", api_key=KEY)
    with serve(config) as server:
        yield server.target


def curate(*words: Any) -> int:
    """Run a command; its exit code."""
    return run(["curate", *map(str, words)])


def filled(words: str, folder: Path, side: str) -> list[str]:
    """A command line as words.

    Args:
        words: with DOCS and OLD for the indexes, F/ before what is read and O/ before
            what is written.
        folder: with the files.
        side: "here" works on the folders of the indexes, "there" on the server's.
    """
    names = {"DOCS": "docs", "OLD": "old"}
    roots = {"F/": folder, "O/": folder / side}
    made = []
    for word in shlex.split(words):
        if word in names:
            made.append(str(folder / names[word]) if side == "here" else names[word])
        elif word[:2] in roots:
            made.append(f"{roots[word[:2]]}/{word[2:]}")
        else:
            made.append(word)
    return made


def read(path: Path) -> pa.Table:
    """A table, without the numbers of rows that a server has not."""
    table = pq.read_table(path) if path.suffix == ".parquet" else pacsv.read_csv(path)
    kept = [name for name in table.column_names if name != "row"]
    return table.select(kept).replace_schema_metadata()


def results_of(path: Path) -> dict[str, Any]:
    """What the record of an output says."""
    record = json.loads(Path(f"{path}.manifest.json").read_text())
    found: dict[str, Any] = record["results"]
    return found


def plain(said: str, folder: Path) -> list[str]:
    """Printed lines without paths, seconds and the name of the curation."""
    said = said.replace(str(folder), "F").replace("F/here/", "").replace("F/there/", "")
    said = re.sub(r"F/(docs|old)\b", r"\1", said)
    lines = re.sub(r"\d+\.\d\d s\b", "T s", said).splitlines()
    return [one for one in lines if not one.startswith("curations/")]
