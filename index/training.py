"""What the lists of an index were trained on, and how well they fit what was added."""

from dataclasses import dataclass, replace

MOST_DRIFT = 1.5
"""From this drift on, recalls measured at the training say nothing of now."""

LEAST_ADDED = 0.05
"""Fewer rows, as a share of all, hardly count in a recall, however far away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The training of an index, and the fit of the rows that were added since.

    A row's distortion is its squared L2 distance to the centroid of its first list.

    Attributes:
        rows: number of rows that there were at the training.
        distortion: mean distortion of those rows.
        kept: number of them that are still there; they are the first rows.
        added_distortion: mean distortion of the rows that follow them; None without
            any.
    """

    rows: int
    distortion: float
    kept: int
    added_distortion: float | None = None

    @property
    def drift(self) -> float | None:
        """Mean distortion of the rows added since, as a multiple of that at the time.

        None where nothing was added, or where every row was its own centroid.
        """
        if self.added_distortion is None or self.distortion <= 0:
            return None
        return self.added_distortion / self.distortion

    def fits(self, n: int) -> bool:
        """Whether recalls measured at the training hold for the n rows there are now.

        Measured where clusters were added beside those trained on: recall 0.88 where
        0.95 had been measured, at a drift of 2.1.
        """
        drift, added = self.drift, n - self.kept
        return drift is None or drift < MOST_DRIFT or added < LEAST_ADDED * n

    def folded(
        self, *, kept: int, added: int, newer: int, newer_distortion: float
    ) -> "Training":
        """The training of an index after newer rows came to those that are kept.

        Rows that were added before and removed now are taken to have been as far from
        their centroids as those that stay.

        Args:
            kept: number of rows of the training that are still there.
            added: number of rows added before that are still there.
            newer: number of rows that come now.
            newer_distortion: mean distortion of those; not read without any.
        """
        before = self.added_distortion
        if newer == 0:
            return replace(self, kept=kept, added_distortion=before if added else None)
        if before is None or added == 0:
            return replace(self, kept=kept, added_distortion=newer_distortion)
        total = added * before + newer * newer_distortion
        return replace(self, kept=kept, added_distortion=total / (added + newer))
