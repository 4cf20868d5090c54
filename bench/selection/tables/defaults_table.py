"""The tables of `python -m bench.selection.defaults`, from its results."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.selection.gaps import paired_gap
from bench.selection.tables.active_tables import Runs, column
from bench.tables import markdown

METRICS = ("ap_pool", "ap_held_out", "recall", "looked_at")
JUDGED = METRICS[:3]


def summarised(runs: dict[str, Runs], settings: Sequence[Any]) -> list[dict[str, Any]]:
    """One line a setting: means, CPU time a round, and losses against global.

    Args:
        runs: (concepts, seeds) endings by name of the setting.
        settings: with those names; of every batch size, the global pool among them.
    """
    lines = []
    for one in settings:
        ours = runs[one.name]
        # A rival may have fewer seeds: they are the first ones.
        best = [row[: len(ours[0])] for row in runs[f"global {one.batch}"]]
        rounds, cpu = column(ours, "rounds"), column(ours, "cpu_seconds")
        lines.append(
            {
                "setting": one.name,
                **{name: getattr(one, name) for name in ("pool", "batch")},
                "neighbours": one.neighbours,
                "mean": {name: float(column(ours, name).mean()) for name in METRICS},
                "seeds": len(ours[0]),
                "most_looked_at": float(column(ours, "looked_at").max()),
                "cpu_seconds": float(cpu.mean()),
                "cpu_seconds_a_round": float(cpu.sum() / rounds.sum()),
                "below_global": {
                    name: asdict(paired_gap(column(ours, name), column(best, name)))
                    for name in JUDGED
                },
                "ap_pool_by_concept": column(ours, "ap_pool").mean(axis=1).tolist(),
            }
        )
    return lines


def defaults_table(result: dict[str, Any]) -> str:
    """One table a data set."""
    parts = []
    for one in result["sets"]:
        said = (
            f"{one['name']}: {one['n']:,} x {one['dim']}, {len(one['concepts'])}"
            f" concepts of {min(one['positives'])} to {max(one['positives'])} rows,"
            f" {result['params']['seeds']} seeds, {result['params']['budget']} labels"
        )
        head = (
            "pool, batch/neighbours", "AP pool", "AP held out", "recall", "looked at",
            "CPU ms a round", "CPU s in all", "AP pool below global", "recall below",
        )  # fmt: skip
        rows = [_row(line) for line in one["summary"]]
        parts += [said, markdown(head, rows)]
    return "\n\n".join(parts)


def _row(line: dict[str, Any]) -> list[str]:
    mean, gaps = line["mean"], line["below_global"]
    return [
        line["setting"],
        *(f"{mean[name]:.3f}" for name in JUDGED),
        f"{mean['looked_at']:.1%}",
        f"{1e3 * line['cpu_seconds_a_round']:.1f}",
        f"{line['cpu_seconds']:.2f}",
        *(
            f"{gaps[name]['mean']:+.3f} ({gaps[name]['low']:+.3f} to"
            f" {gaps[name]['high']:+.3f})"
            for name in ("ap_pool", "recall")
        ),
    ]
