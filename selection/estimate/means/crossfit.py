"""Predictions of the statistics from the controls, each by rows of other folds."""

from dataclasses import dataclass

import numpy as np

from gleann.selection.estimate.means.controls import Controls, Counts, Numbers

FOLDS = 5

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Penalties of the ridge to choose from, by its leave-one-out error."""

SHRINK = 10.0
"""Labels of all strata that count beside a stratum's own when lambda is tuned."""

DOUBT = 4.0
"""Lambda is 0 up to the square root of this, in its standard errors."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """Labelled rows.

    Attributes:
        rows: (m,).
        strata: (m,).
        values: (m, J) what each row adds to each statistic.
        weights: (m,) rows that each stands for.
        folds: (m,) 0 to FOLDS - 1.
    """

    rows: Counts
    strata: Counts
    values: Numbers
    weights: Numbers
    folds: Counts


def centred_predictions(controls: Controls, labelled: Labelled) -> Numbers:
    """Predictions (m, J) of the labelled rows, less their mean over the stratum.

    A row is predicted by the labels of other folds alone, and the mean is over all rows
    of the stratum, known exactly, so that predictions of any quality leave an estimate
    where it is in expectation.
    """
    found = np.zeros_like(labelled.values)
    for fold in range(FOLDS):
        own = labelled.folds == fold
        if own.any() and (~own).sum() >= FOLDS:
            found[own] = _predicted(controls, labelled, own)
    return found


def tuned(
    values: Numbers, predictions: Numbers, strata: Counts, *, scale: Numbers
) -> Numbers:
    """Lambda (K, J) by which a stratum's predictions are used, 0 to 1.

    The slope of the values on the predictions within the strata: power tuning of
    Angelopoulos, Duchi and Zrnic 2023 (PPI++, https://arxiv.org/abs/2311.01453), per
    stratum as by Fisch et al. 2024 (https://arxiv.org/abs/2406.04291), shrunk to that
    of all strata. That may be noise, which would cost more than it saves: so all are
    shrunk to 0 by the positive part of James and Stein.

    Args:
        values: (m, J) of the labelled rows.
        predictions: (m, J) centred.
        strata: (m,).
        scale: (K,) variance of the estimate over that of a stratum's rows.
    """
    k = len(scale)
    counts = np.bincount(strata, minlength=k)[:, None]
    inside = np.maximum(counts, 1)
    y = values - _sums(values, strata, k)[strata] / inside[strata]
    f = predictions - _sums(predictions, strata, k)[strata] / inside[strata]
    both, own = _sums(y * f, strata, k), _sums(f * f, strata, k)
    m = len(values)
    top = both + SHRINK * both.sum(axis=0) / m
    bottom = own + SHRINK * own.sum(axis=0) / m
    slopes = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), 0.0)
    each = (scale[:, None] / np.maximum(counts - 1, 1))[strata]
    return np.clip(slopes, 0.0, 1.0) * _told(y, f, each)


def _told(values: Numbers, predictions: Numbers, weights: Numbers) -> Numbers:
    """What is left (J,) of a slope within the strata, 0 where it may be noise.

    1 - DOUBT / t^2, where t is the slope of all strata, by the weights (m, 1) with
    which their rows count, over its standard error for unequal variances.
    """
    bottom = (weights * predictions**2).sum(axis=0)
    safe = np.where(bottom > 0, bottom, 1.0)
    slope = (weights * values * predictions).sum(axis=0) / safe
    left = values - slope * predictions
    variance = ((weights * predictions * left) ** 2).sum(axis=0) / safe**2
    square = slope**2
    noise = np.divide(variance, square, out=np.ones_like(square), where=square > 0)
    return np.clip(1 - DOUBT * noise, 0.0, 1.0)


def _sums(values: Numbers, strata: Counts, k: int) -> Numbers:
    sums = np.zeros((k, values.shape[1]))
    np.add.at(sums, strata, values)
    return sums


def _predicted(controls: Controls, labelled: Labelled, own: Counts) -> Numbers:
    """Centred predictions (a, J) of the rows `own` (m,) by the others."""
    rows, weights = labelled.rows[~own], labelled.weights[~own]
    left = labelled.values[~own]
    here, strata = labelled.rows[own], labelled.strata[own]
    found = np.zeros((len(here), left.shape[1]))
    if controls.columns.shape[1]:
        slopes, fitted = _ridge(controls.columns[rows], left, weights)
        left = left - fitted
        found += (controls.columns[here] - controls.column_means[strata]) @ slopes.T
    for numbers, shares in zip(controls.groups, controls.group_shares, strict=True):
        effects = _group_effects(numbers[rows], left, weights, groups=shares.shape[1])
        left = left - effects[numbers[rows]]
        found += effects[numbers[here]] - (shares @ effects)[strata]
    return found


def _ridge(
    columns: Numbers, values: Numbers, weights: Numbers
) -> tuple[Numbers, Numbers]:
    """Slopes (J, p), and fitted values."""
    # Imported here: it takes a second.
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(alphas=PENALTIES, alpha_per_target=True)
    model.fit(columns, values, sample_weight=weights / weights.mean())
    slopes = np.reshape(model.coef_, (values.shape[1], columns.shape[1]))
    fitted = np.reshape(model.predict(columns), values.shape)
    return slopes, fitted


def _group_effects(
    numbers: Counts, values: Numbers, weights: Numbers, *, groups: int
) -> Numbers:
    """Effect (g, J) of each group, shrunk by the ratio of the variances.

    A random effect, its variance by the method of moments: 0 where groups differ no
    more than their rows let one expect, where no group has two rows to tell that by,
    and for a group without a row.
    """
    mass = np.zeros((groups, 1))
    np.add.at(mass, numbers, weights[:, None] / weights.mean())
    sums = _sums(values * (weights / weights.mean())[:, None], numbers, groups)
    means = sums / np.maximum(mass, 1e-12)
    overall = sums.sum(axis=0) / mass.sum()
    there = mass[:, 0] > 0
    inner = ((values - means[numbers]) ** 2).sum(axis=0)
    spare = len(values) - int(there.sum())
    within = inner / max(spare, 1)
    outer = (mass * (means - overall) ** 2)[there].sum(axis=0)
    typical = (mass.sum() - (mass**2).sum() / mass.sum()) or 1.0
    between = np.maximum((outer - (int(there.sum()) - 1) * within) / typical, 0.0)
    told = (between > 0) & (spare > 0)
    ratio = np.where(told, within / np.where(told, between, 1.0), 1e300)
    shrunk = mass / np.where(there[:, None], mass + np.minimum(ratio, 1e300), 1.0)
    return np.where(there[:, None], means - overall, 0.0) * shrunk
