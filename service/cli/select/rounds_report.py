"""The page of a round of `gleann select rounds`."""

from collections.abc import Sequence
from dataclasses import dataclass

from gleann.selection import Selection
from gleann.selection.rounds import RoundsSession
from gleann.service.cli.files import sources
from gleann.service.cli.reports import FileItems
from gleann.service.cli.select.batch_report import (
    about,
    batch_distances,
    count_labels,
    numbered_within,
)
from gleann.service.report.asked import Asked, Step
from gleann.service.report.pages.batch import BatchReport, batch_page


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Round:
    """A round and its session.

    Attributes:
        session: after the items were picked.
        picked: the items.
    """

    session: RoundsSession
    picked: Selection


def round_page(
    source: sources.Source,
    made: Round,
    items: FileItems,
    asked: Asked,
    *,
    steps: Sequence[Step],
) -> str:
    """The page of one round."""
    session, summary = made.session, made.picked.summary
    labelled = session.labelled_rows
    within = about(session.among, labelled)
    caveats = [str(summary["note"])] if summary["note"] else []
    if not summary["converged"]:
        caveats.append("The training of the model did not converge.")
    return batch_page(
        BatchReport(
            asked=asked,
            picked=numbered_within(made.picked, within),
            how=session.params.picker.replace("_", " "),
            score="",  # the order of choice
            n=len(source.ids if session.among is None else session.among),
            labels={"": count_labels(session.labels, session.classes)},
            key_figures=((f"{session.round:,}", "rounds so far"),),
            words=_words(made.picked),
            caveats=caveats,
            compared={},
            distances=batch_distances(
                source,
                labelled=labelled,
                picked=made.picked.rows,
                seed=session.params.seed,
                among=session.among,
            ),
            items=items.limited(within),
            steps=steps,
        )
    )


def _words(picked: Selection) -> Sequence[str]:
    """The weight that a round chose, and the method whose items these are."""
    summary = picked.summary
    if "weight" not in summary:
        return ()
    method = str(summary["method"]).replace("_", " ")
    return (
        f"Weight {summary['weight']:g} of the mean margin; the items are those of"
        f" {method}.",
    )
