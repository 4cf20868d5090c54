"""Peers that make neighbour graphs: a module each, of the form that follows.

    version() -> str                           what runs
    sweep(shape: Shape) -> Sweep               what tuning tries, the cheapest first
    build(base, metric, threads, params)       an object, from float32 rows
    neighbours(built, own, k, params) -> rows  (m, k) of rows `own` (m,), or of all
    SEARCHES: bool                             a few rows cost less than all

`version` and `sweep` are as in `bench.peers.contract`. A row must not be its own
neighbour; nearest first; -1 where there is none.
"""

from bench.peers.contract import Peer

OURS = "gleann"

GRAPHS: dict[str, Peer] = {
    OURS: Peer(module="bench.graphs.gleann"),
    "pynndescent": Peer(module="bench.graphs.pynndescent"),
    "hnswlib": Peer(module="bench.graphs.hnswlib"),
}
