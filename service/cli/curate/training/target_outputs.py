"""Output files of `gleann curate target`, and what it prints."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gleann.index.nouns import counted, number_of
from gleann.service.cli.curate.training.target_inputs import TargetJob
from gleann.service.cli.files import output_paths
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.say import say, warn


def require_outputs(
    job: TargetJob,
    *,
    pages: Iterable[OutputPath] = (),
    more: Iterable[Path | None] = (),
) -> None:
    """Refuse output paths that cannot be written, before any work.

    Args:
        job: of the command.
        pages: of the report.
        more: input files besides those of the targets.
    """
    out = output_paths.table("--out", job.out)
    scores = [output_paths.table("--scores", job.scores)] if job.scores else []
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *scores,
        *pages,
        inputs=(job.targets, job.target_ids, job.exclude, job.payload, *more),
        overwrite=job.overwrite,
    )


def say_target(  # noqa: PLR0913 (what a line says)
    job: TargetJob,
    facts: Mapping[str, Any],
    *,
    targets: int,
    tasks: int | None,
    scores: int | None,
    room: str,
    seconds: float,
    metric: str,
) -> None:
    """Print what was chosen, beside a random and a stratified draw.

    Args:
        job: of the command.
        facts: the summary of the answer and of the comparison.
        targets: how many there are.
        tasks: how many; None where there is one.
        scores: how many the probe gave; None without a probe.
        room: the items to choose from, in words.
        seconds: that it took.
        metric: of the distances.
    """
    of_tasks = "" if tasks is None else f" of {number_of(tasks, 'tasks')}"
    say(
        f"{job.out}: {facts['chosen']:,} of {room} for"
        f" {counted(targets, 'targets')}{of_tasks} by"
        f" {job.mode} in {seconds:.2f} s (metric {metric})"
    )
    for name, words in (
        ("chosen", "chosen"),
        ("random", "as many random items"),
        ("stratified", "as many, in proportion to lists"),
    ):
        if f"{name}_mean_distance" in facts:
            say(
                f"{words}: nearest target at {facts[f'{name}_mean_distance']:.4g} on"
                " average, divergence of the targets' lists"
                f" {facts[f'{name}_divergence']:.4g} nats"
            )
    if scores is not None:
        _say_probe(job, facts, scores)
    if shortfall := int(facts["shortfall"]):
        warn(
            f"{shortfall:,} of the budget of {job.budget:,} are missing: no further"
            " item may be chosen"
        )


def _say_probe(job: TargetJob, facts: Mapping[str, Any], scores: int) -> None:
    auc = facts["held_out_auc"]
    judged = "not measured" if auc is None else f"{auc:.3f}"
    say(f"probe of {counted(facts['sample'], 'items')}: held-out AUC {judged}")
    if job.scores is not None:
        say(f"{job.scores}: a proxy of {counted(scores, 'items')}, in 0..1")
