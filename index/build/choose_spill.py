"""The choice of `BuildParams.spill = "auto"`: whether second copies save enough work.

An index without spilling has the same lists without their spilled segments, so one
assignment gives the work of sample queries for both.
"""

import numpy as np

from gleann.index.arrays import ListNos
from gleann.index.build.sample import Sample
from gleann.index.build.tune import measure_forms
from gleann.index.operating.points import (
    WORTH,
    Measured,
    SpillReport,
    best_recall,
    cost_of_recall,
)
from gleann.index.params import DEFAULT_TARGET_RECALL

JUDGED_K = 10
DEFAULT_RECALLS = (DEFAULT_TARGET_RECALL, 0.99)


def choose_spill(
    sample: Sample,
    primary: ListNos,
    secondary: ListNos,
    *,
    target_recall: float | None,
) -> tuple[SpillReport, Measured, Measured]:
    """Compare the lists with and without their spilled rows.

    Args:
        sample: the queries.
        primary: (n,) first list of each row.
        secondary: (n,) second list of each row, -1 for none.
        target_recall: see `BuildParams`.

    Returns:
        The report, and what was measured with and without spilled rows.
    """
    with_copies, without = measure_forms(sample, primary, secondary)
    spilled, plain = with_copies.points, without.points
    k = min(JUDGED_K, max(point.k for point in spilled))
    # Costs are comparable only at a recall that both reach.
    most = min(best_recall(spilled, k=k), best_recall(plain, k=k))
    wanted = DEFAULT_RECALLS if target_recall is None else (target_recall,)
    recalls = tuple(min(recall, most) for recall in wanted)
    model = sample.cost_model
    copies = int(np.count_nonzero(secondary >= 0))
    both, one = (model.streamed(len(primary) + more) for more in (copies, 0))
    soar_costs = tuple(
        both + cost_of_recall(spilled, model, k=k, recall=r) for r in recalls
    )
    none_costs = tuple(
        one + cost_of_recall(plain, model, k=k, recall=r) for r in recalls
    )
    saving = 1 - float(np.exp(np.log(np.divide(soar_costs, none_costs)).mean()))
    report = SpillReport(
        chosen="soar" if saving >= WORTH else "none",
        k=k,
        recalls=recalls,
        soar_costs=soar_costs,
        none_costs=none_costs,
        saving=saving,
    )
    return report, with_copies, without
