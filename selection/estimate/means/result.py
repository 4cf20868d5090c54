"""Joint estimates."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.tables.tabular import Table, Tabular
from gleann.selection.estimate.means.params import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanEstimate:
    """One of several numbers estimated from one sample.

    Attributes:
        name: of the statistic.
        kind: "mean", "share" or "avg".
        value: the estimate; None where no row has a value.
        low: lower end; all intervals of the sample hold together. None as `value`.
        high: upper end.
        standard_error: of the estimate; None as `value`.
        stratified_value: the estimate that the same labels give without controls.
        stratified_width: of the interval that they give without controls.
        uniform_width: of the interval expected from as many labels drawn uniformly,
            without controls.
        interval_valid: whether the interval is promised.
        note: why it is not, and what would mend it; "" if it is.
    """

    name: str
    kind: Kind
    value: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    stratified_value: float | None
    stratified_width: float | None
    uniform_width: float | None
    interval_valid: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointEstimates(Tabular):
    """Numbers estimated from one sample, with intervals that hold together.

    Attributes:
        estimates: in the order of the statistics.
        covariance: (J, J) of the estimates that have a value; NaN for the others.
        confidence: with which all intervals hold together.
        quantile: standard errors on each side of each interval.
        lambdas: (K, J) by how much each stratum uses the controls, 0 to 1.
        labels_used: rows labelled.
        rows: of the population.
        provenance: method, params, seed, data_hash, version: JSON values.
    """

    estimates: tuple[MeanEstimate, ...]
    covariance: NDArray[np.float64]
    confidence: float
    quantile: float
    lambdas: NDArray[np.float64]
    labels_used: int
    rows: int
    provenance: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> MeanEstimate:
        return next(one for one in self.estimates if one.name == name)

    def table(self) -> Table:
        """One line per statistic."""
        columns: dict[str, Any] = {
            "statistic": np.array([one.name for one in self.estimates]),
            "kind": np.array([one.kind for one in self.estimates]),
        }
        for name in (
            "value",
            "low",
            "high",
            "standard_error",
            "stratified_value",
            "stratified_width",
            "uniform_width",
        ):
            values = [getattr(one, name) for one in self.estimates]
            columns[name] = np.array([np.nan if v is None else v for v in values])
        columns["interval_valid"] = np.array(
            [one.interval_valid for one in self.estimates]
        )
        columns["note"] = np.array([one.note for one in self.estimates])
        facts = {
            "summary": {
                "confidence": self.confidence,
                "quantile": self.quantile,
                "labels_used": self.labels_used,
                "rows": self.rows,
            },
            "provenance": self.provenance,
        }
        return Table(columns=columns, facts=facts)
