"""One learning curve: a picker from a random start to its budget."""

from time import process_time
from typing import Any

import numpy as np

from bench.selection.trials.rounds_pools import Pool
from gleann.selection.rounds import RoundsParams, RoundsSession, run_rounds

VARIANTS: dict[str, dict[str, Any]] = {
    "random": {"picker": "random"},
    "margin": {"picker": "margin"},
    "k-center": {"picker": "farthest_first"},
    "weighted k-center, chosen": {"picker": "weighted_k_center"},
    "weighted k-center, 0.3": {"picker": "weighted_k_center", "weights": (0.3,)},
    "weighted k-center, 1": {"picker": "weighted_k_center", "weights": (1.0,)},
    "GIST": {"picker": "gist"},
    "BADGE": {"picker": "badge"},
    "cluster-margin": {"picker": "cluster_margin"},
}
"""Parameters of every picker that is compared, by the name that tables use."""

EPS = 0.3
"""Step between radius guesses and distance thresholds, of all that have any."""


def draw_curve(
    pool: Pool, name: str, *, seed: int, share: float, rounds: int
) -> dict[str, Any]:
    """Accuracy on the held-out rows after the start and after every round.

    The start is a random draw of as many rows as a round has, the same for all pickers
    of a seed.

    Args:
        pool: what is chosen from.
        name: of a variant.
        seed: of the start and the picker.
        share: rows in a round, as a share of the pool.
        rounds: after the start.
    """
    n = len(pool.labels)
    batch = max(2, round(share * n))
    first = np.random.default_rng([seed, 7]).choice(n, batch, replace=False)
    start = process_time()
    session = RoundsSession.start(
        pool.vectors,
        RoundsParams(**{"batch": batch, "seed": seed, "eps": EPS, **VARIANTS[name]}),
        rows=first,
        labels=pool.labels[first],
    )

    def judge(session: RoundsSession) -> dict[str, float]:
        classes = np.asarray(session.classes)
        likeliest = session.score_vectors(pool.test_vectors).argmax(axis=1)
        return {"accuracy": float((classes[likeliest] == pool.test_labels).mean())}

    history = run_rounds(
        session,
        lambda rows: pool.labels[rows],
        budget=batch * (rounds + 1),
        evaluate=judge,
    ).history
    return {
        "labelled": [one.labelled for one in history],
        "accuracy": [round(one.metrics["accuracy"], 5) for one in history],
        "classes": [one.classes for one in history],
        "method": [one.method for one in history],
        "weight": [one.weight for one in history],
        "cpu_seconds_a_round": round((process_time() - start) / rounds, 3),
    }
