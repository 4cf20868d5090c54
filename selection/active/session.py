"""An active-learning session: ask for labels, take them, ask for better ones."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from numpy.typing import ArrayLike, NDArray
import numpy as np

from gleann.index.arrays import Rows
from gleann.selection.pool import Neighbours, Selection

Strategy = Literal["entropy", "least_confidence", "margin", "most_likely_positive"]
PoolName = Literal["seals", "global", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveParams:
    """How a session picks.

    Attributes:
        strategy: the score, one of `uncertainty.STRATEGIES`; not used by "random".
        pool: "seals" (neighbours of what is labelled), "global" (every row) or
            "random" (uniform draws, the baseline).
        batch: rows to ask for at a time.
        neighbours: neighbours of each labelled row that enter the SEALS pool.
        C: inverse strength of the logistic regression's penalty.
        class_weight: "balanced" or None, as in scikit-learn.
        max_iter: iterations of lbfgs.
        seed: the only source of randomness.
    """

    strategy: Strategy = "entropy"
    pool: PoolName = "seals"
    batch: int = 100
    neighbours: int = 100
    C: float = 1.0
    class_weight: Literal["balanced"] | None = None
    max_iter: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAdvice:
    """Whether going on is likely to pay.

    Attributes:
        stop: whether to stop.
        reason: why, in words.
        batches: batches that were labelled whole.
        recent_uncertainty: mean entropy over log(classes), 0 to 1, of the rows of the
            last three batches when they were picked; None before the third.
        recent_positives: labels of the last class among them.
    """

    stop: bool
    reason: str
    batches: int
    recent_uncertainty: float | None
    recent_positives: int


class ActiveSession:
    """Ask for labels of the rows from which a classifier would learn most.

    Make one with `start` or `resume`. Not safe for several threads at once.
    """

    @classmethod
    def start(
        cls,
        vectors: ArrayLike,
        params: ActiveParams | None = None,
        *,
        ids: ArrayLike | None = None,
        rows: ArrayLike,
        labels: ArrayLike,
        neighbours: Neighbours | None = None,
    ) -> "ActiveSession":
        """Begin from a seed of labelled rows."""

    def next_batch(self) -> Selection:
        """What to label next; the same until labels (or `ignore`) arrive."""

    def submit_labels(self, ids: ArrayLike, labels: ArrayLike) -> int:
        """Take labels of rows that were asked for; return how many were new."""

    def ignore(self, ids: ArrayLike) -> None:
        """Never ask for `ids` (again)."""

    def stop_advice(self) -> StopAdvice:
        """Whether going on is likely to pay."""

    def probabilities(self, rows: ArrayLike | None = None) -> NDArray[np.float64]:
        """Class probabilities (m, c) of `rows`, None for all, columns as `classes`."""

    @property
    def classes(self) -> tuple[int, ...]: ...
    @property
    def looked_at(self) -> int:
        """Distinct rows that ever entered the pool."""

    @property
    def labelled_rows(self) -> Rows: ...
    @property
    def labels(self) -> NDArray[np.int64]: ...
    def state(self) -> dict[str, Any]: ...
    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        vectors: ArrayLike,
        *,
        ids: ArrayLike | None = None,
        neighbours: Neighbours | None = None,
    ) -> "ActiveSession": ...
