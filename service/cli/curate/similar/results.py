"""Near-duplicates as output files, and as lines for a reader."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from gleann.index.ids.held import take_ids
from gleann.index.nouns import counted
from gleann.selection.curation.duplicates import (
    CurvePoint,
    Duplicates,
    group_size_counts,
    save_duplicates,
)
from gleann.service.cli import options
from gleann.service.cli.files import output_paths, outputs
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.say import say
from gleann.service.report.numerals import apart

Callback = TypeVar("Callback", bound=Callable[..., None])

SHOWN_POINTS = 6
"""Points of the curve that are printed; the record has them all."""


def result_options(function: Callback) -> Callback:
    """The options --pairs and --state."""
    pairs = click.option(
        "--pairs",
        type=options.PATH,
        help="Also write all pairs to this table, of equal rows the first alone.",
    )
    state = click.option(
        "--state",
        type=options.PATH,
        help="Also write a .npz file, from which `gleann curate rethreshold` answers"
        " for smaller radii, and --known goes on.",
    )
    return pairs(state(function))


def result_paths(pairs: Path | None, state: Path | None) -> list[OutputPath]:
    """The files of `result_options` that were asked for."""
    paths = [output_paths.table("--pairs", pairs)] if pairs else []
    if state is not None:
        paths.append(OutputPath(flag="--state", path=state, suffixes=(".npz",)))
    return paths


def write(
    found: Duplicates,
    record: JobRecord,
    *,
    out: Path,
    pairs: Path | None,
    state: Path | None,
    points: Sequence[CurvePoint],
) -> dict[str, object]:
    """Write an answer, its curve and its record; return the record's results."""
    results: dict[str, object] = {
        **found.summary(),
        "metric": found.metric,
        "curve": [asdict(one) for one in points],
        "sizes": {str(k): n for k, n in group_size_counts(found).items()},
        "provenance": found.provenance,
    }
    with outputs.staged() as files:
        files.add_table(out, found.table().columns)
        if pairs is not None:
            files.add_table(pairs, _pairs(found))
        if state is not None:
            files.add(state, lambda temporary: save_duplicates(found, temporary))
        record.add_to(files, out, results)
    return results


def say_found(  # noqa: PLR0913 (what a line says)
    out: Path,
    facts: Mapping[str, Any],
    points: Sequence[CurvePoint],
    *,
    room: str,
    seconds: float,
    metric: str,
    against: Path | None,
) -> None:
    """Print how many rows go, at the radius that was asked for and at smaller ones.

    Args:
        out: the file with the answer.
        facts: its summary.
        points: of its curve.
        room: how many rows took part, in words.
        seconds: that it took.
        metric: of the radius.
        against: another collection, or None.
    """
    inside = "pairs" if against is None else "pairs inside the source"
    say(
        f"{out}: {facts['dropped']:,} of {room} go within {facts['radius']:.4g} in"
        f" {seconds:.2f} s, {facts['pairs']:,} {inside} (metric {metric})"
    )
    if against is not None:
        say(f"  {facts['dropped_for_outside']:,} of them go for a row of {against}")
    say_curve(points)


def say_fewer(
    out: Path, facts: Mapping[str, Any], before: Mapping[str, Any] | None
) -> None:
    """Print how many rows go at a smaller radius.

    Args:
        out: the file with the answer.
        facts: its summary.
        before: that of the greater radius; None if it is gone.
    """
    line = (
        f"{out}: {facts['dropped']:,} of {counted(facts['rows'], 'rows')} go within"
        f" {facts['radius']:.4g}"
    )
    if before is not None:
        line += f", {before['dropped']:,} within {before['radius']:.4g}"
    say(line)


def say_curve(points: Sequence[CurvePoint]) -> None:
    """Print how many rows go at some radii, which look different."""
    places = np.linspace(0, len(points) - 1, SHOWN_POINTS).astype(int)
    shown = [points[place] for place in sorted(set(places.tolist()))]
    radii = apart([one.radius for one in shown])
    for one, radius in zip(shown, radii, strict=True):
        say(
            f"  radius {radius}: {one.dropped:,} go, {one.kept:,} stay, largest group"
            f" {one.largest_group:,}"
        )


def _pairs(found: Duplicates) -> dict[str, outputs.Values]:
    pairs = found.pairs
    return {
        "id": take_ids(found.held_ids, pairs.rows.astype(np.int64)),
        "other_id": take_ids(found.held_ids, pairs.others.astype(np.int64)),
        "distance": pairs.distances,
    }
