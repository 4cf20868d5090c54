"""Output files of `gleann curate negatives`, and what it prints."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.nouns import counted
from gleann.service.cli.curate.training.negatives_inputs import NegativesJob
from gleann.service.cli.files import output_paths
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.say import say, warn


def require_outputs(job: NegativesJob, *, pages: Iterable[OutputPath] = ()) -> None:
    """Refuse output paths that cannot be written, before any work."""
    out = output_paths.table("--out", job.out)
    short = [output_paths.table("--shortfall", job.shortfall)] if job.shortfall else []
    source = None if job.is_served else job.source
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *short,
        *pages,
        inputs=(source, job.queries, job.query_ids, job.positives, job.payload),
        overwrite=job.overwrite,
    )


def say_negatives(
    job: NegativesJob,
    facts: Mapping[str, Any],
    similarities: NDArray[np.float32],
    *,
    room: str,
    seconds: float,
    metric: str,
) -> None:
    """Print how many negatives there are, and how many are missing.

    Args:
        job: of the command.
        facts: the summary of the answer.
        similarities: (m,), of the negatives.
        room: the items to mine, in words.
        seconds: that it took.
        metric: of the similarities.
    """
    say(
        f"{job.out}: {counted(facts['negatives'], 'negatives')} of"
        f" {counted(facts['queries'], 'queries')}"
        f" from {room} in {seconds:.2f} s (metric {metric})"
    )
    if len(similarities):
        say(f"similarity {similarities.min():.4g} to {similarities.max():.4g}")
    if short := int(facts["short_queries"]):
        warn(
            f"{short:,} of {counted(facts['queries'], 'queries')} have fewer than"
            f" {job.per_query}"
            f" negatives, {int(facts['shortfall']):,} are missing in all"
        )
