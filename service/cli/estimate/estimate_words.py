"""Printed results of the estimate commands: the estimate and its baselines."""

import numpy as np

from gleann.index.errors import NonFiniteError
from gleann.selection import Estimate, EstimateParams, uniform_estimate
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.estimate.labels.answers import Oracle
from gleann.service.cli.files.answers import LabelsNeeded


def drawn_uniformly(
    ask: Oracle, names: IdMap, params: EstimateParams, among: Among | None = None
) -> Estimate | None:
    """The estimate from uniform draws of the same budget, if all have answers."""
    every = np.ones(len(names))
    try:
        return uniform_estimate(every, ask, params, ids=names.held, among=among)
    # Items that no session drew may lack the value that this draw needs.
    except (LabelsNeeded, NonFiniteError):
        return None


def compared_lines(name: str, made: Estimate, uniform: Estimate | None) -> list[str]:
    """Lines for an estimate of `name` and for its baselines, if known."""
    lines = [sentence(f"{name} by ABae", made)]
    if uniform is not None:
        lines.append(sentence(f"{name} by uniform sampling", uniform))
    if expected := expected_line(made):
        lines.append(expected)
    elif uniform is None:
        lines.append(
            "no uniform sampling to compare with: the answers lack what it draws"
        )
    return lines


def sentence(name: str, made: Estimate) -> str:
    """An estimate as one line."""
    used = f"{made.labels_used:,} labels, {made.positives:,} positive"
    if made.value is None:
        return f"{name}: undefined ({used}); {made.note}"
    return f"{name}: {made.value:,.6g}, {_interval(made)} ({used})" + (
        f"; {made.note}" if made.note else ""
    )


def expected_line(made: Estimate) -> str:
    """Expected half-widths for uniform sampling and for ABae as published, or "".

    At equal label counts, where the labels allow these estimates.
    """
    if made.low is None or made.high is None:
        return ""
    widths = [
        f"{name} +- {width / 2:,.4g}"
        for name, width in (
            ("uniform sampling", made.uniform_width),
            ("ABae as published", made.abae_width),
        )
        if width is not None
    ]
    if not widths:
        return ""
    return (
        f"to be expected of as many labels: {', '.join(widths)}; this interval is"
        f" +- {(made.high - made.low) / 2:,.4g}"
    )


def _interval(made: Estimate) -> str:
    if made.low is None or made.high is None:
        return "no interval"
    return f"{made.confidence:.0%} interval {made.low:,.6g} to {made.high:,.6g}"
