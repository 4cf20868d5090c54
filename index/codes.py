"""How an engine stores rows to scan them: centred int8 codes, or the rows in float32.

Both subtract the centre of the index from rows and queries first, so that an offset
which all rows share costs no precision. An int8 row x is round((x - c) / scale) with
scale = max|x - c| / 127, and a query likewise; the dot product of both is then the
product of both scales and an integer, the same on every engine. Rows and queries may be
projected to fewer dimensions first (`projection.py`). `Encoding` has the scores.
"""

from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import RowMatrix, Vectors
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.params import CodeKind, Metric
from gleann.index.projection import PROJECTED_VALUES, Projection, products

CODE_MAX = 127
CENTRE_ROWS = 4096
"""Rows whose median is the centre: it is then off by about 2 % of their spread."""

CENTRED_PEAKS = 0.8
"""The centre is subtracted if the codes of most rows become finer by this factor."""

_MOST = np.finfo(np.float32).max


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Codes:
    """Rows as engines scan them; see `Encoding`.

    Attributes:
        values: int8 (n, d), each in -127..127; or the float32 rows as they are kept.
        scales: float32 (n,), strictly positive, centred row = scale * value; 1 for
            float32 rows.
        biases: float32 (n,), what is subtracted from each row's scores; None for
            nothing.
    """

    values: NDArray[np.int8] | Vectors | RowMatrix
    scales: NDArray[np.float32]
    biases: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, rows: slice) -> "Codes": ...
    @overload
    def __getitem__(self, rows: NDArray[np.integer]) -> "Codes": ...
    def __getitem__(self, rows: slice | NDArray[np.integer]) -> "Codes":
        """The codes of some rows."""
        return Codes(
            values=self.values[rows],
            scales=self.scales[rows],
            biases=None if self.biases is None else self.biases[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoding:
    """How rows and queries become codes, and what the codes of both score.

    Scores are higher for nearer rows, and comparable for one query only. With q' and
    x' for what is left of q and x without the centre c:

    - under l2, 2 q'.x' - |x'|^2, where int8 takes the length of the decoded row; and in
      float32 -sum (q'_j - x'_j)^2;
    - under cosine the same, since prepared rows and queries have unit length; but plain
      q.x in int8 where the centre is zero;
    - under ip, q'.x' + c.x', of which int8 has the double where the centre is not zero.

    Under a projection, the product of the projected vectors stands for q'.x', and |x'|
    is the length of the whole row: only the product is reduced. So the axes of queries
    may be others than those of rows, and none of them loses what rows differ in length.

    Attributes:
        metric: which distance.
        kind: what a row is stored as.
        center: float32 (d,), zero if nothing is subtracted.
        projection: of rows and queries, with the same centre, before they are coded in
            int8; None codes them as they are.
    """

    metric: Metric
    kind: CodeKind
    center: NDArray[np.float32]
    projection: Projection | None = None

    @classmethod
    def uncentred(cls, metric: Metric, dim: int) -> "Encoding":
        """Plain int8 codes, as all indexes of format version 1 have them."""
        return cls(metric=metric, kind="int8", center=np.zeros(dim, np.float32))

    @property
    def is_centred(self) -> bool:
        """Whether a centre is subtracted."""
        return bool(self.center.any())

    @property
    def width(self) -> int:
        """Numbers in a code."""
        if self.projection is None:
            return len(self.center)
        return len(self.projection.row_axes)

    @property
    def unprojected(self) -> "Encoding":
        """The encoding of the same rows in all of their dimensions."""
        return replace(self, projection=None)

    @property
    def has_biases(self) -> bool:
        """Whether a row's score is less by a number of its own."""
        if self.kind == "float32":
            return self.metric == "ip"
        return self.metric == "l2" or self.is_centred

    def centred(self, rows: Vectors) -> Vectors:
        """Rows (m, d) without the centre, rounded to float32."""
        return rows - self.center if self.is_centred else rows

    def encode(self, rows: Vectors) -> Codes:
        """The codes of prepared rows (n, d); float32 rows are kept, not copied."""
        if self.kind == "float32":
            return self.encode_whole(rows)
        if self.projection is None:
            return self.with_biases(quantise(rows, self.center), rows)
        points = products(rows, self.projection.row_axes, self.center)
        return self.with_biases(quantise(points), rows)

    def encode_whole(self, rows: RowMatrix) -> Codes:
        """The codes of prepared rows (n, d) where these are scanned in float32."""
        return self.whole(rows, self._dot_biases(rows))

    @staticmethod
    def whole(rows: RowMatrix, biases: NDArray[np.float32] | None) -> Codes:
        """The codes that prepared rows (n, d) are in float32."""
        ones = np.broadcast_to(np.float32(1), len(rows))
        return Codes(values=rows, scales=ones, biases=biases)

    def with_biases(self, codes: Codes, rows: Vectors) -> Codes:
        """int8 codes with the biases of prepared rows (n, d) in this encoding."""
        if not self.has_biases:
            return codes
        if (dots := self._dot_biases(rows)) is not None:
            return replace(codes, biases=2 * dots)
        if self.projection is None:
            return replace(codes, biases=decoded_norms(codes))
        return replace(codes, biases=self._whole_norms(codes, rows, self.projection))

    def scan_scores(self, queries: Vectors, codes: Codes) -> Vectors:
        """Exactly the scores (nq, m) that engines compare, higher is better.

        Args:
            queries: (nq, d), prepared.
            codes: of m rows.
        """
        if self.kind == "float32":
            return self._float_scores(queries, codes)
        if self.projection is None:
            coded = quantise(queries, self.center)
        else:
            asked = products(queries, self.projection.query_axes, self.center)
            coded = quantise(asked)
        scores = integer_dots(coded, codes)
        scores *= codes.scales
        if codes.biases is None:
            return scores
        scores *= (np.float32(2) * coded.scales)[:, None]
        scores -= codes.biases
        return scores

    def float_rows(self, rows: Vectors) -> Vectors:
        """Float32 points that stand for rows (m, d) where codes are not scanned.

        By squared L2, or by inner product under ip, they rank beside `float_queries` as
        the rows do beside the queries.
        """
        points = self.centred(rows)
        if self.metric == "ip" and self.is_centred:
            biases = self._dot_biases(rows)
            assert biases is not None
            points = np.concatenate([points, -biases[:, None]], axis=1)
        return np.ascontiguousarray(points)

    def float_queries(self, queries: Vectors) -> Vectors:
        """Points (m, d) or (m, d + 1) for queries (m, d); see `float_rows`."""
        points = self.centred(queries)
        if self.metric == "ip" and self.is_centred:
            ones = np.ones((len(points), 1), np.float32)
            points = np.concatenate([points, ones], axis=1)
        return np.ascontiguousarray(points)

    def _dot_biases(self, rows: RowMatrix) -> NDArray[np.float32] | None:
        """-c.x' of each row under ip; None under other metrics."""
        if self.metric != "ip":
            return None
        biases = np.zeros(len(rows), np.float32)
        if self.is_centred:
            wide = self.center.astype(np.float64)
            for block in block_slices(len(rows), BLOCK_VALUES // rows.shape[1]):
                some = self.centred(rows[block]).astype(np.float64)
                biases[block] = np.clip(-(some @ wide), -_MOST, _MOST)
        return biases

    def _whole_norms(
        self, codes: Codes, rows: Vectors, projection: Projection
    ) -> NDArray[np.float32]:
        """Squared lengths (n,) of centred rows, with the errors of their codes.

        A code that is off by e adds 2 e.q to the score of a query q; near the row, that
        is 2 e.x, which is taken off again.
        """
        norms = np.empty(len(rows), np.float32)
        for block in block_slices(len(rows), PROJECTED_VALUES // rows.shape[1]):
            some, center = rows[block], self.center
            points = products(some, projection.row_axes, center).astype(np.float64)
            asked = points
            if not projection.is_orthonormal:
                asked = products(some, projection.query_axes, center).astype(np.float64)
            errors = codes.scales[block, None] * codes.values[block].astype(np.float64)
            errors -= points
            wide = self.centred(some).astype(np.float64)
            whole = np.einsum("ij,ij->i", wide, wide)
            whole += 2 * np.einsum("ij,ij->i", errors, asked)
            norms[block] = np.clip(whole, -_MOST, _MOST)
        return norms

    def _float_scores(self, queries: Vectors, codes: Codes) -> Vectors:
        """One dimension after another, each step rounded: the order of all engines."""
        asked = np.ascontiguousarray(self.centred(queries).T)
        rows = np.ascontiguousarray(self.centred(np.asarray(codes.values, "f4")).T)
        scores = np.zeros((len(queries), len(codes)), np.float32)
        step = np.empty_like(scores)
        with np.errstate(over="ignore"):
            for query, row in zip(asked, rows, strict=True):
                if self.metric == "ip":
                    np.multiply.outer(query, row, out=step)
                    scores += step
                else:
                    np.subtract.outer(query, row, out=step)
                    np.multiply(step, step, out=step)
                    scores -= step
            if codes.biases is not None:
                scores -= codes.biases
        return scores


def fit_center(
    rows: RowMatrix, metric: Metric, *, seed: int = 0
) -> NDArray[np.float32]:
    """The centre (d,) that makes codes of prepared `rows` fine, zero where none does.

    It is the median of some rows, a dimension at a time: a few rows far out would move
    a mean so far that all others share a code. It must make the greatest coordinate of
    half of the rows `CENTRED_PEAKS` times as small, or nothing is taken off: that costs
    a number a row under cosine and ip.

    Args:
        rows: (n, d), prepared; may be memory-mapped.
        metric: which distance.
        seed: draws the rows.
    """
    drawn = _drawn(rows, seed=seed)
    center = np.median(drawn, axis=0).astype(np.float32)
    before = np.median(np.abs(drawn).max(axis=1))
    with np.errstate(over="ignore"):
        after = np.median(np.abs(drawn - center).max(axis=1))
    if metric == "ip" and not np.isfinite(np.abs(center).sum(dtype=np.float32)):
        return np.zeros_like(center)
    return center if after <= CENTRED_PEAKS * before else np.zeros_like(center)


def _drawn(rows: RowMatrix, *, seed: int) -> Vectors:
    if len(rows) <= CENTRE_ROWS:
        return np.asarray(rows)
    rng = np.random.default_rng([seed, 13])
    drawn: Vectors = rows[np.sort(rng.choice(len(rows), CENTRE_ROWS, replace=False))]
    return drawn


def quantise(vectors: Vectors, center: NDArray[np.float32] | None = None) -> Codes:
    """Quantise each row of `vectors` (n, d) on its own scale, 1 for a zero row.

    Args:
        vectors: (n, d).
        center: (d,), subtracted first; None subtracts nothing.
    """
    values = np.empty(vectors.shape, np.int8)
    scales = np.empty(len(vectors), np.float32)
    shift = None if center is None or not center.any() else center
    for block in block_slices(len(vectors), BLOCK_VALUES // vectors.shape[1]):
        rows = vectors[block] if shift is None else vectors[block] - shift
        peaks = np.maximum(rows.max(axis=1), -rows.min(axis=1))
        scale = peaks / np.float32(CODE_MAX)
        # A denormal peak makes a zero scale: such a row is zero at int8 precision.
        scale[scale == 0] = 1
        scales[block] = scale
        coded = rows / scale[:, None]
        np.rint(coded, out=coded)
        values[block] = np.clip(coded, -CODE_MAX, CODE_MAX, out=coded)
    return Codes(values=values, scales=scales)


def integer_dots(left: Codes, right: Codes) -> Vectors:
    """Dot products (m, n) of codes, scales left out: exact sums, rounded to float32."""
    dim = left.values.shape[1]
    # Floating-point products of integers are exact while the sums fit the mantissa.
    if dim * CODE_MAX**2 < 1 << 24:
        return np.asarray(left.values, "f4") @ np.asarray(right.values, "f4").T
    dots = np.asarray(left.values, "f8") @ np.asarray(right.values, "f8").T
    return dots.astype(np.float32)


def decoded_norms(codes: Codes) -> NDArray[np.float32]:
    """Squared lengths (n,) of the rows that the codes stand for.

    They go with the coded dot product: near a query the two errors all but cancel,
    which they do not with the true length.
    """
    norms = np.empty(len(codes), np.float32)
    for block in block_slices(len(codes), BLOCK_VALUES // codes.values.shape[1]):
        values = codes.values[block].astype(np.int32)
        squares = np.einsum("ij,ij->i", values, values, dtype=np.int64)
        wide = codes.scales[block].astype(np.float64) ** 2 * squares
        norms[block] = np.minimum(wide, _MOST)
    return norms
