"""What `gleann curate leakage` prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gleann.index.nouns import counted, number_of
from gleann.selection.curation.leakage.result import GroupLeakage
from gleann.service.cli.say import say
from gleann.service.report.numerals import percent

SHOWN_GROUPS = 12
"""Groups that are printed; the record has them all."""


def say_leakage(
    out: Path,
    facts: Mapping[str, Any],
    groups: Sequence[GroupLeakage],
    *,
    training: int | None,
    room: str,
    seconds: float,
) -> None:
    """Print how many rows leaked, in all and by group.

    Args:
        out: the file with the answer.
        facts: its summary.
        groups: of the audited rows.
        training: training rows that they were compared with; None if nobody knows.
        room: the rows of the source that take part, in words.
        seconds: that it took.
    """
    share = facts["leaked"] / facts["rows"] if facts["rows"] else 0.0
    near = "a training row"
    if training is not None:
        near = f"one of {counted(training, 'training rows')}"
    say(
        f"{out}: {facts['leaked']:,} of {counted(facts['rows'], 'audited rows')}"
        f" ({percent(share)}) have {near} within {facts['radius']:.4g}, in"
        f" {seconds:.2f} s"
    )
    if "--where" in room:
        say(f"  of the source: {room}")
    _say_groups(facts, groups)


def say_fewer_leaked(
    out: Path,
    facts: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    groups: Sequence[GroupLeakage],
) -> None:
    """Print how many rows leaked for a smaller cut.

    Args:
        out: the file with the answer.
        facts: its summary.
        before: that of the greater cut; None if it is gone.
        groups: of the audited rows.
    """
    share = facts["leaked"] / facts["rows"] if facts["rows"] else 0.0
    say(
        f"{out}: {facts['leaked']:,} of {counted(facts['rows'], 'audited rows')}"
        f" ({percent(share)}) have a training row within {facts['radius']:.4g}"
        + _before(before)
    )
    _say_groups(facts, groups)


def _before(facts: Mapping[str, Any] | None) -> str:
    if facts is None:
        return ""
    return f", {facts['leaked']:,} within {facts['radius']:.4g}"


def _say_groups(facts: Mapping[str, Any], groups: Sequence[GroupLeakage]) -> None:
    for one in groups[:SHOWN_GROUPS]:
        say(
            f"  {one.group}: {one.leaked:,} of {one.rows:,} leaked"
            f" ({percent(one.share)}), median distance {one.median:.4g}"
        )
    if len(groups) > SHOWN_GROUPS:
        say(f"  and {number_of(len(groups) - SHOWN_GROUPS, 'groups')} more")
    if not facts["pairs_complete"]:
        say("the pairs are too many to list: the nearest of each row alone")
