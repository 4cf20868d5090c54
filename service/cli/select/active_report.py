"""The page of a batch of active learning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gleann.index.arrays import Distances
from gleann.selection import ActiveSession, Coverage, Selection
from gleann.service.cli.reports import FileItems
from gleann.service.cli.select.batch_report import (
    about,
    count_labels,
    numbered_within,
)
from gleann.service.report.asked import Asked, Step
from gleann.service.report.numerals import percent
from gleann.service.report.pages.batch import BatchReport, batch_page


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """A batch and its session.

    Attributes:
        session: after the batch was picked.
        picked: the batch.
        compared: with baselines, by concept.
    """

    session: ActiveSession
    picked: Selection
    compared: Mapping[str, Coverage]


def active_page(
    batch: Batch,
    items: FileItems,
    asked: Asked,
    *,
    steps: Sequence[Step],
    distances: Mapping[str, Distances],
) -> str:
    """The page of one batch.

    Args:
        batch: what it is about.
        items: what it shows of single items.
        asked: what was asked for.
        steps: what to do next.
        distances: as `batch_distances` has them; empty for a page without them.
    """
    session = batch.session
    within = about(session.among, session.labelled_rows)
    n = len(items.names if session.among is None else session.among)
    choice, advice = session.pool_choice, session.stop_advice()
    looked = f"of the items were looked at ({session.looked_at:,} of {n:,})"
    return batch_page(
        BatchReport(
            asked=asked,
            picked=numbered_within(batch.picked, within),
            how=session.params.strategy.replace("_", " "),
            score=session.params.strategy.replace("_", " "),
            n=n,
            labels=_labels(session),
            key_figures=(
                (percent(session.looked_at / n), looked),
                ("stop" if advice.stop else "go on", "advice on further labels"),
            ),
            words=(f"Pool of candidates: {choice.pool} ({choice.reason}).",),
            caveats=(f"{advice.reason}.",) if advice.reason else (),
            compared=batch.compared,
            distances=distances,
            items=items.limited(within),
            steps=steps,
        )
    )


def _labels(session: ActiveSession) -> dict[str, dict[str, int]]:
    """Numbers of labels by class, by concept; the concept is "" where there is none."""
    concepts = session.params.concepts
    if not concepts:
        return {"": count_labels(session.labels, session.classes)}
    return {
        name: count_labels(session.labels[:, column], (0, 1))
        for column, name in enumerate(concepts)
    }
