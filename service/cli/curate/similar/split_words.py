"""What `gleann curate split` prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gleann.index.nouns import counted
from gleann.service.cli.say import say


def say_split(
    out: Path, facts: Mapping[str, Any], folds: Sequence[Mapping[str, int]]
) -> None:
    """Print how many rows each bucket leaves.

    Args:
        out: the file with the answer.
        facts: rows, folds and held_out.
        folds: by bucket: bucket, train, interpolation and extrapolation.
    """
    say(
        f"{out}: {counted(facts['rows'], 'rows')} in {facts['folds']} buckets of"
        f" similar rows, {facts['held_out']:,} held out"
    )
    for one in folds:
        say(
            f"  without bucket {one['bucket']}: {one['train']:,} train,"
            f" {one['interpolation']:,} interpolate, {one['extrapolation']:,}"
            " extrapolate"
        )
