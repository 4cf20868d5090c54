"""`python -m bench scale`: gleann, ScaNN and faiss IVF on millions of rows.

Rows are drawn once and mapped. Each engine builds from that file into files of its own,
in a fresh process whose anonymous memory is watched. Then its index is opened in
another process and tuned: the least effort that reaches the recall on held-out queries,
for every other setting that it crosses with. `compare` opens all and lets them search
in turn, round after round; what counts are ratios within a round.

Every part (`generate`, `truth`, `build-ENGINE`, `tune-ENGINE`, `compare`) is written to
the result file when it is done, and a rerun goes on with the rest. So an engine that is
installed elsewhere can do its parts with another Python.

    python -m bench scale --folder /big --rows 10000000 --parts generate truth build
    python -m bench scale --folder /big --rows 10000000 --parts tune compare

By what 200,000 rows took, 10 million x 96 take 3.9 GB of disk for the rows, 5 for the
index of gleann, 4.3 for that of faiss and 3.3 for that of ScaNN; the most memory is
that of ScaNN's build, 11 GB.
"""

import argparse
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.comparison.process import PeerFailedError
from bench.option_types import natural, positive
from bench.provenance import allowed_cores, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.scale.cell import least_reaching
from bench.scale.engines import MODULES, Job, lists_of
from bench.scale.fresh import in_fresh_process
from bench.scale.manifold import Manifold
from bench.scale.opened import Answer, OpenedIndex
from bench.scale.scale_table import scale_table
from bench.scale.sets import RowSet, manifold_set

K = 10
KINDS = ("generate", "truth", "build", "tune", "compare")
REPEATS = 5
"""Searches by which the settings of an engine are compared."""

START_SHARE = 200
"""Bisection begins at one in so many lists."""

MOST_SHARE = 20
FEW_LISTS = 200
"""It gives up at one list in so many, of few at all: what a setting loses beyond that,
more lists do not bring."""


def add_scale(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rows", type=positive, default=10_000_000)
    parser.add_argument("--dim", type=positive, default=Manifold.dim)
    parser.add_argument("--intrinsic", type=positive, default=15)
    parser.add_argument(
        "--batch",
        type=positive,
        default=10_000,
        help="held-out queries of a timed search",
    )
    parser.add_argument(
        "--queries", type=positive, default=1000, help="of them, whose recall is known"
    )
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--rounds", type=positive, default=7)
    parser.add_argument("--threads", type=positive, default=len(allowed_cores()))
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--engines",
        nargs="+",
        default=["gleann", "scann", "faiss"],
        metavar="ENGINE",
        help=f"of {', '.join(MODULES)}, or with its lists, such as scann:20000",
    )
    parser.add_argument("--parts", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--folder", type=Path, required=True, help="for rows and indexes; kept"
    )
    parser.add_argument(
        "--out", type=Path, help="default: bench/results/scale-<rows>x<dim>.json"
    )
    parser.set_defaults(run=run_scale)


def run_scale(args: argparse.Namespace) -> int:
    """Do the parts that are asked for and not in the result; print its table."""
    out = args.out or default_file(f"scale-{args.rows}x{args.dim}")
    result = _begun(args, out)
    engines = [_engine(name, args) for name in args.engines]
    todo: dict[str, Callable[[], dict[str, Any]]] = {}
    run = Run(args=args, result=result)
    for kind, part in (("generate", run.generate), ("truth", run.truth)):
        todo |= {kind: part} if kind in args.parts else {}
    for kind, of_engine in (("build", run.build), ("tune", run.tune)):
        for engine in engines if kind in args.parts else []:
            todo[f"{kind}-{engine.name}"] = _bound(of_engine, engine)
    if "compare" in args.parts:
        todo["compare"] = lambda: run.compare(engines)
    for name, part in todo.items():
        if _is_done(name, result["parts"], engines):
            say(f"{name}: done before")
            continue
        result["parts"][name] = {**_tried(part), "load": load()}
        write_json(result, out)
        say(f"{name}: {_line(result['parts'][name])}")
    print(scale_table(result))
    say(f"result: {out}")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine that takes part.

    Attributes:
        name: as it was given, such as "scann:20000".
        module: dotted name.
        job: how it builds and searches.
    """

    name: str
    module: str
    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The parts of a run.

    Attributes:
        args: of the command.
        result: what is known so far.
    """

    args: argparse.Namespace
    result: dict[str, Any]

    @property
    def rows(self) -> RowSet:
        """The set, drawn if it is not there."""
        args = self.args
        manifold = Manifold(intrinsic=args.intrinsic, dim=args.dim, seed=args.seed)
        folder = args.folder / manifold.name
        return manifold_set(manifold, folder, most=args.rows, queries=args.batch)

    def generate(self) -> dict[str, Any]:
        begun = perf_counter()
        rows = self.rows
        return {"seconds": perf_counter() - begun, "rows": rows.most}

    def truth(self) -> dict[str, Any]:
        begun = perf_counter()
        self.rows.truth(self.args.rows, self.args.queries)
        return {"seconds": perf_counter() - begun}

    def build(self, engine: Engine) -> dict[str, Any]:
        """Build in a fresh process."""
        folder = self._folder(engine)
        rmtree(folder, ignore_errors=True)
        rows, n = self.rows, self.args.rows
        built, peak = in_fresh_process(
            build_index, engine.module, rows, n, folder, engine.job
        )
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        return {**built, "peak_anonymous_bytes": peak, "file_bytes": size}

    def tune(self, engine: Engine) -> dict[str, Any]:
        """The least effort that reaches the recall, for each fixed setting."""
        settings = import_module(engine.module)
        built = self.result["parts"][f"build-{engine.name}"]
        with self._opened(engine) as opened:
            tried = [
                self._least(opened, fixed, settings.EFFORT, built["lists"])
                for fixed in settings.FIXED
            ]
            fitting = [one for one in tried if one["recall"] >= self.args.recall]
            best = max(fitting, key=lambda one: one["qps"], default=None)
            memory = {"opened_bytes": opened.opened_bytes}
            memory["open_seconds"] = opened.open_seconds
        return {"best": best, "tried": tried, **memory}

    def compare(self, engines: list[Engine]) -> dict[str, Any]:
        """All that were tuned search in turn."""
        parts = self.result["parts"]
        tuned = {
            engine.name: parts[f"tune-{engine.name}"]["best"]["params"]
            for engine in engines
            if parts.get(f"tune-{engine.name}", {}).get("best")
        }
        rounds: list[dict[str, dict[str, float]]] = []
        with ExitStack() as stack:
            opened = {
                engine.name: stack.enter_context(self._opened(engine))
                for engine in engines
                if engine.name in tuned
            }
            for number in range(self.args.rounds + 1):
                answers = {
                    name: one.search(K, tuned[name]) for name, one in opened.items()
                }
                if number:  # the first round warms up
                    rounds.append({n: self._timed(a) for n, a in answers.items()})
            found = {name: self._recall(answers[name].ids) for name in opened}
        return {"params": tuned, "recall": found, "rounds": rounds}

    def _timed(self, answer: Answer) -> dict[str, float]:
        return {
            "qps": len(answer.ids) / answer.seconds,
            "cpu_us": 1e6 * answer.cpu_seconds / len(answer.ids),
            "anonymous_bytes": answer.anonymous_bytes,
        }

    def _least(
        self, opened: OpenedIndex, fixed: dict[str, int], effort: str, lists: int
    ) -> dict[str, Any]:
        def probe(value: int) -> dict[str, Any]:
            params = {**fixed, effort: value}
            answer = opened.search(K, params)
            recall = self._recall(answer.ids)
            return {"params": params, "recall": recall, **self._timed(answer)}

        start = max(1, lists // START_SHARE)
        most = min(lists, max(FEW_LISTS, lists // MOST_SHARE))
        level = self.args.recall
        least = least_reaching(level, probe, start=start, most=most)[1]
        again = [opened.search(K, least["params"]) for _ in range(REPEATS)]
        # The fastest: what else the machine does only slows a search.
        fastest = min(again, key=lambda answer: answer.seconds)
        return {**least, **self._timed(fastest)}

    def _recall(self, ids: np.ndarray) -> float:
        """Recall@K by ids: rows of the sets have no ties."""
        count = self.args.queries
        truth = self.rows.truth(self.args.rows, count)[0][:, :K]
        hits = (ids[:count, :, None] == truth[:, None, :]).any(axis=2)
        return float(hits.mean())

    def _opened(self, engine: Engine) -> OpenedIndex:
        queries = self.rows.folder / "queries.npy"
        return OpenedIndex(engine.module, self._folder(engine), queries, engine.job)

    def _folder(self, engine: Engine) -> Path:
        name = f"{self.args.rows}-{engine.name.replace(':', '-')}"
        folder: Path = self.args.folder / name
        return folder


def build_index(
    module: str, rows: RowSet, n: int, folder: Path, job: Job
) -> dict[str, Any]:
    """Build with an engine, and write its files."""
    engine = import_module(module)
    version = engine.version()
    begun, cpu = perf_counter(), process_time()
    built = engine.build(rows.rows(n), folder, job)
    seconds, used = perf_counter() - begun, process_time() - cpu
    return {"version": version, **built, "seconds": seconds, "cpu_seconds": used}


def _begun(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """The result so far, or a new one where the file is of something else."""
    head = {"mode": "scale", "n": args.rows, "dim": args.dim, "k": K}
    head |= {"intrinsic": args.intrinsic, "queries": args.queries, "seed": args.seed}
    head |= {"threads": args.threads, "recall": args.recall, "batch": args.batch}
    if out.is_file():
        before: dict[str, Any] = json.loads(out.read_text())
        if all(before.get(key) == value for key, value in head.items()):
            return before
    return {**head, **provenance(), "parts": {}}


def _engine(name: str, args: argparse.Namespace) -> Engine:
    kind = name.partition(":")[0]
    if kind not in MODULES:
        raise SystemExit(f"no engine {kind!r}: there are {', '.join(MODULES)}")
    lists = lists_of(name, args.rows)
    job = Job(metric="cosine", threads=args.threads, lists=lists, seed=args.seed)
    return Engine(name=name, module=MODULES[kind], job=job)


def _is_done(name: str, parts: dict[str, Any], engines: list[Engine]) -> bool:
    """Whether a part is known; a comparison is where all that were tuned took part."""
    part = parts.get(name, {"failure": "not tried"})
    if name != "compare" or "failure" in part:
        return "failure" not in part
    tuned = (
        one.name for one in engines if parts.get(f"tune-{one.name}", {}).get("best")
    )
    return all(name in part["recall"] for name in tuned)


def _bound(
    part: Callable[[Engine], dict[str, Any]], engine: Engine
) -> Callable[[], dict[str, Any]]:
    return lambda: part(engine)


def _tried(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a part gives, or how it failed: others go on, a rerun tries it again."""
    try:
        return part()
    except (PeerFailedError, ImportError, KeyError) as error:
        return {"failure": f"{type(error).__name__}: {error}"}


def _line(part: dict[str, Any]) -> str:
    if "failure" in part:
        return f"FAILED: {part['failure']}"
    if "best" in part:
        return str(part["best"] or "the recall is not reached")
    return f"{part['seconds']:.0f} s" if "seconds" in part else "done"
