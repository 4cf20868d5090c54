"""What the estimate commands print: the number, and what rivals would have given."""

import numpy as np

from gleann.index.errors import NonFiniteError
from gleann.selection import Estimate, EstimateParams, uniform_estimate
from gleann.selection.checks import IdMap
from gleann.selection.estimate.labels.answers import Oracle
from gleann.service.cli.files.answers import LabelsNeeded


def drawn_uniformly(
    ask: Oracle, names: IdMap, params: EstimateParams
) -> Estimate | None:
    """The same budget spent uniformly, if the answers happen to cover its draws."""
    try:
        return uniform_estimate(np.ones(len(names)), ask, params, ids=names.held)
    # What no session drew may stand without the value that a draw of this one needs.
    except (LabelsNeeded, NonFiniteError):
        return None


def compared_lines(name: str, made: Estimate, uniform: Estimate | None) -> list[str]:
    """Lines with an estimate of `name`, and what simpler methods give."""
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
    """An estimate in a line."""
    used = f"{made.labels_used:,} labels, {made.positives:,} positive"
    if made.value is None:
        return f"{name}: undefined ({used}); {made.note}"
    return f"{name}: {made.value:,.6g}, {_interval(made)} ({used})" + (
        f"; {made.note}" if made.note else ""
    )


def expected_line(made: Estimate) -> str:
    """What uniform sampling and ABae as written would be expected to give, or "".

    With as many labels, where these say it.
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
