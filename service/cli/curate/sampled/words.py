"""What the commands that ask for labels print and record of their answers."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gleann.index.nouns import counted
from gleann.index.tables.tabular import as_json
from gleann.selection.estimate.means import JointEstimates, MeanEstimate
from gleann.selection.promises import AcceptanceBound
from gleann.service.cli.say import say
from gleann.service.report.numerals import percent


def say_promised(facts: Mapping[str, Any], *, room: str) -> None:
    """Print what a set promises.

    Args:
        facts: the summary of the set.
        room: the items that it is chosen from, in words.
    """
    target = f"{facts['target']:g}"
    what = {
        "recall": f"at least {target} of all positives",
        "precision": f"at least {target} of them positive",
    }[facts["promise"]]
    say(
        f"{facts['rows']:,} of {room}: {what}, with {percent(facts['confidence'])}"
        " confidence"
    )
    threshold = facts["threshold"]
    kept = (
        "no threshold: the set is the labelled positives"
        if threshold is None
        else f"kept for a proxy of {threshold:.6g} or more"
    )
    say(
        f"{counted(facts['labels_used'], 'labels')}, {facts['positives_labelled']:,}"
        f" positive; {kept}"
    )
    if facts["note"]:
        say(facts["note"])


def bound_values(bound: AcceptanceBound) -> dict[str, object]:
    """A bound in JSON values."""
    return asdict(bound) | {
        "rest": bound.rest,
        "share_at_most": bound.share_at_most,
        "batch_share_at_most": bound.batch_share_at_most,
    }


def say_bound(bound: AcceptanceBound) -> None:
    """Print how many of a batch may fail."""
    say(f"{bound.failed:,} of {counted(bound.audited, 'checked items')} fail")
    say(
        f"with {percent(bound.confidence)} confidence at most {bound.at_most:,} of the"
        f" other {bound.rest:,} fail ({percent(bound.share_at_most)}), and"
        f" {percent(bound.batch_share_at_most)} of the whole batch of {bound.batch:,}"
    )


def means_values(made: JointEstimates) -> dict[str, Any]:
    """Joint estimates in JSON values, with their covariance."""
    matrices = {"covariance": made.covariance, "lambdas": made.lambdas}
    values: dict[str, Any] = as_json(made.to_dict() | matrices)
    return values


def say_means(made: JointEstimates, *, room: str) -> None:
    """Print the estimates; `room` is their population, in words."""
    say(f"over {room}, from {counted(made.labels_used, 'labels')}:")
    for one in made.estimates:
        say(_sentence(one, made))


def _sentence(one: MeanEstimate, made: JointEstimates) -> str:
    """An estimate as one line."""
    if one.value is None or one.low is None or one.high is None:
        return f"{one.kind} {one.name}: {one.note}"
    line = (
        f"{one.kind} {one.name}: {one.value:,.6g}, {percent(made.confidence)} interval"
        f" {one.low:,.6g} to {one.high:,.6g}"
    )
    if one.uniform_width is not None:
        expected = f"+- {one.uniform_width / 2:,.4g} expected of uniform draws"
        line += f" (+- {(one.high - one.low) / 2:,.4g}, {expected})"
    return f"{line}; {one.note}" if one.note else line
