"""`python -m bench tenants`: many tenants in one collection, beside an index for each.

Tenants have Zipf sizes and hold rows at random. A search of one goes the way of the
service: a condition on an indexed column, bound, its rows found, and searched. So does
a search of its own index, without the condition.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.comparison.worker import status_bytes
from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.arrays import Vectors
from gleann.index.filters.condition import Condition
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.search.allowed import allowed_in
from gleann.service.search.view_search import search
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import Sealed, View
from gleann.service.views.live_payload import LivePayload, Part

K = 10
PARAMS = SearchParams(k=K)
SCHEMA = Schema([Column("tenant", "string", indexed=True)])


def add_tenants(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--data", type=Path, required=True, help="folder")
    parser.add_argument("--rows", type=positive, default=300_000)
    parser.add_argument("--tenants", type=positive, default=1000)
    parser.add_argument(
        "--compared", type=positive, default=50, help="with own indexes"
    )
    parser.add_argument("--queries", type=positive, default=40, help="for each tenant")
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--out", type=Path, help="default: bench/results/tenants-<data>.json"
    )
    parser.set_defaults(run=run_tenants)


def run_tenants(args: argparse.Namespace) -> int:
    """Measure one data folder; print the table and write it as JSON."""
    begun = provenance()
    rng = np.random.default_rng(args.seed)
    metric = json.loads((args.data / "meta.json").read_text())["metric"]
    base = np.load(args.data / "base.npy", mmap_mode="r")
    count = min(args.rows, len(base))
    drawn = np.sort(rng.choice(len(base), count, replace=False))
    queries = np.load(args.data / "queries.npy").astype(np.float32)
    owners = tenants_of(count, args.tenants, rng)
    index = SoarIndex.build(
        base[drawn].astype(np.float32), BuildParams(metric=metric, seed=args.seed)
    )
    index.find_rows(queries[:64], SearchParams(k=K))
    alone = status_bytes("RssAnon")
    view = view_of(index, owners)
    for tenant in range(args.tenants):
        ask(view, condition_of(tenant), queries[:1])
    shared = status_bytes("RssAnon")
    say(f"all {args.tenants} tenants asked once: {shared / 2**20:.0f} MiB")
    # From the largest to the smallest, evenly by rank.
    ranks = np.unique(np.linspace(0, args.tenants - 1, args.compared).astype(int))
    measured = [
        compare(view, index.vectors[owners == tenant], int(tenant), queries, args)
        for tenant in ranks
    ]
    name = args.data.resolve().name
    result: dict[str, Any] = {"mode": "tenants", "data": name, "metric": metric}
    result |= {"n": count, "tenants": args.tenants, "seed": args.seed}
    result |= {"rss_without": alone, "rss_with": shared, "rows": measured} | begun
    print(tenants_table(result))
    out = args.out or default_file(f"tenants-{name}")
    write_json(result, out)
    say(f"result: {out}")
    return 0


def tenants_of(count: int, tenants: int, rng: np.random.Generator) -> np.ndarray:
    """The tenant of each row (n,): tenant t has a share that falls as 1 / (t + 1)."""
    shares = 1 / np.arange(1, tenants + 1)
    return rng.choice(tenants, count, p=shares / shares.sum())


def view_of(index: SoarIndex, owners: np.ndarray) -> View:
    """A served state of the index, with the tenant of each row as payload."""
    names = np.char.add("tenant-", owners.astype(str))
    payload = LivePayload(
        schema=SCHEMA, sealed=Part(Payload.of({"tenant": names}, SCHEMA, n=len(owners)))
    )
    return View(
        number=1,
        name="tenants",
        dim=index.dim,
        metric=index.metric,
        delta=Delta(index.dim),
        sealed=Sealed(index),
        payload=payload,
    )


def condition_of(tenant: int) -> Condition:
    """What a client sends to search one tenant."""
    return Condition("tenant = $1", (f"tenant-{tenant}",))


def ask(view: View, condition: Condition, queries: Vectors) -> None:
    """One search of a tenant, as the service makes it of a decoded request."""
    allowed = allowed_in(view, allowed_ids=None, condition=condition)
    search(view, queries, PARAMS, allowed=allowed)


def compare(
    view: View,
    own_rows: Vectors,
    tenant: int,
    queries: Vectors,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Median latency in the collection and in an index of its own, query by query."""
    own = view_of(
        SoarIndex.build(own_rows, BuildParams(metric=view.metric, seed=args.seed)),
        np.full(len(own_rows), tenant),
    )
    some, condition = queries[: args.queries], condition_of(tenant)
    shared, apart = [], []
    for _ in range(args.rounds):
        ours, theirs = [], []
        for q in range(len(some)):
            begun = time.perf_counter_ns()
            ask(view, condition, some[q : q + 1])
            middle = time.perf_counter_ns()
            search(own, some[q : q + 1], PARAMS, allowed=None)
            ours.append(middle - begun)
            theirs.append(time.perf_counter_ns() - middle)
        shared.append(np.median(ours))
        apart.append(np.median(theirs))
    ratios = np.array(shared) / np.array(apart)
    return {
        "tenant": tenant,
        "size": len(own_rows),
        "shared_us": round(float(np.median(shared)) / 1e3, 1),
        "own_us": round(float(np.median(apart)) / 1e3, 1),
        "ratio": np.quantile(ratios, [0, 0.5, 1]).round(2).tolist(),
    }


def tenants_table(result: dict[str, Any]) -> str:
    """A recorded result as markdown."""
    rows = result["rows"]
    middle = {
        "tenant": "median",
        "size": int(np.median([row["size"] for row in rows])),
        "shared_us": float(np.median([row["shared_us"] for row in rows])),
        "own_us": float(np.median([row["own_us"] for row in rows])),
        "ratio": np.quantile([row["ratio"][1] for row in rows], [0, 0.5, 1]).tolist(),
    }
    head = ["tenant", "rows", "in the collection, us", "own index, us", "ratio"]
    shown = [*rows[:: max(1, len(rows) // 8)], middle]
    body = [
        [
            str(row["tenant"]),
            f"{row['size']:,}",
            f"{row['shared_us']:,.0f}",
            f"{row['own_us']:,.0f}",
            f"{row['ratio'][1]:.2f} ({row['ratio'][0]:.2f} to {row['ratio'][2]:.2f})",
        ]
        for row in shown
    ]
    memory = result["rss_with"] / result["rss_without"]
    note = (
        f"\nMemory (RssAnon) after all tenants were asked: {memory:.3f} times that of"
        " the same rows without tenants."
    )
    return markdown(head, body) + "\n" + note
