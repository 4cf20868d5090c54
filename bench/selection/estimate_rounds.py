"""`python -m bench selection estimate_rounds`: what a round of an estimate costs.

`gleann estimate --index`, run as a person does: a new process after each round's
answers, with --state, until the budget is labelled. CPU seconds are those of a whole
process with one thread for BLAS, start and loading included. "replay" is one process
without --state on all answers, as the last round costs a person who keeps no session.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from bench.datasets import DatasetError
from bench.ending import refusing_data
from bench.option_types import positive
from bench.provenance import provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.trials.concepts import load_labelled, rare_concepts
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Mask, Vectors

LABELS_NEEDED = 3
"""Exit code of a run that asks for labels."""
RUN = "from gleann.service.cli.main import main; main()"
PLANS = {10: 0.1, 2: 0.5}
"""Share of the budget in the first round, by the number of rounds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """Rows to count a concept in.

    Attributes:
        name: of the data.
        vectors: float32 (n, d), unit rows.
        held: bool (n,).
    """

    name: str
    vectors: Vectors
    held: Mask


@refusing_data
def main() -> int:
    """Run, print the table, write the result file."""
    args = add_arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    out = args.out or RESULTS / "selection-estimate-rounds.json"
    result = run(args, out)
    print(table(result))
    say(f"result: {out}")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Give a command its options."""
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    words = str(root / "wordnet-384")
    parser.add_argument(
        "--data",
        nargs="+",
        default=["made-200000x128", "made-200000x384", words],
        help="folders with labels, or made-<rows>x<dimensions>",
    )
    parser.add_argument("--budget", type=positive, default=12_000)
    parser.add_argument("--representatives", type=positive, default=300)
    parser.add_argument("--rounds", type=positive, nargs="+", default=list(PLANS))
    parser.add_argument("--out", type=Path, help="default: bench/results/")
    return parser


def run(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Time each run of the command on each data set; the result goes to `out`."""
    origin = provenance() | {"command": command_of("estimate_rounds")}
    plan = {"budget": args.budget, "representatives": args.representatives}
    notes = Notes(out, {"mode": "estimate-rounds", **plan}, origin)
    rows = []
    for data in args.data:
        name = Path(data).name
        for rounds in args.rounds:
            say(f"{name}, {rounds} rounds")
            found = notes.once(
                (name, rounds),
                lambda data=data, rounds=rounds: measure(data, rounds, args),
            )
            rows += [{"data": name, "rounds": rounds, **one} for one in found]
    result = {"mode": "selection-estimate-rounds", **plan, "runs": rows} | origin
    write_result(result, out)
    return result


def measure(data: str, rounds: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Each run of the command, and the one that replays them all."""
    population = load(data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = BuildParams(metric="cosine", nlist=400, tune_queries=0)
        index = SoarIndex.build(population.vectors, params, threads=1)
        index.save(folder / "index")
        words = [
            "estimate", "--index", "index", "--representatives",
            str(args.representatives), "--oracle-csv", "answers.csv", "--budget",
            str(args.budget), "--rounds", str(rounds), "--pilot-share",
            str(PLANS.get(rounds, 1 / rounds)), "--out",
        ]  # fmt: skip
        runs = label_all(folder, [*words, "o.json", "--state", "s.json"], population)
        replay = timed(folder, [*words, "replayed.json"])
        same = (folder / "o.json").read_bytes() == (
            folder / "replayed.json"
        ).read_bytes()
        return [*runs, {"run": "replay", **replay, "same_estimate": same}]


def load(data: str) -> Population:
    """A concept of a labelled data set, or of clusters that are made.

    Raises:
        DatasetError: no such data.
    """
    name = Path(data).name
    if not name.startswith("made-"):
        labelled = load_labelled(Path(data))
        concept = rare_concepts(labelled, count=1, seed=0)[0]
        held = labelled.classes == concept
        return Population(name=name, vectors=labelled.base, held=held)
    n, d = (int(part) for part in name.removeprefix("made-").split("x"))
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, n // 100, size=n)
    centres = rng.standard_normal((n // 100, d), dtype=np.float32)
    vectors = centres[cluster] + rng.standard_normal((n, d), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    held = ((cluster < 10) & (rng.random(n) < 0.9)) | (rng.random(n) < 0.001)
    return Population(name=name, vectors=vectors, held=held)


def label_all(
    folder: Path, words: list[str], population: Population
) -> list[dict[str, Any]]:
    """Run the command and answer what it asks, to the end."""
    answers = folder / "answers.csv"
    answers.write_text("id,positive\n")
    runs, labels = [], 0
    while True:
        taken = timed(folder, words)
        runs.append({"run": str(len(runs)), "labels_before": labels, **taken})
        if taken["exit"] != LABELS_NEEDED:
            return runs
        with (folder / "todo.csv").open() as asked:
            ids = [int(line["id"]) for line in csv.DictReader(asked)]
        with answers.open("a") as opened:
            opened.writelines(f"{row},{int(population.held[row])}\n" for row in ids)
        labels += len(ids)


def timed(folder: Path, words: list[str]) -> dict[str, Any]:
    """Run the command in `folder`; CPU and wall seconds, memory and exit code."""
    begun = monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, LABELS_NEEDED):
        raise DatasetError(f"gleann {' '.join(words)} ended with {process.returncode}")
    return {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "wall_seconds": round(monotonic() - begun, 2),
        "peak_mib": used.ru_maxrss // 1024,
        "exit": process.returncode,
    }


def table(result: dict[str, Any]) -> str:
    """One line a data set and plan."""
    lines = []
    runs = result["runs"]
    for data, rounds in dict.fromkeys((run["data"], run["rounds"]) for run in runs):
        of = [run for run in runs if (run["data"], run["rounds"]) == (data, rounds)]
        # The first chooses the representatives, the last only estimates.
        steps = [run["cpu_seconds"] for run in of if run["run"] != "replay"]
        lines.append(
            [
                data,
                str(rounds),
                f"{steps[0]:.1f}",
                f"{np.median(steps[1:-1]):.1f}",
                f"{max(steps[1:-1]):.1f}",
                f"{steps[-1]:.1f}",
                f"{of[-1]['cpu_seconds']:.1f}",
            ]
        )
    head = (
        "data",
        "rounds",
        "first run",
        "a round, median",
        "a round, most",
        "last run",
        "replay",
    )
    return markdown(head, lines)


if __name__ == "__main__":
    sys.exit(main())
