"""What `gleann curate leakage` prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    training: int,
    room: str,
    seconds: float,
) -> None:
    """Print how many rows leaked, in all and by group.

    Args:
        out: the file with the answer.
        facts: its summary.
        groups: of the audited rows.
        training: training rows that they were compared with.
        room: the rows of the source that take part, in words.
        seconds: that it took.
    """
    share = facts["leaked"] / facts["rows"] if facts["rows"] else 0.0
    say(
        f"{out}: {facts['leaked']:,} of {facts['rows']:,} audited rows"
        f" ({percent(share)}) have one of {training:,} training rows within"
        f" {facts['radius']:.4g}, in {seconds:.2f} s"
    )
    if "--where" in room:
        say(f"  of the source: {room}")
    _say_groups(facts, groups)


def say_fewer_leaked(
    out: Path,
    facts: Mapping[str, Any],
    before: Mapping[str, Any],
    groups: Sequence[GroupLeakage],
) -> None:
    """Print how many rows leaked for a smaller cut; both facts are summaries."""
    share = facts["leaked"] / facts["rows"] if facts["rows"] else 0.0
    say(
        f"{out}: {facts['leaked']:,} of {facts['rows']:,} audited rows"
        f" ({percent(share)}) have a training row within {facts['radius']:.4g},"
        f" {before['leaked']:,} within {before['radius']:.4g}"
    )
    _say_groups(facts, groups)


def _say_groups(facts: Mapping[str, Any], groups: Sequence[GroupLeakage]) -> None:
    for one in groups[:SHOWN_GROUPS]:
        say(
            f"  {one.group}: {one.leaked:,} of {one.rows:,} leaked"
            f" ({percent(one.share)}), median distance {one.median:.4g}"
        )
    if len(groups) > SHOWN_GROUPS:
        say(f"  and {len(groups) - SHOWN_GROUPS} groups more")
    if not facts["pairs_complete"]:
        say("the pairs are too many to list: the nearest of each row alone")
