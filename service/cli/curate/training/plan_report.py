"""The page of `gleann curate plan`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.among import Among
from gleann.selection.curation.plans import EpochPlan
from gleann.service.cli.reports import FileItems, command_with, in_python, sibling
from gleann.service.report.asked import Asked, Step
from gleann.service.report.measures.groups import GroupCounts, count_groups
from gleann.service.report.pages.plan import PlanReport, plan_page


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanPage:
    """What the page is about.

    Attributes:
        plan: of all epochs.
        epochs: the rows of those that were written, by epoch.
        mode: as it was asked.
        strata: (n,) the stratum of each item; None for none.
        among: the items of the plan; None for all.
        out: the table.
    """

    plan: EpochPlan
    epochs: Mapping[int, Rows]
    mode: str
    strata: NDArray[np.generic] | None
    among: Among | None
    out: Path


def answer_page(given: PlanPage, items: FileItems, asked: Asked) -> str:
    """The page of a plan."""
    return plan_page(
        PlanReport(
            asked=asked,
            plan=given.plan,
            epochs=given.epochs,
            mode=given.mode,
            counts=_counts(given, items),
            items=items,
            steps=_steps(given),
        )
    )


def _counts(given: PlanPage, items: FileItems) -> list[tuple[str, GroupCounts]]:
    """Items by stratum and by class, of the plan and of the epochs written."""
    named: list[tuple[str, NDArray[np.generic]]] = []
    if given.strata is not None:
        named.append(("stratum", given.strata))
    if items.classes is not None:
        named.append((items.classes.name, items.classes.values))
    rows = np.concatenate(list(given.epochs.values()))
    if given.among is None:
        return [(name, count_groups(values, rows)) for name, values in named]
    some = given.among.rows
    places = np.searchsorted(some, rows)
    return [(name, count_groups(values[some], places)) for name, values in named]


def _steps(given: PlanPage) -> list[Step]:
    last = max(given.epochs)
    more = command_with(
        {
            "epoch": last + 1,
            "out": sibling(given.out, f"from-{last + 1}"),
            "report": None,
            "show_column": None,
            "image_column": None,
            "class_column": None,
            "show_from": None,
        }
    )
    steps = [Step(what="Write the epochs that follow:", command=more)]
    if given.out.suffix == ".parquet":
        read = (
            f"import pyarrow.parquet as pq; print(pq.read_table({str(given.out)!r},"
            f" filters=[('epoch', '=', {last})]))"
        )
        steps.append(
            Step(what="Read the ids of one epoch, in the order of training:",
                 command=in_python(read))
        )  # fmt: skip
    return steps
