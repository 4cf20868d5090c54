"""What a job was asked, and the commands to go on with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gleann.service.report.markup import Html
from gleann.service.report.page import Section, code, paragraph, side_by_side
from gleann.service.report.tables import facts, table

SHORT_HASH = 12
METRICS = {
    "cosine": "cosine; distances are chords of unit vectors, from 0 to 2",
    "l2": "l2; distances are Euclidean",
    "ip": "ip, which has no distances",
}
"""What the distances of a selection are, by metric."""

SEARCHED = {
    "cosine": "cosine; distances are 1 - cos, from 0 to 2",
    "l2": "l2; distances are squared L2",
    "ip": "ip; distances are minus the inner product",
}
"""What the distances of a search are, by metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One job: its command, inputs, versions and times.

    Attributes:
        command: its name, such as "select gist".
        command_line: as it was typed.
        inputs: records of the input files.
        seed: None where nothing is drawn.
        metric: of the distances, or "" where there are none.
        version: of gleann.
        machine: its processor and cores.
        seconds: by phase.
        finished: the time in UTC.
        output: the file with the results.
    """

    command: str
    command_line: str
    inputs: tuple[Mapping[str, Any], ...]
    seed: int | None
    metric: str
    version: str
    machine: str
    seconds: Mapping[str, float]
    finished: str
    output: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Asked":
        """Read the contents of a job's manifest."""
        machine = record["machine"]
        return cls(
            command=record["command"],
            command_line=record["command_line"],
            inputs=tuple(record["inputs"]),
            seed=record["seed"],
            metric=record["results"].get("metric", ""),
            version=record["versions"].get("gleann", "unknown"),
            machine=f"{machine['cores']} cores of {machine['cpu']}",
            seconds=record["seconds"],
            finished=record["finished"],
            output=record["output"],
        )

    @property
    def total(self) -> float:
        """Seconds of all phases."""
        return sum(self.seconds.values())

    @property
    def data(self) -> str:
        """Name of the first input, or "" where there is none."""
        return Path(str(self.inputs[0]["path"])).name if self.inputs else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command to go on with.

    Attributes:
        what: what it is for.
        command: to be pasted into a shell.
    """

    what: str
    command: str


def asked_section(asked: Asked, *, distances: Mapping[str, str] = METRICS) -> Section:
    """The command, its data, seed, version and seconds.

    Args:
        asked: the job.
        distances: what the distances of the page are, by metric.
    """
    pairs = [
        ("metric", distances.get(asked.metric, "")),
        ("seed", "none is needed" if asked.seed is None else str(asked.seed)),
        ("gleann", asked.version),
        ("machine", asked.machine),
        ("seconds", _seconds(asked)),
        ("finished", asked.finished),
        ("results", asked.output),
    ]
    rows = [[str(one["path"]), _content(one)] for one in asked.inputs]
    return Section(
        title="What was asked",
        body=(
            code(asked.command_line),
            side_by_side(
                [
                    table(["data", "content"], rows),
                    facts([(name, value) for name, value in pairs if value]),
                ]
            ),
        ),
    )


def next_section(steps: Sequence[Step], *, title: str = "How to go on") -> Section:
    """Commands to go on with, in order."""
    made: list[Html] = []
    for one in steps:
        made += [paragraph(one.what), code(one.command)]
    return Section(title=title, body=tuple(made))


def _content(one: Mapping[str, Any]) -> str:
    if "sha256" in one:
        return f"SHA-256 {str(one['sha256'])[:SHORT_HASH]}…, {one['bytes']:,} bytes"
    return f"an index, its data {str(one['data_hash'])[:SHORT_HASH]}…"


def _seconds(asked: Asked) -> str:
    parts = ", ".join(f"{name} {spent:.2f}" for name, spent in asked.seconds.items())
    return f"{asked.total:.2f} ({parts})" if parts else f"{asked.total:.2f}"
