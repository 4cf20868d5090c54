"""Sets of rows in files: nested samples of a `Manifold`, or of real data.

A folder holds `rows.npy` in an order in which any first n rows are a sample, the
queries, and the true distances for each n that was asked for. Rows are mapped, so
memory is bounded by a block; a file that is there is not made again.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets import load_dataset
from bench.say import say
from bench.scale.manifold import Manifold
from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.exact import exact_search_prepared
from gleann.index.params import Metric

DEPTH = 20
"""True neighbours a query: enough for recall@10 and for estimates of the dimension."""

SAID_ROWS = 1_000_000
"""Rows between two lines of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSet:
    """Rows and queries in files, prepared for `metric`.

    Attributes:
        name: of the distribution.
        folder: with `rows.npy`, `queries.npy` and `set.json`.
        metric: which distance.
        most: rows that there are.
        dim: their dimensions.
    """

    name: str
    folder: Path
    metric: Metric
    most: int
    dim: int

    @property
    def rows_file(self) -> Path:
        return self.folder / "rows.npy"

    @property
    def described(self) -> dict[str, Any]:
        """What the rows and queries are drawn from, however many rows there are."""
        return _described(self.folder)[1]

    @property
    def queries(self) -> Vectors:
        """All queries, float32 (nq, dim)."""
        queries: Vectors = np.load(self.folder / "queries.npy")
        return queries

    def rows(self, n: int) -> Vectors:
        """The first n rows, mapped."""
        rows: Vectors = np.load(self.rows_file, mmap_mode="r")
        return rows[:n]

    def truth(self, n: int, count: int | None = None) -> tuple[Rows, Distances]:
        """Rows and distances (nq, DEPTH) of the nearest of the first n rows.

        They are found at the first call, by a scan of all rows in blocks.

        Args:
            n: rows.
            count: of the first queries; None takes all.
        """
        some = "" if count is None else f"-{count}"
        file = self.folder / f"truth-{n}{some}.npz"
        if not file.is_file():
            say(f"{self.name}: the true neighbours among {n:,} rows")
            rows, distances = exact_search_prepared(
                self.queries[:count],
                self.rows(n),
                metric=self.metric,
                k=min(DEPTH, n),
                progress=_said(self.name),
            )
            found = {"rows": rows, "distances": distances}
            _publish(file, lambda part: np.savez(part, **found))
        with np.load(file) as there:
            return there["rows"], there["distances"]


def manifold_set(
    manifold: Manifold, folder: Path, *, most: int, queries: int
) -> RowSet:
    """A set of at least `most` rows; more of an earlier run are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {"manifold": asdict(manifold), "queries": queries}
    there = _there(folder, described)
    if there < most:
        blocks = manifold.blocks(queries, stream="queries")
        np.save(folder / "queries.npy", np.concatenate(list(blocks)))
        say(f"{manifold.name}: drawing {most:,} x {manifold.dim} rows")
        rows = folder / "rows.npy"
        _publish(rows, lambda part: _write_rows(part, manifold, most))
        (folder / "set.json").write_text(json.dumps({"rows": most, **described}))
    return RowSet(
        name=manifold.name,
        folder=folder,
        metric="cosine",
        most=max(most, there),
        dim=manifold.dim,
    )


def real_set(data: Path, folder: Path, *, seed: int, queries: int) -> RowSet:
    """A real data set, its rows in random order, and its first held-out queries.

    Raises:
        SystemExit: `folder` is that of the data, which would be written over.
    """
    if folder.resolve() == data.resolve():
        raise SystemExit(f"{folder} has the data themselves: give another folder")
    dataset = load_dataset(data)
    folder.mkdir(parents=True, exist_ok=True)
    described = {"data": dataset.name, "seed": seed, "queries": queries}
    if _there(folder, described) == 0:
        order = np.random.default_rng(seed).permutation(len(dataset.base))
        np.save(folder / "queries.npy", dataset.queries[:queries])
        rows = folder / "rows.npy"
        _publish(rows, lambda part: np.save(part, dataset.base[order]))
        said = {"rows": len(dataset.base), **described}
        (folder / "set.json").write_text(json.dumps(said))
    return RowSet(
        name=data.resolve().name,
        folder=folder,
        metric=dataset.metric,
        most=len(dataset.base),
        dim=dataset.base.shape[1],
    )


def _there(folder: Path, described: dict[str, Any]) -> int:
    """Rows in a folder that holds what is described; 0 where it holds something else.

    The truth of something else is removed.
    """
    rows, found = _described(folder)
    if found == described and (folder / "rows.npy").is_file():
        return rows
    for file in folder.glob("truth-*.npz"):
        file.unlink()
    return 0


def _described(folder: Path) -> tuple[int, dict[str, Any]]:
    """Rows in a folder, and what they are drawn from; 0 and nothing where none are."""
    said = folder / "set.json"
    found: dict[str, Any] = json.loads(said.read_text()) if said.is_file() else {}
    return int(found.pop("rows", 0)), found


def _write_rows(part: Path, manifold: Manifold, count: int) -> None:
    shape = (count, manifold.dim)
    rows = np.lib.format.open_memmap(part, "w+", np.float32, shape)
    done = 0
    for block in manifold.blocks(count):
        rows[done : done + len(block)] = block
        before, done = done, done + len(block)
        if done // SAID_ROWS > before // SAID_ROWS:
            say(f"{manifold.name}: {done:,} of {count:,} rows")
    rows.flush()


def _publish(file: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name first: one that is there is whole."""
    part = file.with_name(f"part-{file.name}")
    write(part)
    part.replace(file)


def _said(name: str) -> Callable[[int, int], None]:
    """A listener that says every tenth of the rows of a scan."""
    tenths = 0

    def hear(done: int, total: int) -> None:
        nonlocal tenths
        if 10 * done // total > tenths:
            tenths = 10 * done // total
            say(f"{name}: {tenths * 10} % of the scan")

    return hear
