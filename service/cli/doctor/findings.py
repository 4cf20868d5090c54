"""What `gleann doctor` prints: a name, how it is, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what.
        says: how it is.
        remedy: what to do about it; empty where there is nothing to mend.
    """

    name: str
    says: str
    remedy: str = ""


def echo_findings(findings: Iterable[Finding]) -> None:
    """Print each in a line, and its remedy in another."""
    for one in findings:
        click.echo(f"{one.name:<8}{one.says}")
        if one.remedy:
            click.echo(f"{'':<8}-> {one.remedy}")
