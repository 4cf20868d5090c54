"""Findings of `gleann doctor`: a subject, its state, a remedy."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from gleann.service.cli.say import add_to, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check.

    Attributes:
        name: the subject of the check.
        says: its state.
        remedy: what to do about a problem; "" if there is none.
    """

    name: str
    says: str
    remedy: str = ""


def echo_findings(findings: Iterable[Finding]) -> None:
    """Print each finding on one line and its remedy on the next."""
    found = list(findings)
    for one in found:
        say(f"{one.name:<8}{one.says}")
        if one.remedy:
            say(f"{'':<8}-> {one.remedy}")
    add_to("findings", map(asdict, found))
