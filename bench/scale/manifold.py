"""Seeded rows of a known intrinsic dimension.

Real embeddings fill a curved surface of far fewer dimensions than they have numbers,
in clusters of unequal size and density. `Manifold` draws such rows: a point of a
mixture of Gaussians in `intrinsic` dimensions, embedded by a smooth map (half of the
variance linear, half sines in random directions: the first 2 m principal axes hold 80
to 98 % of it), with a little noise in all dimensions, scaled to unit length.

The distribution does not depend on how many rows are drawn, and the first rows of a
larger draw are those of a smaller one. So what changes from n to 10 n is n alone. The
noise is a three-thousandth of the rows: the nearest of 10 million rows in 5 dimensions
are still several times farther away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gleann.index.arrays import Vectors
from gleann.index.metric import prepare

BLOCK_ROWS = 1 << 14
"""Rows drawn by one generator."""

WITHIN = 0.5
"""Standard deviation of a cluster of usual density; that of the centres is 1."""

DENSITIES = 0.35
"""Standard deviation of the logarithm of the widths of clusters."""

NOISE = 0.003
"""Length of the noise of a row, as a share of the row."""

NOISE_SIZE = np.float32(NOISE * (2 * (1 + WITHIN**2)) ** 0.5)
"""Standard deviation in each dimension: both halves have a variance of 1 + WITHIN^2."""

HIDDEN = 2
"""Sines for each dimension of the rows."""

FREQUENCY = 1.5
"""Radians that a sine turns by in a unit of its direction, root mean square."""

STREAMS = {"map": 0, "rows": 1, "queries": 2}


@dataclass(frozen=True, kw_only=True)
class Manifold:
    """A distribution of rows.

    Attributes:
        intrinsic: dimensions of the surface, m.
        dim: dimensions of the rows, at least m.
        clusters: Gaussians of the mixture; cluster i is drawn in proportion to
            1 / sqrt(i).
        seed: of everything.
    """

    intrinsic: int
    dim: int = 96
    clusters: int = 100
    seed: int = 0

    @property
    def name(self) -> str:
        """Such as m15, or m15-c1000 with another number of clusters than usual."""
        usual = self.clusters == Manifold.clusters
        return f"m{self.intrinsic}" + ("" if usual else f"-c{self.clusters}")

    def blocks(self, count: int, *, stream: str = "rows") -> Iterator[Vectors]:
        """`count` rows in blocks (b, dim), float32 of unit length.

        Args:
            count: of rows.
            stream: "rows", or "queries", of which none are among the rows.
        """
        for start in range(0, count, BLOCK_ROWS):
            # Whole blocks, so that a shorter draw is the same rows to the last bit.
            latent, rng = self._latent_block(stream, start // BLOCK_ROWS)
            yield prepare(self._embedded(latent, rng)[: count - start], "cosine")

    def latent(self, count: int, *, stream: str = "rows") -> Vectors:
        """The same rows (count, m) before they are embedded."""
        blocks = range(-(-count // BLOCK_ROWS))
        drawn = [self._latent_block(stream, block)[0] for block in blocks]
        return np.concatenate(drawn)[:count]

    def _latent_block(
        self, stream: str, block: int
    ) -> tuple[Vectors, np.random.Generator]:
        centres, widths, weights = self._mixture
        rng = self._rng(stream, block)
        cluster = rng.choice(self.clusters, BLOCK_ROWS, p=weights)
        latent = rng.standard_normal((BLOCK_ROWS, self.intrinsic), np.float32)
        latent *= widths[cluster, None]
        latent += centres[cluster]
        return latent, rng

    def _embedded(self, latent: Vectors, rng: np.random.Generator) -> Vectors:
        straight, frequencies, phases, curved = self._map
        rows = latent @ straight
        rows += np.sin(latent @ frequencies + phases) @ curved
        rows += NOISE_SIZE * rng.standard_normal(rows.shape, np.float32)
        return rows

    def _rng(self, stream: str, *more: int) -> np.random.Generator:
        own = (self.intrinsic, self.dim, self.clusters)
        return np.random.default_rng([self.seed, STREAMS[stream], *own, *more])

    @cached_property
    def _mixture(self) -> tuple[Vectors, Vectors, np.ndarray]:
        """Centres (c, m), widths (c,) and shares (c,) of the clusters."""
        rng = self._rng("map", 0)
        centres = rng.standard_normal((self.clusters, self.intrinsic), np.float32)
        spread = rng.standard_normal(self.clusters, np.float32)
        widths = WITHIN * np.exp(np.float32(DENSITIES) * spread)
        weights = 1 / np.sqrt(np.arange(1, self.clusters + 1))
        return centres, widths, weights / weights.sum()

    @cached_property
    def _map(self) -> tuple[Vectors, ...]:
        """Matrices of the linear part and of the sines, their phases and their sum."""
        rng = self._rng("map", 1)
        m, hidden = self.intrinsic, HIDDEN * self.dim
        straight = rng.standard_normal((m, self.dim), np.float32) / np.sqrt(m)
        frequencies = rng.standard_normal((m, hidden), np.float32) / np.sqrt(m)
        frequencies *= FREQUENCY
        phases = rng.uniform(0, 2 * np.pi, hidden).astype(np.float32)
        curved = rng.standard_normal((hidden, self.dim), np.float32)
        curved *= np.sqrt((1 + WITHIN**2) / (hidden / 2))
        parts = (straight, frequencies, phases, curved)
        return tuple(part.astype(np.float32) for part in parts)
