"""`python -m bench costs`: fit the constants of `operating/cost.py` to searches."""

import argparse
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from scipy.optimize import nnls

from bench.datasets import Dataset, describe, load_dataset
from bench.option_types import natural, positive
from bench.provenance import load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import NativeEngine
from gleann.index.operating.cost import CostModel

NLISTS = (500, 2000)
NPROBES = (4, 10, 20, 40, 80, 150)
RERANKS = (12, 20, 40, 100, 150)
TERMS = ("query", "list", "probe", "entry", "pooled")
QUERIES = 3000
TIER = "avx512"


def add_costs(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--repeats", type=positive, default=4)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--out", type=Path, help="default: bench/results/costs-<data>....json"
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_costs)


def run_costs(arguments: argparse.Namespace) -> int:
    """Time searches on one thread over a grid, and fit; print nanoseconds a term."""
    begun = provenance()
    fits, names = [], []
    for path in arguments.data:
        dataset = load_dataset(path, quick=arguments.quick)
        say(f"{dataset.name}: timing searches")
        work, times = measure(dataset, arguments.repeats, arguments.seed)
        fits.append(fit(work, times, dim=dataset.base.shape[1]) | grid(work, times))
        fits[-1]["data"] = describe(dataset)
        names.append(path.resolve().stem)
    settings = ("repeats", "seed", "quick")
    result = {"mode": "costs", "tier": TIER, "threads": 1, "fits": fits}
    result |= {name: getattr(arguments, name) for name in settings} | begun
    name = "-".join(["costs", *names])
    out = arguments.out or default_file(name, quick=arguments.quick)
    write_json(result | {"load_at_end": load()}, out)
    print(costs_table(result))
    say(f"result: {out}")
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
        for nprobe, rerank in product(NPROBES, RERANKS):
            request = ScanRequest(k=10, rerank=rerank)
            taken = []
            for _ in range(repeats):
                start = process_time()
                found = engine.search(queries, nprobe=nprobe, request=request)
                taken.append(process_time() - start)
            entries = found.work.entries_scanned / len(queries)
            work.append([1, nlist, nprobe, entries, rerank])
            times.append(min(taken) / len(queries) * 1e9)
    return np.array(work, np.float64), np.array(times)


def fit(work: np.ndarray, times: np.ndarray, *, dim: int) -> dict[str, Any]:
    """Non-negative least squares on relative errors, and the model's own error."""
    constants, _ = nnls(work / times[:, None], np.ones(len(times)))
    modelled = [
        CostModel(dim, int(nlist)).search(entries=entries, nprobe=nprobe, rerank=rerank)
        for _, nlist, nprobe, entries, rerank in work
    ]
    return {
        "nanoseconds": dict(zip(TERMS, constants.tolist(), strict=True)),
        "error_of_fit": float(np.abs(work @ constants / times - 1).mean()),
        "error_of_model": float(np.abs(np.array(modelled) / times - 1).mean()),
    }


def grid(work: np.ndarray, times: np.ndarray) -> dict[str, Any]:
    """The searches behind a fit, one a line, so that another model can be tried."""
    return {
        "terms": list(TERMS),
        "work_a_query": work.tolist(),
        "nanoseconds_a_query": times.tolist(),
    }


def costs_table(result: dict[str, Any]) -> str:
    """Nanoseconds a term, and how far the fit and the model are off."""
    header = [
        "data",
        "d",
        *TERMS,
        "error of the fit",
        "error of index/operating/cost.py",
    ]
    rows = [
        [
            fitted["data"]["name"],
            str(fitted["data"]["dim"]),
            *(f"{fitted['nanoseconds'][term]:.2f}" for term in TERMS),
            f"{fitted['error_of_fit']:.0%}",
            f"{fitted['error_of_model']:.0%}",
        ]
        for fitted in result["fits"]
    ]
    return markdown(header, rows)
