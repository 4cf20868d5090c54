"""The rounds of a comparison of neighbour graphs, and their table."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.peers.contract import Params
from bench.tables import busy, markdown, spread, title


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One graph, from float32 rows.

    Attributes:
        build: seconds until the rows can be searched (for pynndescent: until the graph
            is there, which is all it does).
        graph: seconds for the neighbours of all rows, from what was built.
        cores: CPU seconds a second meanwhile, for both.
        recall: recall@k of the sample in the whole graph; of no graph while tuning,
            where the sample alone was searched.
    """

    build: float
    graph: float
    cores: tuple[float, float]
    recall: float

    @property
    def total(self) -> float:
        return self.build + self.graph

    @property
    def cpu(self) -> float:
        """CPU seconds of both, the figure least distorted by a busy machine."""
        return self.build * self.cores[0] + self.graph * self.cores[1]


@dataclass(slots=True, kw_only=True)
class Entry:
    """A peer, its tuning results, and its rounds at its best setting."""

    name: str
    version: str = ""
    failure: str = ""
    build: Params | None = None
    search: Params | None = None
    tried: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[Made] = field(default_factory=list)


def times(ours: Entry, theirs: Entry, stage: str) -> dict[str, float] | None:
    """Seconds of theirs over ours, round by round: median, least, greatest."""
    pairs = list(zip(ours.rounds, theirs.rounds, strict=False))
    if not pairs:
        return None
    ratios = [getattr(b, stage) / getattr(a, stage) for a, b in pairs]
    return {"median": float(np.median(ratios)), "low": min(ratios), "high": max(ratios)}


def graph_table(result: dict[str, Any]) -> str:
    """Seconds of every peer, and how many times as long as gleann it takes."""
    rows = []
    for peer in result["peers"]:
        made = peer["rounds"]
        if not made:
            continue
        setting = {**peer["build"], **peer["search"]}
        rows.append(
            [
                peer["name"],
                " ".join(f"{key}={value}" for key, value in setting.items()),
                f"{np.median([one['recall'] for one in made]):.4f}",
                f"{np.median([one['build'] for one in made]):.2f}",
                f"{np.median([one['graph'] for one in made]):.2f}",
                spread(peer["times_build_and_graph"]) or "-",
                spread(peer["times_cpu"]) or "-",
            ]
        )
    head = ["peer", "setting", "recall", "build s", "graph s", "both", "CPU seconds"]
    lines = [
        f"{title(result)}: graphs at recall {result['level']}",
        markdown(head, rows),
        "\n".join([*_doubts(result), *busy(result)]),
    ]
    return "\n\n".join(line for line in lines if line)


def _doubts(result: dict[str, Any]) -> list[str]:
    """Peers without a graph, or with one below the level reached in tuning."""
    lines = []
    for peer in result["peers"]:
        if peer["failure"]:
            lines.append(f"- {peer['name']} {peer['failure']}")
        least = min((one["recall"] for one in peer["rounds"]), default=1.0)
        if least < result["level"]:
            lines.append(f"- {peer['name']} fell to recall {least:.4f} in a round")
    return lines
