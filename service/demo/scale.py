"""Sizes of the demo."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Sizes of the demo.

    Attributes:
        words: number of words, the most frequent ones.
        held_out_share: share of the words to hold out.
        queries: maximum number of held-out words as queries.
        repeats: timings per method, alternating.
        labels: labels per active-learning run, including its seed labels.
        batch: labels per batch.
        evaluate_every: batches between two evaluations of the classifier.
        label_seeds: runs per concept and method.
        budget: labels per estimate.
        trials: runs per estimate.
        digits: training images per subset.
        digit_seeds: runs per subset method.
    """

    words: int = 400_000
    held_out_share: float = 0.1
    queries: int = 3_000
    repeats: int = 7
    labels: int = 500
    batch: int = 25
    evaluate_every: int = 4
    label_seeds: int = 2
    budget: int = 4_000
    trials: int = 10
    digits: int = 100
    digit_seeds: int = 5


FULL = Scale()
WITHOUT_KERNELS = Scale(words=80_000, queries=1_000, repeats=3, label_seeds=1)
"""For engines that take ten times as long, so that the demo does not."""
QUICK = Scale(
    words=8_000,
    queries=300,
    repeats=2,
    labels=150,
    label_seeds=1,
    evaluate_every=1,
    budget=300,
    trials=2,
    digits=20,
    digit_seeds=2,
)
"""For tests: the same path in seconds; its figures mean little."""
