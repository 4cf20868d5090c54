"""The peers by name. A new one is a file here and a line in `PEERS`."""

from bench.peers.contract import Peer

_TIER = "GLEANN_NATIVE_TIER"

PEERS: dict[str, Peer] = {
    "gleann": Peer(module="bench.peers.gleann"),
    "gleann-soar": Peer(module="bench.peers.gleann", only=(("spill", "soar"),)),
    "gleann-none": Peer(module="bench.peers.gleann", only=(("spill", "none"),)),
    "gleann-auto": Peer(module="bench.peers.gleann", only=(("spill", "auto"),)),
    "gleann-avx512": Peer(module="bench.peers.gleann", env=((_TIER, "avx512"),)),
    "gleann-avx2": Peer(module="bench.peers.gleann", env=((_TIER, "avx2"),)),
    "gleann-portable": Peer(module="bench.peers.gleann", env=((_TIER, "portable"),)),
    "scann": Peer(module="bench.peers.scann", time_share=2.0),
    "faiss-ivfpq": Peer(module="bench.peers.faiss_ivfpq"),
    "faiss-hnsw": Peer(module="bench.peers.faiss_hnsw", time_share=0.6),
    "hnswlib": Peer(module="bench.peers.hnswlib", time_share=0.6),
    "usearch": Peer(module="bench.peers.usearch", time_share=0.6),
}

DEFAULT_PEERS = ("gleann", "scann", "faiss-ivfpq", "faiss-hnsw", "hnswlib", "usearch")


def is_ours(name: str) -> bool:
    """Whether `name` is a form of gleann, the reference of the comparisons."""
    return name.split("-", maxsplit=1)[0] == "gleann"
