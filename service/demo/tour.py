"""Import, build and search of the words through the client."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from gleann.index import BuildParams, SearchParams
from gleann.service.client import Client
from gleann.service.demo.stage import Stage
from gleann.service.demo.words import Words

NAME = "words"
TOLD = ("paris", "guitar", "cheese", "einstein", "nervous", "1984")
NEIGHBOURS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """Results of the tour.

    Attributes:
        import_seconds: time to import the parquet file.
        build_seconds: time to build the index, measured at the client.
        engine: name of the server's engine.
        count: words in the index.
        nlist: number of its inverted lists.
        nearest: a few words, each with its nearest neighbours and their distances.
    """

    import_seconds: float
    build_seconds: float
    engine: str
    count: int
    nlist: int
    nearest: dict[str, list[tuple[str, float]]]


def write_words(words: Words, folder: Path) -> Path:
    """Write the base words and their vectors as a parquet file to import."""
    path = folder / "words.parquet"
    vectors = words.vectors[words.base]
    flat = pa.array(vectors.ravel())
    table = pa.table(
        {
            "word": [words.words[row] for row in words.base],
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    )
    pyarrow.parquet.write_table(table, path)
    return path


def take_tour(stage: Stage, client: Client, words: Words, file: Path) -> Tour:
    """Create, import, build and search."""
    report = stage.report
    client.create_index(NAME, dim=words.vectors.shape[1], metric="cosine")
    start = perf_counter()
    imported = client.import_vectors(
        NAME, file, id_column="word", vector_column="vector"
    ).wait(progress=report)
    import_seconds = perf_counter() - start
    start = perf_counter()
    params = BuildParams(metric="cosine", seed=stage.seed)
    info = client.build(NAME, params).wait(progress=report)
    return Tour(
        import_seconds=import_seconds,
        build_seconds=perf_counter() - start,
        engine=info.engine or "none",
        count=imported.count,
        nlist=info.nlist or 0,
        nearest=_nearest(client, words),
    )


def _nearest(client: Client, words: Words) -> dict[str, list[tuple[str, float]]]:
    rows = {words.words[row]: row for row in words.base}
    told = [word for word in TOLD if word in rows]
    queries = np.stack([words.vectors[rows[word]] for word in told])
    found = client.search(NAME, queries, SearchParams(k=NEIGHBOURS + 1))
    return {
        word: [
            (str(other), float(distance))
            for other, distance in zip(ids, distances, strict=True)
            if other != word
        ][:NEIGHBOURS]
        for word, ids, distances in zip(told, found.ids, found.distances, strict=True)
    }
