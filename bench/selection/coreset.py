"""Coresets: accuracy of a classifier trained on the subset, and how fast it is chosen.

python -m bench.selection.coreset accuracy --data DIR --shares 0.01 0.05
python -m bench.selection.coreset speed --data DIR --k 2000
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.datasets import Dataset, DatasetError, load_dataset
from bench.provenance import BUSY_LOAD, allowed_cores, load, provenance
from bench.records import write_json
from bench.say import say
from bench.selection.drawing import draw
from bench.selection.rivals import RIVALS, Situation
from bench.tables import markdown
from gleann.index.arrays import Rows, Vectors
from gleann.selection.coreset import farthest_first, measure

RESULTS = Path(__file__).resolve().parent.parent / "results"
BASELINE = "random"
SCORER_ROWS = 0.1
"""Share of the rows that the scoring model is trained on, as in GIST's experiments."""
MOST_SCORER_ROWS = 5_000
T_975 = {3: 4.303, 5: 2.776, 10: 2.262}
"""Student's 97.5 % quantile for the mean of so many differences."""


def main() -> int:
    """Run one command; the exit status."""
    arguments = _parser().parse_args()
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): wall times will be noise")
    try:
        result = run(arguments)
    except DatasetError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    out = arguments.out or _default_out(arguments, result)
    write_json(result, out)
    print(table_of(result))
    if result["mode"] == "accuracy" and plot(result, out.with_suffix(".svg")):
        say(f"plot: {out.with_suffix('.svg')}")
    say(f"result: {out}")
    return 0


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure what `arguments` ask for; the result, as JSON values."""
    return arguments.measure(arguments) | {"command": _command()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.selection.coreset", description=__doc__
    )
    commands = parser.add_subparsers(required=True)
    accuracy = commands.add_parser("accuracy", help="of a classifier on the subset")
    accuracy.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05])
    accuracy.add_argument("--rows", type=int, help="a random part of the rows")
    accuracy.add_argument("--seeds", type=int, choices=T_975, default=5)
    accuracy.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS))
    accuracy.add_argument("--c", type=float, default=10.0, help="of the classifier")
    accuracy.set_defaults(measure=measure_accuracy)
    speed = commands.add_parser("speed", help="farthest-first beside NumPy")
    speed.add_argument("--k", type=int, default=2000)
    speed.add_argument("--rows", type=int, default=300_000)
    speed.add_argument("--checked", type=int, help="picks checked in float64")
    speed.add_argument("--rounds", type=int, default=1)
    speed.add_argument("--threads", type=int, default=len(allowed_cores()))
    speed.add_argument("--seed", type=int, default=0)
    speed.set_defaults(measure=measure_speed)
    for command in (accuracy, speed):
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--out", type=Path)
        command.add_argument("--quick", action="store_true", help="see that it runs")
    return parser


def _command() -> list[str]:
    """As it was called; of paths the last part, which is not the machine's affair."""
    given = [Path(word).name if os.sep in word else word for word in sys.argv[1:]]
    return ["python", "-m", "bench.selection.coreset", *given]


def _default_out(arguments: argparse.Namespace, result: dict[str, Any]) -> Path:
    name = f"coreset-{result['mode']}-{result['data']['name']}.json"
    return (Path.cwd() if arguments.quick else RESULTS) / name


def _described(dataset: Dataset) -> dict[str, Any]:
    n, dim = dataset.base.shape
    return {"name": dataset.name, "sha256": dataset.sha256, "n": n, "dim": dim}


# --- accuracy ---------------------------------------------------------------------


def measure_accuracy(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train a classifier on what each rival chooses, seed by seed."""
    dataset = load_dataset(arguments.data, quick=arguments.quick)
    labels, wanted = _labels(arguments.data, dataset)
    if arguments.rows and arguments.rows < len(labels):
        part = np.random.default_rng(0).permutation(len(labels))[: arguments.rows]
        dataset, labels = replace(dataset, base=dataset.base[part]), labels[part]
    found: list[dict[str, Any]] = []
    started = provenance()
    for seed in range(arguments.seeds):
        probabilities, columns = _scored(dataset.base, labels, seed, arguments.c)
        for share in arguments.shares:
            at = Situation(
                vectors=dataset.base,
                labels=labels,
                probabilities=probabilities,
                columns=columns,
                k=max(2, round(share * len(labels))),
                seed=seed,
            )
            for name in arguments.rivals:
                one = _judge(name, at, dataset.queries, wanted, arguments.c)
                found.append({"seed": seed, "share": share, "rival": name, **one})
            say(f"seed {seed}, {at.k} of {len(labels)} rows: {len(found)} subsets")
    return {
        "mode": "accuracy",
        "data": _described(dataset),
        "classes": len(np.unique(labels)),
        "test_rows": len(wanted),
        "classifier": {"kind": "LogisticRegression", "C": arguments.c},
        "shares": arguments.shares,
        "seeds": arguments.seeds,
        "found": found,
    } | started


def _labels(path: Path, dataset: Dataset) -> tuple[Rows, Rows]:
    files = [path / "base_labels.npy", path / "query_labels.npy"]
    if not all(file.is_file() for file in files):
        raise DatasetError(f"{path} has no base_labels.npy and query_labels.npy")
    base, queries = (np.load(file).astype(np.int64) for file in files)
    return base[: len(dataset.base)], queries[: len(dataset.queries)]


def _classifier(vectors: Vectors, labels: Rows, c: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # The looser tolerance costs no accuracy that the table shows.
    return LogisticRegression(C=c, max_iter=200, tol=1e-3).fit(vectors, labels)


def _scored(vectors: Vectors, labels: Rows, seed: int, c: float) -> tuple[Any, Rows]:
    """Class probabilities of all rows by a model of some random ones."""
    rng = np.random.default_rng(seed)
    m = min(MOST_SCORER_ROWS, round(SCORER_ROWS * len(labels)))
    rows = rng.choice(len(labels), m, replace=False)
    model = _classifier(vectors[rows], labels[rows], c)
    return model.predict_proba(vectors).astype(np.float64), model.classes_


def _judge(
    name: str, at: Situation, queries: Vectors, wanted: Rows, c: float
) -> dict[str, Any]:
    """Accuracy on the queries, and what the subset is like."""
    start = process_time()
    chosen = RIVALS[name](at)
    seconds = process_time() - start
    rows = chosen.rows
    model = _classifier(at.vectors[rows], at.labels[rows], c)
    right = model.predict(queries) == wanted
    per_class = [right[wanted == label].mean() for label in np.unique(wanted)]
    costs = at.margins
    weighed = measure(at.vectors, rows, costs=costs)
    return {
        "k": at.k,
        "accuracy": float(right.mean()),
        "macro_accuracy": float(np.mean(per_class)),
        "radius": weighed.radius,
        "mean_cost": weighed.cost / at.k,
        "ratio": chosen.ratio,
        "cpu_seconds": seconds,
    }


def summarise(result: dict[str, Any], share: float) -> list[dict[str, Any]]:
    """One line a rival: means, and the paired interval of its gain over random."""
    lines = []
    for name in dict.fromkeys(one["rival"] for one in result["found"]):
        mine = _values(result, share, name)
        gains = mine["accuracy"] - _values(result, share, BASELINE)["accuracy"]
        half = T_975[len(gains)] * gains.std(ddof=1) / np.sqrt(len(gains))
        means = {key: float(values.mean()) for key, values in mine.items()}
        gain = {"gain": float(gains.mean()), "gain_half": float(half)}
        lines.append({"rival": name, **means, **gain})
    return lines


def _values(result: dict[str, Any], share: float, name: str) -> dict[str, Any]:
    keys = ("accuracy", "macro_accuracy", "radius", "mean_cost")
    mine = [
        one for one in result["found"] if one["rival"] == name and one["share"] == share
    ]
    return {key: np.array([one[key] for one in mine]) for key in keys}


# --- speed ------------------------------------------------------------------------


def measure_speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Farthest-first, ours and in NumPy, in turn; and whether the picks agree."""
    dataset = load_dataset(arguments.data, quick=arguments.quick)
    vectors = dataset.base[: arguments.rows]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, allowed_cores()[: arguments.threads])
    started = provenance()
    k, seed, ours, theirs = arguments.k, arguments.seed, [], []
    first = int(farthest_first(vectors, k=1, seed=seed).rows[0])
    for number in range(arguments.rounds):
        mine, one = _timed(lambda: farthest_first(vectors, k=k, seed=seed).rows)
        ours.append(one)
        plain, one = _timed(lambda: plain_numpy(vectors, k, first))
        theirs.append(one)
        say(f"round {number}: {ours[-1]} {theirs[-1]}")
    checked = arguments.checked or k
    exact = plain_numpy(vectors.astype(np.float64), checked, first)
    return {
        "mode": "speed",
        "data": _described(dataset),
        "rows": len(vectors),
        "k": arguments.k,
        "seed": arguments.seed,
        "threads": arguments.threads,
        "ours": ours,
        "numpy": theirs,
        "same_picks_as_float32_numpy": int((mine == plain).sum()),
        "same_picks_as_float64_numpy": int((mine[:checked] == exact).sum()),
        "checked_in_float64": checked,
    } | started


def plain_numpy(vectors: Any, k: int, first: int) -> Rows:
    """The algorithm as one writes it in NumPy: a matrix-vector product a pick."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    nearest = np.full(len(vectors), np.inf, vectors.dtype)
    rows = np.empty(k, np.int64)
    row = first
    for i in range(k):
        rows[i] = row
        to_row = vectors @ vectors[row]
        to_row *= -2
        to_row += squares
        to_row += squares[row]
        np.minimum(nearest, to_row, out=nearest)
        nearest[row] = -np.inf
        row = int(nearest.argmax())
    return rows


def _timed(call: Any) -> tuple[Rows, dict[str, float]]:
    wall, cpu = perf_counter(), process_time()
    found = call()
    return found, {
        "seconds": perf_counter() - wall,
        "cpu_seconds": process_time() - cpu,
    }


# --- what is shown ----------------------------------------------------------------


def table_of(result: dict[str, Any]) -> str:
    """The result as markdown."""
    if result["mode"] == "speed":
        return _speed_table(result)
    parts = []
    for share in result["shares"]:
        lines = summarise(result, share)
        rows = [
            [
                line["rival"],
                f"{100 * line['accuracy']:.2f}",
                f"{100 * line['gain']:+.2f} +- {100 * line['gain_half']:.2f}",
                f"{100 * line['macro_accuracy']:.2f}",
                f"{line['radius']:.3f}",
                f"{line['mean_cost']:.3f}",
            ]
            for line in lines
        ]
        head = [
            "method",
            "accuracy, %",
            "over random, points",
            "macro, %",
            "radius",
            "mean margin",
        ]
        title = f"{result['data']['name']}, {share:.1%} of {result['data']['n']:,} rows"
        parts.append(f"{title}, {result['seeds']} seeds\n\n" + markdown(head, rows))
    return "\n\n".join(parts)


def _speed_table(result: dict[str, Any]) -> str:
    rows = []
    for name in ("ours", "numpy"):
        each = [
            f"{np.median([one[key] for one in result[name]]):.2f}"
            for key in ("seconds", "cpu_seconds")
        ]
        rows.append([name, *each])
    ratios = [
        f"{np.median([b[key] / a[key] for a, b in pairs]):.1f}x"
        for key in ("seconds", "cpu_seconds")
        for pairs in [list(zip(result["ours"], result["numpy"], strict=True))]
    ]
    rows.append(["NumPy / ours", *ratios])
    title = (
        f"{result['data']['name']}: {result['rows']:,} rows, k = {result['k']},"
        f" {result['threads']} thread(s); picks as NumPy's:"
        f" {result['same_picks_as_float32_numpy']} (float32),"
        f" {result['same_picks_as_float64_numpy']} of {result['checked_in_float64']}"
        " (float64)"
    )
    return f"{title}\n\n" + markdown(["", "seconds", "CPU seconds"], rows)


def plot(result: dict[str, Any], path: Path) -> bool:
    """Draw each rival's gain over random with its interval; False: no matplotlib."""
    shares = result["shares"]

    def fill(panels: list[Any]) -> None:
        for axes, share in zip(panels, shares, strict=True):
            lines = summarise(result, share)[::-1]
            names = [line["rival"] for line in lines]
            gains = [100 * line["gain"] for line in lines]
            halves = [100 * line["gain_half"] for line in lines]
            axes.errorbar(gains, names, xerr=halves, fmt="o", capsize=3)
            axes.axvline(0, color="grey", linewidth=1)
            axes.set_xlabel("accuracy over random, points (95 %, paired)")
            axes.set_title(f"{result['data']['name']}, {share:.1%} of the rows")
            axes.grid(visible=True, axis="x", alpha=0.25)

    size = (4.2 * len(shares) + 2, 4.5)
    return draw(path, fill, panels=len(shares), size=size, sharey=True)


if __name__ == "__main__":
    sys.exit(main())
