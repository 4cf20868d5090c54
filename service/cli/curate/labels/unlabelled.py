"""What is said of items without a label."""

from collections.abc import Mapping
from typing import Any


def unlabelled_words(facts: Mapping[str, Any]) -> list[str]:
    """Why items have no label, in sentences; none where all have one."""
    lines = []
    if facts["unreached"]:
        lines.append(
            f"{facts['unreached']:,} items have none: no path of the graph, which has"
            f" {facts['pieces']:,} pieces, leads from them to a given label"
        )
    if facts["uncertain_by_rounding"]:
        lines.append(
            f"{facts['uncertain_by_rounding']:,} items have none: after"
            f" {facts['sweeps']:,} sweeps their probabilities are not known to the"
            " tolerance"
        )
    return lines
