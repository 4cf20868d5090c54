"""Rates that draws go by, where a proxy may not help.

With a proxy that says nothing all strata have one rate, and the best draws are those of
uniform sampling, in proportion to sizes. Rates from a few positives a stratum differ by
chance, and draws by them would cost labels. So the rates that draws go by are those of
two models, weighted by their posterior probabilities: one rate in all strata, or one
in each. Only draws and weights depend on them, never an interval.
"""

from dataclasses import replace

import numpy as np
from scipy.special import betaln

from gleann.selection.estimate.stratified.tally import (
    Moments,
    PerStratum,
    Tally,
    moments,
)

PRIOR_ODDS = 4.0
"""Of one rate against one in each: positives that are few must not split strata."""


def probability_alike(labelled: PerStratum, positives: PerStratum) -> float:
    """Posterior probability that all strata have one rate, against one in each.

    Beta-binomial marginal likelihoods. The one rate is that of all labels; a rate of
    its own has a beta prior with that mean and half a positive (or, above one half,
    half a negative) of weight. Both models are as likely before.

    Args:
        labelled: (K,) labels, drawn at random within each stratum.
        positives: (K,) of them positive; may be weighted sums.
    """
    drawn = float(labelled.sum())
    if not drawn:
        return 1.0
    rate = (float(positives.sum()) + 0.5) / (drawn + 1)
    negatives = np.maximum(labelled - positives, 0.0)
    weight = 0.5 / min(rate, 1 - rate)
    a, b = weight * rate, weight * (1 - rate)
    alike = positives * np.log(rate) + negatives * np.log1p(-rate)
    apart = betaln(positives + a, negatives + b) - betaln(a, b)
    odds = float(np.clip((apart - alike).sum(), -700, 700))
    return float(PRIOR_ODDS / (PRIOR_ODDS + np.exp(odds)))


def weighed_rates(seen: Moments, counts: Tally, *, sizes: PerStratum) -> Moments:
    """The moments with rates averaged over both models.

    Args:
        seen: moments of each stratum by its own labels.
        counts: the labels.
        sizes: (K,) rows of each stratum, which weigh the rate in common.
    """
    alike = probability_alike(counts.labelled, counts.positives)
    looked = counts.labelled > 0
    raw = counts.positives / np.maximum(counts.labelled, 1)
    common = float((sizes * raw)[looked].sum() / max(sizes[looked].sum(), 1))
    common = max(common, 0.5 / (float(counts.labelled.sum()) + 1))
    return replace(seen, rates=alike * min(common, 1.0) + (1 - alike) * seen.rates)


def drawing_moments(counts: Tally, *, sizes: PerStratum) -> Moments:
    """The moments that draws go by, from the labels of finished rounds."""
    return weighed_rates(moments(counts), counts, sizes=sizes)
