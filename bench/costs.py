"""`python -m bench costs`: fit the constants of `index/cost.py` to timed searches."""

import argparse
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from scipy.optimize import nnls

from bench.ann import write_json
from bench.datasets import Dataset, load_dataset
from bench.provenance import provenance
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.cost import CostModel
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import NativeEngine

NLISTS = (500, 2000)
NPROBES = (4, 10, 20, 40, 80, 150)
POOLS = (12, 20, 40, 100, 150)
TERMS = ("query", "list", "probe", "entry", "pooled")
QUERIES = 3000
TIER = "avx512"


def add_costs(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="default: print only")
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_costs)


def run_costs(arguments: argparse.Namespace) -> int:
    """Time searches on one thread over a grid, and fit; print nanoseconds a term."""
    fits = []
    for path in arguments.data:
        dataset = load_dataset(path, quick=arguments.quick)
        say(f"{dataset.name}: timing searches")
        work, times = measure(dataset, arguments.repeats, arguments.seed)
        dim = int(dataset.base.shape[1])
        fits.append({"data": dataset.name} | fit(work, times, dim=dim))
    result = {"mode": "costs", "tier": TIER, "repeats": arguments.repeats, "fits": fits}
    if arguments.out:
        write_json(result | {"seed": arguments.seed} | provenance(), arguments.out)
    print(_table(fits))
    return 0


def measure(dataset: Dataset, repeats: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Work a query (m, 5), in the order of `TERMS`, and nanoseconds a query (m,)."""
    work, times = [], []
    queries = dataset.queries[:QUERIES]
    for nlist in (n for n in NLISTS if n * 4 <= len(dataset.base)):
        params = BuildParams(
            metric=dataset.metric, nlist=nlist, spill="soar", tune_queries=0, seed=seed
        )
        data = SoarIndex.build(dataset.base, params).data
        engine = NativeEngine(data, tier=TIER, threads=1)
        for nprobe, pool in product(NPROBES, POOLS):
            request = ScanRequest(k=10, pool=pool)
            taken = []
            for _ in range(repeats):
                start = process_time()
                found = engine.search(queries, nprobe=nprobe, request=request)
                taken.append(process_time() - start)
            entries = found.work.entries_scanned / len(queries)
            work.append([1, nlist, nprobe, entries, pool])
            times.append(min(taken) / len(queries) * 1e9)
    return np.array(work, np.float64), np.array(times)


def fit(work: np.ndarray, times: np.ndarray, *, dim: int) -> dict[str, Any]:
    """Non-negative least squares on relative errors, beside the model's own error."""
    constants, _ = nnls(work / times[:, None], np.ones(len(times)))
    modelled = [
        CostModel(dim, int(nlist)).search(entries=entries, nprobe=nprobe, pool=pool)
        for _, nlist, nprobe, entries, pool in work
    ]
    return {
        "dim": dim,
        "nanoseconds": dict(zip(TERMS, constants.tolist(), strict=True)),
        "error_of_fit": float(np.abs(work @ constants / times - 1).mean()),
        "error_of_model": float(np.abs(np.array(modelled) / times - 1).mean()),
    }


def _table(fits: list[dict[str, Any]]) -> str:
    header = ["data", "d", *TERMS, "error of the fit", "error of index/cost.py"]
    rows = [
        [
            fitted["data"],
            str(fitted["dim"]),
            *(f"{fitted['nanoseconds'][term]:.2f}" for term in TERMS),
            f"{fitted['error_of_fit']:.0%}",
            f"{fitted['error_of_model']:.0%}",
        ]
        for fitted in fits
    ]
    return markdown(header, rows)
