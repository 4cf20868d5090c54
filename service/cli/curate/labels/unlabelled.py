"""What is said of items without a label."""

from collections.abc import Mapping
from typing import Any

from gleann.index.nouns import counted, verb


def unlabelled_words(facts: Mapping[str, Any]) -> list[str]:
    """Why items have no label, in sentences; none where all have one."""
    lines = []
    if facts["unreached"]:
        lines.append(
            f"{_without(facts['unreached'])}: no path of the graph, which has"
            f" {counted(facts['pieces'], 'pieces')}, leads from there to a given label"
        )
    if facts["uncertain_by_rounding"]:
        lines.append(
            f"{_without(facts['uncertain_by_rounding'])}: after"
            f" {counted(facts['sweeps'], 'sweeps')} the probabilities are not known to"
            " the tolerance"
        )
    return lines


def _without(count: int) -> str:
    return f"{counted(count, 'items')} {verb(count, 'has', 'have')} none"
